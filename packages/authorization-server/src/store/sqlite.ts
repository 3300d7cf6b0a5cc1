import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import type { Settled } from '@arctos/core'
import { type Arrival, createChangeQueue } from './change-queue.ts'
import { batchLimit, type Change, type Engine, type EngineSources, StoreUnavailable, unavailable } from './engine.ts'
import { createListeners } from './feed-hints.ts'
import { migrationTable, missingMigrations } from './migrations.ts'
import {
  type Answer,
  integer,
  type Row,
  type SqlValue,
  type Statement,
  type Transaction,
  type Verb,
} from './transaction.ts'

/** How long a change waits for another process that writes to the same file, in milliseconds. */
const patienceMs = 1_500
const longestPauseMs = 20
/** How long SQLite itself waits, and the event loop with it: only for what takes moments, in milliseconds. */
const busyTimeoutMs = 5
/** At start nobody is kept waiting: switching to WAL and migrations may take another process a while. */
const startTimeoutMs = 5_000

/**
 * Opens the embedded database: WAL, a full sync for every commit, one connection. A turn's changes share one transaction and so
 * one sync.
 *
 * @param path a file, made with mode 0600 where it is missing, or `:memory:`
 */
export function openSqlite(path: string, sources: EngineSources): Engine {
  const database = openFile(path)
  const statements = new Map<string, PreparedStatement>()

  const prepare = (text: string): PreparedStatement => {
    let prepared = statements.get(text)
    if (prepared === undefined) {
      // node:sqlite binds by position only to numbered parameters.
      const statement = database.prepare(text.replaceAll('$', '?'))
      // The driver's own row objects have no shape in common, which makes them slower to build and to read than these.
      statement.setReturnArrays(true)
      prepared = { statement, columns: statement.columns().map(({ name }) => name) }
      statements.set(text, prepared)
    }
    return prepared
  }

  const answer = ({ text, values }: Statement): Answer => {
    const { statement, columns } = prepare(text)
    if (columns.length > 0) {
      const rows = (statement.all(...values) as unknown as SqlValue[][]).map((row) => rowOf(columns, row))
      return { rows, changes: rows.length }
    }
    return { rows: noRows, changes: Number(statement.run(...values).changes) }
  }

  const drive = (verb: Verb<unknown>): unknown => {
    let step = verb.next()
    while (!step.done) step = verb.next(answer(step.value))
    return step.value
  }

  const clock = createClock(answer, sources.now ?? Date.now)
  const { random, environment = 'live' } = sources

  const feed = createListeners()

  // Reads of one turn share a snapshot: to begin and end one costs more than most look-ups do.
  let isReading = false
  const beginReading = (): void => {
    if (isReading) return
    prepare('BEGIN').statement.run()
    isReading = true
    setImmediate(endReading)
  }
  const endReading = (): void => {
    if (!isReading) return
    isReading = false
    try {
      if (database.isOpen && database.isTransaction) prepare('COMMIT').statement.run()
    } catch {
      // Nothing was written. What is wrong with the database shows where it is used next.
      if (database.isTransaction) database.exec('ROLLBACK')
    }
  }

  const runBatch = (arrivals: readonly Arrival[]): readonly Settled<unknown>[] | undefined => {
    try {
      endReading()
      // Also when nothing will be written: a token must not be issued beside a revocation that another process commits.
      database.exec('BEGIN IMMEDIATE')
      const transaction: Transaction = { ...clock.tick(), random, environment }
      const results = runTogether(database, arrivals, ({ verb, input }) => drive(verb.run(transaction, input)))
      database.exec('COMMIT')
      if (transaction.told) setImmediate(feed.tell)
      return results
    } catch (error) {
      if (database.isOpen && database.isTransaction) database.exec('ROLLBACK')
      if (isBusy(error)) return undefined
      throw unavailable(error)
    }
  }

  // The event loop does not wait with us: reads need no lock and go on.
  const runWhenFree = async (arrivals: readonly Arrival[]): Promise<readonly Settled<unknown>[]> => {
    const deadline = (arrivals[0]?.arrivedAt ?? 0) + patienceMs
    for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      if (performance.now() + pauseMs > deadline)
        throw new StoreUnavailable('another process keeps the database locked')
      await pause(pauseMs)
      const results = runBatch(arrivals)
      if (results !== undefined) return results
    }
  }

  const change = createChangeQueue({
    run: (arrivals) => runBatch(arrivals) ?? runWhenFree(arrivals),
    limit: batchLimit,
    parallel: 1,
  })

  return {
    watchFeed: feed.add,
    // Other processes on the same file ask.
    async hintFeed() {},
    async read({ verb, input }) {
      try {
        beginReading()
        // On the only connection a read sees what is committed: a batch runs within one turn and never leaves it open.
        return drive(verb.run({ ...clock.peek(), random, environment }, input))
      } catch (error) {
        throw unavailable(error)
      }
    },
    change,
    async migrate() {
      endReading()
      return migrate(database, answer)
    },
    async pendingMigrations() {
      return missingMigrations(appliedMigrations(answer)).map(({ name }) => name)
    },
    async durability() {
      return 'local'
    },
    async close() {
      endReading()
      statements.clear()
      if (database.isOpen) database.close()
    },
  }
}

