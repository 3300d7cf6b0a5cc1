import type pg from 'pg'
import type { Arrival } from './change-queue.ts'
import type { Change } from './engine.ts'
import { allDone, ask } from './postgres-connection.ts'
import { type Lock, text } from './transaction.ts'

/** A change and the rows that it needs for itself. */
export interface Claim extends Arrival {
  readonly locks: readonly Lock[]
}

export function claimOf({ change, arrivedAt }: Arrival): Claim {
  return { change, arrivedAt, locks: change.verb.locks?.(change.input) ?? [] }
}

/** What locking found out. Rows go by `table` and key. */
export interface Locked {
  /** The user's row, by the row of the grant or code that is the user's. */
  readonly owners: ReadonlyMap<string, string>
  /** Rows that another transaction holds, so that they were left out. */
  readonly held: ReadonlySet<string>
}

/** Locks the rows of these claims and waits for those that others hold. */
export async function lockWaiting(client: pg.PoolClient, claims: readonly Claim[]): Promise<Locked> {
  // Each by itself and in one order everywhere, so that two that wait do not wait for each other.
  const locks = mergedLocks(claims)
  const isBefore = ({ table }: Lock): boolean => order.indexOf(table) < order.indexOf('issuer_state')
  const grouped = (some: readonly Lock[]) => some.map((lock) => [lock])
  // Sent one behind the other, without waiting for the answers.
  const first = lockGroups(client, grouped(locks.filter(isBefore)), '')
  const gate = claims.some(({ change }) => change.verb.urgent) ? [ask(client, closeGate, [])] : []
  const rest = lockGroups(client, grouped(locks.filter((lock) => !isBefore(lock))), '')
  await allDone([first, ...gate, rest])
  return { owners: (await rest).owners, held: new Set() }
}

/**
 * Whoever issues shares the row of this table. PostgreSQL lets those who share a row overtake those who wait to change it, for ever
 * where there are enough of them, but queues for tables are fair: who comes now waits behind us, and who was before is done soon.
 */
const closeGate = 'LOCK TABLE issuer_state IN EXCLUSIVE MODE'

/** Locks the rows of these claims, without waiting for those that others hold. */
export async function lockFree(client: pg.PoolClient, claims: readonly Claim[]): Promise<Locked> {
  const locks = mergedLocks(claims)
  const groups = [...Map.groupBy(locks, ({ table, mode }) => `${table} ${mode}`).values()]
  const { owners, ours } = await lockGroups(client, groups, 'SKIP LOCKED')
  // A row can be wanted in two ways, by its own key and as the owner of a grant: to share it is not to have it for a change.
  const isOurs = (row: string, { mode }: Lock): boolean =>
    ours.update.has(row) || (mode === 'share' && ours.share.has(row))
  const wanted = locks.flatMap((lock) => {
    const row = rowOf(lock, owners)
    return row === undefined || isOurs(row, lock) ? [] : [row]
  })
  const missing = new Set(wanted)
  // A row that does not exist cannot be held by anybody.
  return { owners, held: missing.size === 0 ? missing : await existingRows(client, missing) }
}

/** The rows that a change names itself, without asking whose something is. */
export function namedRows({ verb, input }: Change): readonly string[] {
  const locks = verb.locks?.(input) ?? []
  return locks.filter(({ owns }) => owns === undefined).map(({ table, key }) => `${table} ${key}`)
}

/** The row that keeps this claim from running now, if any. */
export function heldRow({ locks }: Claim, { owners, held }: Locked): string | undefined {
  if (held.size === 0) return undefined
  return locks.map((lock) => rowOf(lock, owners)).find((row) => row !== undefined && held.has(row))
}

/**
 * Sorts claims into lanes: those that meet on a row, where one of them changes it, run one after the other in the order of their
 * arrival. Lanes have nothing in common and need not wait for each other's answers.
 */
export function lanesOf(claims: readonly Claim[], { owners }: Locked): readonly (readonly Claim[])[] {
  const changed = new Set<string>()
  for (const { locks } of claims)
    for (const lock of locks) if (lock.mode === 'update') changed.add(rowOf(lock, owners) ?? '')

  const laneOfRow = new Map<string, Set<Claim>>()
  const lanes = new Set<Set<Claim>>()
  for (const claim of claims) {
    const rows = claim.locks.flatMap((lock) => rowOf(lock, owners) ?? []).filter((row) => changed.has(row))
    const [lane = new Set<Claim>(), ...others] = new Set(rows.flatMap((row) => laneOfRow.get(row) ?? []))
    for (const other of others) {
      for (const each of other) lane.add(each)
      for (const [row, of] of laneOfRow) if (of === other) laneOfRow.set(row, lane)
      lanes.delete(other)
    }
    lane.add(claim)
    for (const row of rows) laneOfRow.set(row, lane)
    lanes.add(lane)
  }
  return [...lanes].map((lane) => (lane.size === 1 ? [...lane] : claims.filter((claim) => lane.has(claim))))
}

