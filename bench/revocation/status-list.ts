// What status lists cost, at the guard and at the server; by itself `node bench/revocation/status-list.ts` prints it.
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createAuthorizationServer, openStore } from '@arctos/authorization-server'
import { type AccessToken, decodeStatusList, encodeStatusList, sha256Base64url, statusAt } from '@arctos/core'
import { type Figure, formatReport, median, type Report, round, verdict } from '../report.ts'
import { holdList } from './status-list-guard.ts'

const sizes = [100_000, 1_000_000, 10_000_000]
const shares = [0.001, 0.01, 0.05]
const lookUps = 1 << 16
const rounds = 25
const lookUpLimitNs = 20
const grants = 200_000

/** Look-ups in lists of 10^5 to 10^7 statuses, what lists weigh, and what publishing and naming them costs the server. */
export async function measureStatusList(): Promise<Report> {
  const rows: (readonly string[])[] = []
  const figures: Figure[] = []
  for (const size of sizes) {
    for (const share of shares) {
      const { bytes, began } = listOf(size, share)
      const list = await encodeStatusList({ bits: 1, bytes })
      const packed = performance.now() - began
      const unpacking = performance.now()
      await decodeStatusList(list, 2 ** 22)
      const unpacked = performance.now() - unpacking
      const bare = lookUpIn(bytes, size)
      const whole = await lookUpByGuard(list, bytes, size)
      const name = `10^${Math.log10(size)}, ${share * 100} %`
      const weight = `${round((list.lst.length * 3) / 4 / 1_024)} KB`
      rows.push([name, ns(bare), ns(whole), weight, `${round(packed)} ms`, `${round(unpacked)} ms`])
      const limits = { limit: lookUpLimitNs / 1_000, unit: ' µs', must: 'not exceed' } as const
      figures.push({ name: `look-up at ${name}`, ...limits, rounds: bare.map((each) => each / 1_000) })
    }
  }
  const { publishMs, longestMs } = await publishing()
  const tokens = await naming()
  return {
    title: `Status lists, one bit each: ns of a look-up (medians of ${rounds} rounds), size, time to pack (level 6) and unpack, in the thread pool`,
    columns: ['statuses, taken back', 'look-up', 'by the guard', 'size', 'pack', 'unpack'],
    rows,
    figures,
    notes: [
      `Publishing one list with ${grants} grants on SQLite, ${round(publishMs)} ms from its beginning to its being served; the event loop was held for ${round(longestMs)} ms at the longest.`,
      'A change is published a tenth of the ttl (at least 1 s) after the last publication, and looked for every second.',
      `client_credentials, CPU in process, medians of ${rounds} rounds in turn: ${tokens.map(([name, us]) => `${round(us)} µs ${name}`).join(', ')}.`,
    ],
  }
}

function ns(values: readonly number[]): string {
  return `${round(median(values))} ns`
}

function listOf(size: number, share: number): { readonly bytes: Buffer; readonly began: number } {
  const bytes = Buffer.alloc(Math.ceil(size / 8))
  for (let each = 0; each < size * share; each++) {
    const index = randomInt(size)
    bytes[index >>> 3] = (bytes[index >>> 3] ?? 0) | (1 << (index & 7))
  }
  return { bytes, began: performance.now() }
}

/** ns of one look-up at random indexes, without the loop around it. */
function lookUpIn(bytes: Buffer, size: number): readonly number[] {
  const indexes = Uint32Array.from({ length: lookUps }, () => randomInt(size))
  const list = { bits: 1, bytes } as const
  return timed(
    (at) => statusAt(list, indexes[at] as number) as number,
    (at) => indexes[at] as number,
  )
}

/** The same as a guard does it with verified tokens that are good, each at an address of its own in memory. */
async function lookUpByGuard(list: object, bytes: Buffer, size: number): Promise<readonly number[]> {
  const { look, claimsOf, close } = await holdList(list)
  const tokens = Array.from({ length: 4_096 }, () => claimsOf(goodIndex(bytes, size)) as AccessToken)
  const tokenAt = (at: number): AccessToken => tokens[at & 4_095] as AccessToken
  const costs = timed(
    (at) => (look(tokenAt(at)) === undefined ? 1 : 0),
    (at) => (tokenAt(at) === undefined ? 1 : 0),
  )
  close()
  return costs
}

function goodIndex(bytes: Buffer, size: number): number {
  for (;;) {
    const index = randomInt(size)
    if (statusAt({ bits: 1, bytes }, index) === 0) return index
  }
}

let sink = 0

function timed(act: (at: number) => number, bare: (at: number) => number): readonly number[] {
  const pass = (of: (at: number) => number): number => {
    const began = process.hrtime.bigint()
    let sum = 0
    for (let at = 0; at < lookUps; at++) sum += of(at)
    sink += sum
    return Number(process.hrtime.bigint() - began) / lookUps
  }
  for (let warm = 0; warm < 20; warm++) pass(act) + pass(bare)
  const costs = Array.from({ length: rounds }, () => Math.max(0, pass(act) - pass(bare)))
  // Somebody has to want the sums, or nothing is looked up at all.
  if (sink < 0) throw new Error('a status is negative')
  return costs
}