interface PreparedStatement {
  readonly statement: StatementSync
  /** Names of the columns of what it answers; none where it only changes. */
  readonly columns: readonly string[]
}

function rowOf(columns: readonly string[], values: readonly SqlValue[]): Row {
  const row: Record<string, SqlValue> = {}
  for (let index = 0; index < columns.length; index++) row[columns[index] as string] = values[index] as SqlValue
  return row
}

const noRows: readonly Row[] = []

function openFile(path: string): DatabaseSync {
  if (path !== ':memory:') makePrivate(path)
  const database = new DatabaseSync(path)
  database.exec(`
    PRAGMA busy_timeout = ${startTimeoutMs};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA busy_timeout = ${busyTimeoutMs};
  `)
  return database
}

/** The file is ours alone before anything is in it; SQLite gives its companions (`-wal`, `-shm`) the same mode. */
function makePrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
}

function isBusy(error: unknown): boolean {
  // Result codes carry details in their higher bits; the lowest eight name the kind, 5 is SQLITE_BUSY.
  return ((error as { errcode?: number }).errcode ?? 0) % 256 === 5
}

/**
 * Runs the changes in one transaction, straight through. Only when one throws is the work undone and done again with a savepoint
 * for each, so that the good ones stand and the common case pays for no savepoints.
 */
function runTogether(
  database: DatabaseSync,
  arrivals: readonly Arrival[],
  runChange: (change: Change) => unknown,
): readonly Settled<unknown>[] {
  try {
    return arrivals.map(({ change }) => ({ ok: true, value: runChange(change) }))
  } catch (error) {
    if (arrivals.length === 1 || !database.isTransaction) throw error
  }
  database.exec('ROLLBACK')
  database.exec('BEGIN IMMEDIATE')
  return arrivals.map(({ change }) => runWithSavepoint(database, () => runChange(change)))
}

function runWithSavepoint(database: DatabaseSync, runChange: () => unknown): Settled<unknown> {
  database.exec('SAVEPOINT item')
  try {
    const value = runChange()
    database.exec('RELEASE item')
    return { ok: true, value }
  } catch (error) {
    // A full disk or an I/O error undoes the whole transaction: then nobody's work stands.
    if (!database.isTransaction) throw error
    database.exec('ROLLBACK TO item')
    database.exec('RELEASE item')
    return { ok: false, error: unavailable(error) }
  }
}

function migrate(database: DatabaseSync, answer: (statement: Statement) => Answer): readonly string[] {
  database.exec(`PRAGMA busy_timeout = ${startTimeoutMs}`)
  try {
    // Of two processes that start at once the second waits here, and then finds nothing to do.
    database.exec('BEGIN IMMEDIATE')
    database.exec(migrationTable)
    const missing = missingMigrations(appliedMigrations(answer))
    for (const { name, statements } of missing) {
      database.exec(statements)
      const values = [name, Math.floor(Date.now() / 1000)]
      answer({ text: 'INSERT INTO migrations (name, applied_at) VALUES ($1, $2)', values })
    }
    database.exec('COMMIT')
    return missing.map(({ name }) => name)
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw unavailable(error)
  } finally {
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
  }
}

function appliedMigrations(answer: (statement: Statement) => Answer): ReadonlySet<unknown> {
  const tables = answer({ text: "SELECT name FROM sqlite_master WHERE name = 'migrations'", values: [] })
  if (tables.rows.length === 0) return new Set()
  return new Set(answer({ text: 'SELECT name FROM migrations', values: [] }).rows.map((row) => row['name']))
}

/** The store's clock: the machine's, but never before a second that was used (PROTOCOL §1). */
function createClock(answer: (statement: Statement) => Answer, machineNow: () => number) {
  let highest: number | undefined
  const readState = (): Row => {
    const [state] = answer({ text: 'SELECT clock_ms, not_before FROM store_clock, issuer_state', values: [] }).rows
    if (state === undefined) throw new StoreUnavailable('the database has no schema yet')
    return state
  }
  const advance = (storedMs: number): { nowMs: number; now: number } => {
    const nowMs = Math.max(highest ?? 0, storedMs, Math.floor(machineNow()))
    highest = nowMs
    return { nowMs, now: Math.floor(nowMs / 1000) }
  }
  return {
    /** For a transaction: also stores the mark, once a second, so that a restart cannot go back behind it. */
    tick() {
      const state = readState()
      const storedMs = integer(state, 'clock_ms')
      const moment = advance(storedMs)
      if (moment.now > Math.floor(storedMs / 1000)) {
        answer({ text: 'UPDATE store_clock SET clock_ms = $1', values: [moment.nowMs] })
      }
      return { ...moment, notBefore: integer(state, 'not_before') }
    },
    /** For a read. */
    peek: () => advance(highest === undefined ? integer(readState(), 'clock_ms') : 0),
  }
}
