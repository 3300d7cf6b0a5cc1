import { createTurnBatch, type Settled } from '@arctos/core'
import pg from 'pg'
import { batchLimit, type Change, type Engine, type EngineSources, StoreUnavailable } from './engine.ts'
import { migrationTable, readMigrations } from './migrations.ts'
import {
  integer,
  type Lock,
  type Row,
  type SqlValue,
  type Statement,
  type Transaction,
  type Verb,
} from './transaction.ts'

/** A statement that takes longer is given up, in milliseconds: the caller answers 503 and the client retries. */
const statementTimeoutMs = 2_000
const connectTimeoutMs = 2_000
const clockStepMs = 1_000
const retryLimit = 3
/** Serialization failure, deadlock. */
const retryable = new Set(['40001', '40P01'])

// Columns of 64 bits hold times and counters, which fit a number.
const types = {
  getTypeParser: (oid: number, format?: string) =>
    oid === 20 ? Number : pg.types.getTypeParser(oid, format as 'text'),
}

export interface PostgresOptions extends EngineSources {
  /** Connections at the most. */
  readonly connections?: number
}

/**
 * Opens PostgreSQL, or what speaks its protocol. A turn's changes share one transaction; the rows they need are locked first,
 * in the order of their keys, and changes whose rows are held elsewhere run alone, so that they keep nobody waiting.
 */
export function openPostgres(url: string, options: PostgresOptions): Engine {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connections ?? 16,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    lock_timeout: statementTimeoutMs,
    types: types as never,
  })
  // Without these two a restart of the database ends the process: idle clients emit errors that nobody else hears.
  pool.on('error', ignoreLostConnection)
  pool.on('connect', (client) => client.on('error', ignoreLostConnection))

  const runAlone = async (change: Change): Promise<Settled<unknown>> => {
    for (let attempt = 1; ; attempt++) {
      try {
        const outcome = await inTransaction(pool, async (client) => {
          await lockAll(client, locksOf([change]))
          return await drive(client, change.verb.run(await readMoment(client, options), change.input))
        })
        return { ok: true, value: outcome }
      } catch (error) {
        if (attempt < retryLimit && isRetryable(error)) continue
        return { ok: false, error: unavailable(error) }
      }
    }
  }

  const runBatch = async (changes: readonly Change[]): Promise<readonly Settled<unknown>[]> => {
    const [only] = changes
    if (changes.length === 1 && only !== undefined) return [await runAlone(only)]
    const results = await runTogether(pool, changes, options)
    return await Promise.all(changes.map((change) => results.get(change) ?? runAlone(change)))
  }

  const batch = createTurnBatch<Change, unknown>({
    run: runBatch,
    schedule: setImmediate,
    limit: Math.min(64, batchLimit),
  })

  return {
    async read({ verb, input }) {
      const nowMs = options.now?.() ?? Date.now()
      try {
        return await drive(pool, verb.run({ nowMs, now: Math.floor(nowMs / 1000), random: options.random }, input))
      } catch (error) {
        throw unavailable(error)
      }
    },
    change: (change) => batch.add(change),
    migrate: () => migrate(pool),
    async pendingMigrations() {
      const applied = await appliedMigrations(pool)
      return readMigrations().flatMap(({ name }) => (applied.has(name) ? [] : [name]))
    },
    async durability() {
      const { rows } = await pool.query("SELECT current_setting('synchronous_standby_names') AS names")
      return rows[0]?.names ? 'standby' : 'local'
    },
    close: () => pool.end(),
  }
}

type Queryable = pg.Pool | pg.PoolClient

async function drive<Result>(client: Queryable, verb: Verb<Result>): Promise<Result> {
  let step = verb.next()
  while (!step.done) {
    const { text, values }: Statement = step.value
    const { rows, rowCount } = await client.query<Row>(statementOf(text, values))
    step = verb.next({ rows, changes: rowCount ?? 0 })
  }
  return step.value
}

function statementOf(text: string, values: readonly SqlValue[]): pg.QueryConfig {
  return { text, values: [...values] }
}

/**
 * Runs what it can in one transaction. Left out, to be run alone: changes whose rows are locked elsewhere, and all of them when
 * one fails, so that one poisoned change harms nobody.
 */
async function runTogether(
  pool: pg.Pool,
  changes: readonly Change[],
  sources: EngineSources,
): Promise<ReadonlyMap<Change, Settled<unknown>>> {
  try {
    return await inTransaction(pool, async (client) => {
      const free = await lockFree(client, changes)
      const moment = await readMoment(client, sources)
      const results = new Map<Change, Settled<unknown>>()
      for (const change of free)
        results.set(change, { ok: true, value: await drive(client, change.verb.run(moment, change.input)) })
      return results
    })
  } catch (error) {
    // Unknown whether a COMMIT without an answer took hold: running again could do the work twice.
    if (error instanceof CommitUnknown)
      return new Map(changes.map((change) => [change, { ok: false, error: unavailable(error) }]))
    return new Map()
  }
}

class CommitUnknown extends Error {
  override readonly name = 'CommitUnknown'
}

async function inTransaction<Result>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await commit(client)
    return result
  } catch (error) {
    broken = error instanceof CommitUnknown ? error : await rollback(client)
    throw error
  } finally {
    // A connection whose state is unknown is not given back.
    client.release(broken)
  }
}

async function commit(client: pg.PoolClient): Promise<void> {
  try {
    await client.query('COMMIT')
  } catch (error) {
    // The server said no (a deferred failure): nothing happened. Anything else leaves it open.
    if (isRetryable(error)) throw error
    throw new CommitUnknown('the outcome of the commit is unknown', { cause: error })
  }
}

async function rollback(client: pg.PoolClient): Promise<Error | undefined> {
  try {
    await client.query('ROLLBACK')
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error('rollback failed')
  }
}