function rowOf(lock: Lock, owners: ReadonlyMap<string, string>): string | undefined {
  return lock.owns === undefined ? `${lock.table} ${lock.key}` : owners.get(`${lock.owns} ${lock.key}`)
}

// Principals before what is theirs: a verb that holds a principal touches grants and codes that it does not lock by name.
const order: readonly Lock['table'][] = [
  'leases',
  'attempts',
  'issuer_state',
  'clients',
  'users',
  'codes',
  'device_codes',
  'grants',
  'api_keys',
  'streams',
]

/** Each row once, in its strongest mode, in the one order. */
function mergedLocks(claims: readonly Claim[]): readonly Lock[] {
  const strongest = new Map<string, Lock>()
  for (const { locks } of claims) {
    for (const lock of locks) {
      const id = `${order.indexOf(lock.table)} ${lock.owns ?? ''} ${lock.key}`
      if (strongest.get(id)?.mode !== 'update') strongest.set(id, lock)
    }
  }
  return [...strongest.keys()].sort().map((id) => strongest.get(id) as Lock)
}

interface LockAnswer {
  readonly owners: ReadonlyMap<string, string>
  /** Rows that are locked now, by how. */
  readonly ours: Readonly<Record<Lock['mode'], ReadonlySet<string>>>
}

/** Locks groups of rows, each of one table and mode, in this order. */
async function lockGroups(
  client: pg.PoolClient,
  groups: readonly (readonly Lock[])[],
  wait: '' | 'SKIP LOCKED',
): Promise<LockAnswer> {
  const owners = new Map<string, string>()
  const ours = { share: new Set<string>(), update: new Set<string>() }
  await allDone(
    groups.map(async ([lock, ...others]) => {
      if (lock === undefined) return
      const { rows } = await ask(client, lockStatement(lock, wait), lockValues([lock, ...others]))
      for (const row of rows) {
        const id = `${lock.table} ${row['key']}`
        ours[lock.mode].add(id)
        if ('owner' in row) owners.set(id, `users ${text(row, 'owner')}`)
      }
    }),
  )
  return { owners, ours }
}

const keyColumns: Readonly<Record<Lock['table'], string>> = {
  issuer_state: 'id',
  clients: 'id',
  users: 'id',
  grants: 'id',
  api_keys: 'id',
  codes: 'hash',
  device_codes: 'hash',
  leases: 'name',
  attempts: 'id',
  streams: 'id',
}

const users = `SELECT id AS key FROM users WHERE id IN (
  SELECT unnest($1::text[]) UNION ALL SELECT user_id FROM grants WHERE id = ANY($2) UNION ALL SELECT user_id FROM codes WHERE hash = ANY($3)
) ORDER BY id`

function lockStatement({ table, mode }: Lock, wait: '' | 'SKIP LOCKED'): string {
  const strength = mode === 'update' ? 'FOR UPDATE' : 'FOR SHARE'
  if (table === 'users') return `${users} ${strength} ${wait}`
  const column = keyColumns[table]
  const owner = table === 'grants' || table === 'codes' ? ', user_id AS owner' : ''
  return `SELECT ${column} AS key${owner} FROM ${table} WHERE ${column} = ANY($1) ORDER BY ${column} ${strength} ${wait}`
}

function lockValues(locks: readonly Lock[]): readonly (readonly string[])[] {
  const keys = (owns: Lock['owns']) => locks.filter((lock) => lock.owns === owns).map(({ key }) => key)
  return locks[0]?.table === 'users' ? [keys(undefined), keys('grants'), keys('codes')] : [keys(undefined)]
}

async function existingRows(client: pg.PoolClient, rows: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const existing = new Set<string>()
  const tables = Map.groupBy(rows, (row) => row.slice(0, row.indexOf(' ')) as Lock['table'])
  await allDone(
    [...tables].map(async ([table, ids]) => {
      const column = keyColumns[table]
      const statement = `SELECT ${column} AS key FROM ${table} WHERE ${column} = ANY($1)`
      const answer = await ask(client, statement, [ids.map((id) => id.slice(table.length + 1))])
      for (const row of answer.rows) existing.add(`${table} ${row['key']}`)
    }),
  )
  return existing
}
