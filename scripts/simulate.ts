// npm run simulate -- revocation [--guards N] [--hours N] [--seed N] [--svg FILE]: guards, a feed, links and an issuer with
// everything that goes wrong between them, under a clock that is not real. Fails when a token is accepted later than promised.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { drawSvg, drawText } from './simulation/charts.ts'
import { simulate } from './simulation/run.ts'
import { chartsOf, summarize } from './simulation/summary.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    guards: { type: 'string', default: '1000' },
    hours: { type: 'string', default: '4' },
    real: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    svg: { type: 'string' },
  },
})
if (positionals.join() !== 'revocation')
  fail('usage: npm run simulate -- revocation [--guards N] [--hours N] [--real N] [--seed N] [--svg FILE]')

function fail(words: string): never {
  console.error(words)
  process.exit(2)
}

function readWhole(name: 'guards' | 'hours' | 'real' | 'seed', least: number, most: number): number {
  const number = Number(values[name])
  if (Number.isInteger(number) && number >= least && number <= most) return number
  return fail(
    `--${name}: ${JSON.stringify(values[name])} is not allowed; it must be a whole number from ${least} to ${most}`,
  )
}

const guards = readWhole('guards', 1, 100_000)
const setting = {
  guards,
  hours: readWhole('hours', 1, 168),
  realGuards: Math.min(guards, readWhole('real', 0, 100_000)),
  seed: readWhole('seed', 0, 2 ** 31 - 1),
  bug: undefined,
}
const startedAt = performance.now()
const outcome = await simulate(setting, (done) => {
  if (process.stderr.isTTY && done % 50 === 0) process.stderr.write(`\r${done} of ${guards} guards`)
})
const charts = chartsOf(outcome)
console.log(summarize(outcome))
for (const chart of charts) console.log(`\n${drawText(chart)}`)
if (values.svg !== undefined) writeFileSync(values.svg, drawSvg(charts))
console.log(`\n${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
for (const violation of outcome.violations.slice(0, 20)) console.error(violation)
console.log(
  outcome.violations.length === 0
    ? 'nothing was accepted later than promised'
    : `${outcome.violations.length} promises broken`,
)
process.exitCode = outcome.violations.length === 0 ? 0 : 1
