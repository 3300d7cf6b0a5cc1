// npm run bench -- NAME [--check]: installs what the benches need, measures, prints one table. `--quick` has the bench of
// revocation do a little of everything, to see that it works; its figures are none then.
import { parseArgs } from 'node:util'
import { installPeers } from '../scripts/install-peers.ts'
import { figuresOf, formatReport, isMissed, type Report, verdict } from './report.ts'

const benches: Readonly<Record<string, () => Promise<{ readonly measure: (isQuick: boolean) => Promise<Report> }>>> = {
  start: () => import('./start.ts'),
  token: () => import('./token.ts'),
  verify: () => import('./verify.ts'),
  guard: () => import('./guard.ts'),
  jwks: () => import('./jwks.ts'),
  client: () => import('./client.ts'),
  revocation: () => import('./revocation.ts'),
  install: () => import('./install.ts'),
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { check: { type: 'boolean' }, quick: { type: 'boolean' } },
})
const [name = ''] = positionals
const bench = Object.hasOwn(benches, name) && positionals.length === 1 ? benches[name] : undefined
if (bench === undefined) {
  console.error(`usage: npm run bench -- NAME [--check]\nNAME is one of: ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}
if (values.quick !== true) installPeers(import.meta.dirname)
const report = await (await bench()).measure(values.quick === true)
console.log(formatReport(report))
console.log(verdict(figuresOf(report)))
// Timers of a peer may still run for minutes.
process.exit(values.check === true && figuresOf(report).some(isMissed) ? 1 : 0)
