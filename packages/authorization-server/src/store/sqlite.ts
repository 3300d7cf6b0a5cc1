import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { createTurnBatch, type Settled } from '@arctos/core'
import { batchLimit, type Change, type Engine, type EngineSources, StoreUnavailable } from './engine.ts'
import { migrationTable, readMigrations } from './migrations.ts'
import { type Answer, integer, type Row, type Statement, type Transaction, type Verb } from './transaction.ts'

/** How long a transaction waits for another process that writes to the same file, in milliseconds. */
const busyTimeoutMs = 1_500
/** The stored high-water mark of the clock is behind the clock by this much at the most, in milliseconds. */
const clockStepMs = 1_000

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
      prepared = { statement, reads: statement.columns().length > 0 }
      statements.set(text, prepared)
    }
    return prepared
  }

  const answer = ({ text, values }: Statement): Answer => {
    const { statement, reads } = prepare(text)
    if (reads) {
      const rows = statement.all(...values) as unknown as Row[]
      return { rows, changes: rows.length }
    }
    return { rows: [], changes: Number(statement.run(...values).changes) }
  }

  const clock = createClock(answer, sources.now ?? Date.now)

  const drive = (verb: Verb<unknown>): unknown => {
    let step = verb.next()
    while (!step.done) step = verb.next(answer(step.value))
    return step.value
  }

  const runBatch = (changes: readonly Change[]): readonly Settled<unknown>[] => {
    begin(database)
    try {
      const transaction: Transaction = { ...clock.tick(), random: sources.random }
      const results = runTogether(database, changes, ({ verb, input }) => drive(verb.run(transaction, input)))
      database.exec('COMMIT')
      return results
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw new StoreUnavailable('the transaction failed', { cause: error })
    }
  }

  const batch = createTurnBatch<Change, unknown>({ run: runBatch, schedule: setImmediate, limit: batchLimit })

  return {
    async read({ verb, input }) {
      // On the only connection a read sees what is committed: a batch runs within one turn and never leaves it open.
      return drive(verb.run({ ...clock.peek(), random: sources.random }, input))
    },
    change: (change) => batch.add(change),
    async migrate() {
      database.exec(migrationTable)
      const applied: string[] = []
      for (const { name, statements: sql } of missingMigrations(answer)) {
        database.exec('BEGIN IMMEDIATE')
        database.exec(sql)
        answer({
          text: 'INSERT INTO migrations (name, applied_at) VALUES ($1, $2)',
          values: [name, Math.floor(Date.now() / 1000)],
        })
        database.exec('COMMIT')
        applied.push(name)
      }
      return applied
    },
    async pendingMigrations() {
      database.exec(migrationTable)
      return missingMigrations(answer).map((migration) => migration.name)
    },
    async durability() {
      return 'local'
    },
    async close() {
      statements.clear()
      database.close()
    },
  }
}

interface PreparedStatement {
  readonly statement: StatementSync
  readonly reads: boolean
}

function openFile(path: string): DatabaseSync {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(path)
  if (path !== ':memory:') chmodSync(path, 0o600)
  database.exec(`
    PRAGMA busy_timeout = ${busyTimeoutMs};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = 4000;
  `)
  return database
}

function begin(database: DatabaseSync): void {
  try {
    // Also when nothing will be written: a token must not be issued beside a revocation that another process commits.
    database.exec('BEGIN IMMEDIATE')
  } catch (error) {
    throw new StoreUnavailable('the database is locked', { cause: error })
  }
}

/**
 * Runs the changes in one transaction, straight through. Only when one throws is the work undone and done again with a savepoint
 * for each, so that the good ones stand and the common case pays for no savepoints.
 */
function runTogether(
  database: DatabaseSync,
  changes: readonly Change[],
  runChange: (change: Change) => unknown,
): readonly Settled<unknown>[] {
  try {
    return changes.map((change) => ({ ok: true, value: runChange(change) }))
  } catch (error) {
    if (changes.length === 1 || !database.isTransaction) throw error
  }
  database.exec('ROLLBACK')
  database.exec('BEGIN IMMEDIATE')
  return changes.map((change) => runWithSavepoint(database, () => runChange(change)))
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
    return { ok: false, error: new StoreUnavailable('the operation failed', { cause: error }) }
  }
}

function missingMigrations(answer: (statement: Statement) => Answer) {
  const { rows } = answer({ text: 'SELECT name FROM migrations', values: [] })
  const applied = new Set(rows.map((row) => row['name']))
  return readMigrations().filter((migration) => !applied.has(migration.name))
}

/** The store's clock: the machine's, but never before a time that was used (PROTOCOL §1). */
function createClock(answer: (statement: Statement) => Answer, machineNow: () => number) {
  let highest = 0
  const moment = (): { nowMs: number; now: number } => {
    highest = Math.max(highest, Math.floor(machineNow()))
    return { nowMs: highest, now: Math.floor(highest / 1000) }
  }
  return {
    /** For a transaction: also moves the stored mark, now and then, so that a restart cannot go back behind it. */
    tick() {
      const stored = answer({ text: 'SELECT clock_ms, not_before FROM store_clock, issuer_state', values: [] }).rows[0]
      if (stored === undefined) throw new StoreUnavailable('the database has no schema yet')
      const storedMs = integer(stored, 'clock_ms')
      highest = Math.max(highest, storedMs)
      const read = moment()
      if (read.nowMs >= storedMs + clockStepMs) {
        answer({ text: 'UPDATE store_clock SET clock_ms = $1', values: [read.nowMs] })
      }
      return { ...read, notBefore: integer(stored, 'not_before') }
    },
    /** For a read. */
    peek: moment,
  }
}
