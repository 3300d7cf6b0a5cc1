// npm run fuzz [-- --count N --each N --seed N]: mixed-up requests to the guard in process, then through each adapter on a real
// listener. Nothing but an unmodified token gets in, nothing is answered with 5xx, nothing hangs.
import { parseArgs } from 'node:util'
import { askOverHttp, type Received, type Sent } from '../packages/resource-server/test/apps/app.ts'
import { apps } from '../packages/resource-server/test/apps.ts'
import { call, guardSmallServer, mcpApps } from '../packages/resource-server/test/mcp-app.ts'
import { type AskGuard, askInProcess, createFuzzWorld, type FuzzOutcome, type FuzzWorld, fuzz } from './fuzz-run.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    each: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
})

function readWhole(name: 'count' | 'each' | 'seed'): number {
  const number = Number(values[name])
  if (Number.isInteger(number) && number >= 0) return number
  console.error(`--${name}: ${JSON.stringify(values[name])} is not allowed; it must be a whole number from 0`)
  process.exit(1)
}

const [count, each, seed] = [readWhole('count'), readWhole('each'), readWhole('seed')]
let failed = 0

function report(name: string, outcome: FuzzOutcome, startedAt: number): void {
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  const { letIn, refused, cut, problems } = outcome
  console.log(
    [
      name.padEnd(20),
      String(outcome.count).padStart(8),
      String(letIn).padStart(8),
      String(refused).padStart(8),
      String(cut).padStart(6),
      String(problems.length).padStart(8),
      `${seconds} s`.padStart(9),
    ].join(' '),
  )
  for (const problem of problems) console.error(`  ${problem}`)
  failed += problems.length
}

console.log(`seed ${seed}: repeat with --seed ${seed}`)
console.log('asked                  inputs   let in  refused    cut problems      time')
const world = createFuzzWorld(seed)
const startedAt = performance.now()
report('in process', await fuzz(world, count, askInProcess(world)), startedAt)

// A client of node:http refuses to send what is none of HTTP; it would never reach a guard.
const sendable = (value: string) => value.replace(/[^\t\x20-\x7e\x80-\xff]/g, '')
const adapterRound = 200

type Ask = (sent: Sent) => Promise<Received>

/** Through one adapter. An application of its own, in a world that the same seed makes. */
async function fuzzAdapter(
  name: string,
  start: (world: FuzzWorld) => Promise<{ readonly ask: Ask; readonly close: () => Promise<void> }>,
): Promise<void> {
  const own = createFuzzWorld(seed)
  const app = await start(own)
  const ask: AskGuard = async ({ method, query, authorization }) => {
    try {
      const path = `/read${query}`
      return (await app.ask({ path, method, authorization: authorization.map(sendable) })).status
    } catch (error) {
      const { code } = error as { code?: unknown }
      // The server cut the connection: it had read enough.
      if (code === 'ECONNRESET' || code === 'EPIPE') return undefined
      throw error
    }
  }
  const at = performance.now()
  try {
    report(name, await fuzz(own, each, ask, adapterRound), at)
  } finally {
    await app.close()
  }
}

for (const [name, start] of Object.entries(apps)) await fuzzAdapter(name, ({ api }) => start(api))
for (const [name, start] of Object.entries(mcpApps)) {
  await fuzzAdapter(`MCP, ${name}`, async ({ api }) => {
    const { origin, close } = await start(guardSmallServer(api))
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify(call('whoami'))
    return { ask: (sent) => askOverHttp(origin, { ...sent, method: 'POST', headers, body }), close }
  })
}
console.log(failed === 0 ? 'nothing got in, nothing broke down' : `${failed} problems`)
process.exit(failed === 0 ? 0 : 1)