const [issuer, actor, secret] = ['https://as.example', 'bench', 'a secret of the client']

/** How far the clock of the servers is ahead of this machine's. */
let aheadMs = 0

async function openServer(database: string, statusLists: boolean) {
  const now = (): number => Date.now() + aheadMs
  const store = await openStore({ database, now })
  await store.migrate()
  const settings = { identifier: 'https://notes.example', scopes: { read: 'Read' }, accessTokenLifetimeSeconds: 600 }
  await store.createResource({ settings: { ...settings, tokenFormat: 'jwt', tokenType: 'at+jwt' }, actor })
  const client = { name: 'Service', authenticationMethods: ['client_secret_post' as const], redirectUris: [] }
  const secretHash = sha256Base64url(secret)
  await store.createClient({
    id: 'service',
    settings: { ...client, grantTypes: ['client_credentials'] },
    secretHash,
    actor,
  })
  const experimental = statusLists ? ({ tokenStatusList: 'draft-21' } as const) : {}
  const server = await createAuthorizationServer({ issuer, store, kek: Buffer.alloc(32), now, experimental })
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'service', client_secret: secret })
  const ask = async (): Promise<string> => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const request = new Request(`${issuer}/token`, { method: 'POST', headers, body: form.toString() })
    return (await server.handle(request, { address: '127.0.0.1' })).text()
  }
  return { store, server, ask }
}

/** A list that is full of grants, one in a hundred of them ended. */
async function publishing(): Promise<{ readonly publishMs: number; readonly longestMs: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'arctos-bench-'))
  const file = join(folder, 'arctos.db')
  const { store, server, ask } = await openServer(file, true)
  try {
    await store.createUser({ id: 'user', username: 'ada', passwordHash: '-', actor })
    await ask()
    const list = (await store.listStatusLists(undefined)).lists[0]
    fill(file, list?.id ?? '')
    aheadMs += 60_000
    // Once before: the first commit after what was written beside it has to catch up with that.
    await server.context.statusLists?.publishDue()
    aheadMs += 60_000
    const longest = watchTurns()
    const began = performance.now()
    await server.context.statusLists?.publishDue()
    return { publishMs: performance.now() - began, longestMs: longest() }
  } finally {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** How long the longest turn of the event loop took, in milliseconds, until it is asked for. */
function watchTurns(): () => number {
  let [last, longest, isOver] = [performance.now(), 0, false]
  const turn = (): void => {
    const at = performance.now()
    longest = Math.max(longest, at - last)
    last = at
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  return () => {
    isOver = true
    return longest
  }
}

function fill(file: string, list: string): void {
  const beside = new DatabaseSync(file, { timeout: 5_000 })
  const insert = beside.prepare(
    `INSERT INTO grants (id, client_id, user_id, scope, resources, authenticated_at, issued_at, not_before, idle_expires_at,
       absolute_expires_at, keep_until, ended_at, ended_reason, status_list, status_index)
     VALUES (?, 'service', 'user', 'read', 'https://notes.example', 0, 0, 0, 9e9, 9e9, 9e9, ?, ?, ?, ?)`,
  )
  beside.exec('BEGIN')
  for (let each = 0; each < grants; each++) {
    const ended = each % 100 === 0
    insert.run(`grant-${each}`, ended ? 1 : null, ended ? 'revoked' : null, list, each)
  }
  beside.exec('COMMIT')
  // What the next commit would have to move into the database otherwise is none of the publishing.
  beside.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  beside.close()
}

/** µs of CPU for one token, without and with a name in a list, in turn. */
async function naming(): Promise<readonly (readonly [string, number])[]> {
  const without = await openServer(':memory:', false)
  const with_ = await openServer(':memory:', true)
  const cost = async (ask: () => Promise<string>): Promise<number> => {
    const began = process.cpuUsage()
    for (let batch = 0; batch < 8; batch++) await Promise.all(Array.from({ length: 32 }, ask))
    const { user, system } = process.cpuUsage(began)
    return (user + system) / 256
  }
  for (let warm = 0; warm < 12; warm++) (await cost(without.ask)) + (await cost(with_.ask))
  const costs: [number[], number[]] = [[], []]
  for (let each = 0; each < rounds; each++) {
    costs[0].push(await cost(without.ask))
    costs[1].push(await cost(with_.ask))
  }
  await without.store.close()
  await with_.store.close()
  return [
    ['without status lists', median(costs[0])],
    ['with them', median(costs[1])],
  ]
}

if (import.meta.main) {
  const result = await measureStatusList()
  console.log(formatReport(result))
  console.log(verdict(result.figures))
}