/** Locks in one order everywhere, each row once and in its strongest mode, so that transactions never wait in a circle. */
function locksOf(changes: readonly Change[]): readonly Lock[] {
  const strongest = new Map<string, Lock>()
  for (const { verb, input } of changes) {
    for (const lock of verb.locks?.(input) ?? []) {
      const id = lockId(lock)
      if (strongest.get(id)?.mode !== 'update') strongest.set(id, lock)
    }
  }
  return [...strongest.keys()].sort().map((id) => strongest.get(id) as Lock)
}

function lockId(lock: Lock): string {
  return `${lock.table}\n${lock.key}`
}

const keyColumns: Readonly<Record<Lock['table'], string>> = {
  issuer_state: 'id',
  clients: 'id',
  users: 'id',
  grants: 'id',
  codes: 'hash',
  leases: 'name',
  attempts: 'id',
}

async function lockAll(client: pg.PoolClient, locks: readonly Lock[]): Promise<void> {
  for (const lock of locks) await lockRows(client, lock.table, [lock.key], lock.mode, '')
}

/** Locks the rows of all changes, skipping those held elsewhere; returns the changes whose rows are all ours. */
async function lockFree(client: pg.PoolClient, changes: readonly Change[]): Promise<readonly Change[]> {
  const held = new Set<string>()
  for (const [name, group] of Map.groupBy(locksOf(changes), (lock) => `${lock.table}\n${lock.mode}`)) {
    const [table, mode] = name.split('\n') as [Lock['table'], Lock['mode']]
    const keys = group.map((lock) => lock.key)
    const locked = await lockRows(client, table, keys, mode, 'SKIP LOCKED')
    const existing = locked.size === keys.length ? locked : await existingRows(client, table, keys)
    // A row that does not exist cannot be held by anybody.
    for (const key of keys) if (!locked.has(key) && existing.has(key)) held.add(`${table}\n${key}`)
  }
  if (held.size === 0) return changes
  return changes.filter(({ verb, input }) => !(verb.locks?.(input) ?? []).some((lock) => held.has(lockId(lock))))
}

async function lockRows(
  client: pg.PoolClient,
  table: Lock['table'],
  keys: readonly string[],
  mode: Lock['mode'],
  wait: '' | 'SKIP LOCKED',
): Promise<ReadonlySet<string>> {
  const column = keyColumns[table]
  const strength = mode === 'update' ? 'UPDATE' : 'SHARE'
  const select = `SELECT ${column} AS key FROM ${table} WHERE ${column} = ANY($1) ORDER BY ${column} FOR ${strength} ${wait}`
  const { rows } = await client.query<{ key: string | number }>(select, [keys])
  return new Set(rows.map((row) => String(row.key)))
}

async function existingRows(
  client: pg.PoolClient,
  table: Lock['table'],
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const column = keyColumns[table]
  const { rows } = await client.query<{ key: string | number }>(
    `SELECT ${column} AS key FROM ${table} WHERE ${column} = ANY($1)`,
    [keys],
  )
  return new Set(rows.map((row) => String(row.key)))
}

/**
 * The time of this transaction, read after its locks are held: whoever revoked before has a cut-off that we see, whoever
 * revokes after us gets a later time than ours.
 */
async function readMoment(client: pg.PoolClient, sources: EngineSources): Promise<Transaction> {
  const { rows } = await client.query<Row>(
    'SELECT clock_ms, not_before, CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT) AS machine_ms FROM store_clock, issuer_state',
  )
  const state = rows[0]
  if (state === undefined) throw new StoreUnavailable('the database has no schema yet')
  const storedMs = integer(state, 'clock_ms')
  const nowMs = Math.max(storedMs, sources.now?.() ?? integer(state, 'machine_ms'))
  if (nowMs >= storedMs + clockStepMs) {
    // Whoever holds the row moves the mark for all; nobody waits for it.
    await client.query(
      'UPDATE store_clock SET clock_ms = $1 WHERE id = (SELECT id FROM store_clock WHERE clock_ms < $1 FOR UPDATE SKIP LOCKED)',
      [nowMs],
    )
  }
  return { nowMs, now: Math.floor(nowMs / 1000), notBefore: integer(state, 'not_before'), random: sources.random }
}

async function migrate(pool: pg.Pool): Promise<readonly string[]> {
  await pool.query(migrationTable)
  return await inTransaction(pool, async (client) => {
    // One migrator at a time; no advisory lock, for not every database of this protocol has them.
    await client.query('LOCK TABLE migrations IN ACCESS EXCLUSIVE MODE')
    const applied = await appliedMigrations(client)
    const missing = readMigrations().filter(({ name }) => !applied.has(name))
    for (const { name, statements } of missing) {
      await client.query(statements)
      await client.query('INSERT INTO migrations (name, applied_at) VALUES ($1, $2)', [
        name,
        Math.floor(Date.now() / 1000),
      ])
    }
    return missing.map(({ name }) => name)
  })
}

async function appliedMigrations(client: Queryable): Promise<ReadonlySet<string>> {
  const { rows: tables } = await client.query("SELECT to_regclass('migrations') AS found")
  if (!tables[0]?.found) return new Set()
  const { rows } = await client.query<{ name: string }>('SELECT name FROM migrations')
  return new Set(rows.map((row) => row.name))
}

function isRetryable(error: unknown): boolean {
  return retryable.has(String((error as { code?: unknown }).code))
}

function unavailable(error: unknown): StoreUnavailable {
  return error instanceof StoreUnavailable
    ? error
    : new StoreUnavailable('the database did not answer', { cause: error })
}

function ignoreLostConnection(): void {
  // The pool replaces the connection; calls that were using it fail by themselves.
}
