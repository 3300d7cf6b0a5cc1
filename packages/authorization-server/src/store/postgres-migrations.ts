import type pg from 'pg'
import { migrationTable, missingMigrations } from './migrations.ts'
import { inTransaction } from './postgres-transaction.ts'

/** A migration may take this long, in milliseconds. */
const timeoutMs = 600_000
/** Not a migration: whoever holds this row migrates. Not every database of this protocol can lock a table. */
const lockRow = ''

/** Applies the migrations that are missing, all or none; of two migrators the second waits, and finds nothing to do. */
export async function migrate(pool: pg.Pool): Promise<readonly string[]> {
  await makeMigrationTable(pool)
  return await inTransaction(
    pool,
    timeoutMs,
    async () => undefined,
    async (client) => {
      await client.query(patiently('SELECT name FROM migrations WHERE name = $1 FOR UPDATE', [lockRow]))
      const missing = missingMigrations(await appliedMigrations(client))
      for (const { name, statements } of missing) {
        await client.query(patiently(statements))
        await client.query('INSERT INTO migrations (name, applied_at) VALUES ($1, $2)', [name, epochSeconds()])
      }
      return missing.map(({ name }) => name)
    },
  )
}

/** The names of the migrations that are missing. */
export async function pendingMigrations(pool: pg.Pool): Promise<readonly string[]> {
  return missingMigrations(await appliedMigrations(pool)).map(({ name }) => name)
}

async function makeMigrationTable(pool: pg.Pool): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await pool.query(migrationTable)
      await pool.query('INSERT INTO migrations (name, applied_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING', [
        lockRow,
        epochSeconds(),
      ])
      return
    } catch (error) {
      // Two that create a table at once, "if not exists", may both find it missing.
      if (attempt === 3) throw error
    }
  }
}

async function appliedMigrations(connection: pg.Pool | pg.PoolClient): Promise<ReadonlySet<string>> {
  const { rows: tables } = await connection.query("SELECT to_regclass('migrations') AS found")
  if (!tables[0]?.found) return new Set()
  const { rows } = await connection.query<{ name: string }>('SELECT name FROM migrations WHERE name <> $1', [lockRow])
  return new Set(rows.map((row) => row.name))
}

function patiently(text: string, values?: unknown[]): pg.QueryConfig {
  const query = { text, query_timeout: timeoutMs }
  return values === undefined ? query : { ...query, values }
}

function epochSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
