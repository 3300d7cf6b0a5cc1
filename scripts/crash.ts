// Kills a real server under load, again and again, and holds it to everything that it acknowledged:
// `npm run crash -- --rounds 50`. No acknowledged token or revocation is lost, nothing is accepted twice, the audit log is
// whole. Prints one table; exits 1 when a promise was broken.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { AuditRecord } from '@arctos/authorization-server'
import { checkPromises, missingRecords } from './crash-checks.ts'
import { type Counts, type Ledger, openLedger, type Session } from './crash-ledger.ts'
import { runLoad } from './crash-load.ts'
import { prepareSite, type RunningServer, type Site, startServer } from './crash-server.ts'
import { type AuditHead, emptyAudit, mintCodes, readAudit, register, withStore } from './crash-store.ts'
import { createAsk } from './crash-wire.ts'

const codesPerRound = 120
/** Sessions that go on into the next round. */
const sessionsKept = 24
const longestLifeMs = 500

interface Round {
  readonly counts: Counts
  readonly lifeMs: number
  readonly readyMs: number
  readonly records: number
  readonly violations: readonly string[]
}

/** What one round hands to the next. */
interface State {
  readonly sessions: readonly Session[]
  readonly audit: AuditHead
  readonly records: readonly AuditRecord[]
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '50' } } })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error(`--rounds: ${JSON.stringify(values.rounds)} is not allowed; it must be a whole number from 1`)
  process.exit(1)
}

const directory = mkdtempSync(join(tmpdir(), 'arctos-crash-'))
let failed = 0
try {
  const site = await prepareSite(directory, randomBytes(32))
  const userId = await withStore(site.database, register)
  const done: Round[] = []
  let state: State = { sessions: [], audit: emptyAudit, records: [] }
  for (let number = 1; number <= rounds; number++) {
    const { round, next } = await runRound(site, userId, state)
    done.push(round)
    state = next
    for (const violation of round.violations) console.error(`round ${number}: ${violation}`)
  }
  printTable(done)
  failed = done.filter(({ violations }) => violations.length > 0).length
} finally {
  rmSync(directory, { recursive: true, force: true })
}
console.log(`${rounds - failed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

/** Codes; load; death at a random moment; a new start; the checks; a death without load; the audit log. */
async function runRound(
  site: Site,
  userId: string,
  state: State,
): Promise<{ readonly round: Round; readonly next: State }> {
  const codes = await withStore(site.database, (store) => mintCodes(store, userId, codesPerRound))
  const ledger = openLedger(state.sessions)
  const lifeMs = await liveAndDie(site, ledger, [...codes])
  const since = performance.now()
  const server = await startServer(site)
  const readyMs = performance.now() - since
  await checkAndDie(site, ledger, server)
  const audit = await withStore(site.database, (store) => readAudit(store, state.audit))
  const records = [...state.records, ...audit.records]
  if (audit.broken !== undefined) ledger.violations.push(`the audit log breaks at record ${audit.broken.seq}`)
  ledger.violations.push(...missingRecords(ledger, records))
  const sessions = ledger.sessions.filter((session) => session.state === 'live').slice(-sessionsKept)
  return {
    round: { counts: ledger.counts, lifeMs, readyMs, records: audit.records.length, violations: ledger.violations },
    next: { sessions, audit: audit.head, records: records.slice(-20_000) },
  }
}

/** Lets the clients loose on a server and kills it amid their requests; returns how long it lived under load. */
async function liveAndDie(site: Site, ledger: Ledger, codes: Parameters<typeof runLoad>[2]): Promise<number> {
  const server = await startServer(site)
  const { ask, hangUp } = createAsk(site.port)
  let dead = false
  const lifeMs = 20 + Math.random() * longestLifeMs
  const load = runLoad(ask, ledger, codes, () => dead)
  await new Promise((resolve) => setTimeout(resolve, lifeMs))
  const killed = server.kill()
  dead = true
  await Promise.all([killed, load])
  hangUp()
  return lifeMs
}

async function checkAndDie(site: Site, ledger: Ledger, server: RunningServer): Promise<void> {
  const { ask, hangUp } = createAsk(site.port)
  try {
    await checkPromises(ask, ledger)
  } finally {
    hangUp()
    await server.kill()
  }
}

function printTable(done: readonly Round[]): void {
  const sum = (of: (round: Round) => number): number => done.reduce((total, round) => total + of(round), 0)
  const ready = done.map(({ readyMs }) => readyMs).sort((a, b) => a - b)
  const rows: readonly (readonly [string, number | string])[] = [
    ['rounds', done.length],
    ['milliseconds of load before the kill', Math.round(sum(({ lifeMs }) => lifeMs))],
    ['refreshes acknowledged', sum(({ counts }) => counts.refreshes)],
    ['codes redeemed', sum(({ counts }) => counts.redemptions)],
    ['revocations acknowledged', sum(({ counts }) => counts.revocations)],
    ['requests cut off by a kill', sum(({ counts }) => counts.cut)],
    ['answers of 503 before a kill', sum(({ counts }) => counts.unavailable)],
    ['audit records read and chained', sum(({ records }) => records)],
    ['start until ready, median ms', Math.round(ready[Math.floor(ready.length / 2)] ?? 0)],
    ['promises broken', sum(({ violations }) => violations.length)],
  ]
  for (const [name, value] of rows) console.log(`${name.padEnd(40)}${String(value).padStart(10)}`)
}
