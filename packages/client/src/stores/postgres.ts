import { Secret } from '@arctos/core'
import { ClientError } from '../errors.ts'
import type { KnownStore } from '../session-store.ts'
import { codeOf } from './private-folder.ts'

/** What is needed of a `Pool` of the package `pg`, version 8. */
export interface PostgresPool {
  query(
    text: string,
    values: unknown[],
  ): Promise<{ readonly rows: readonly Record<string, unknown>[]; readonly rowCount: number | null }>
}

export interface PostgresStoreOptions {
  readonly pool: PostgresPool
  /** Which session it is: for instance the user's name, in a program that serves several. */
  readonly name: string
  /** Default `arctos_session`. Made where it is missing, if the role may do so. */
  readonly table?: string
}

const pollMs = 250
const undefinedTable = '42P01'
// What PostgreSQL may say to one of two that make a table at once: of its name, of its type, of either's row in the catalogue.
const madeMeanwhile = ['42P07', '42710', '23505']

/**
 * Keeps a session in a PostgreSQL table, in clear text (`sealedStore` seals it); for processes of any number of machines, by the
 * clock of the database. Throws `store_unavailable`.
 */
export function postgresStore({ pool, name, table = 'arctos_session' }: PostgresStoreOptions): KnownStore {
  if (!/^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$/.test(table)) {
    throw new ClientError('invalid_option', 'table must be a name in lower case, with its schema in front if need be')
  }

  const query = async (text: string, ...values: unknown[]): ReturnType<PostgresPool['query']> => {
    try {
      return await pool.query(text, values)
    } catch (error) {
      if (codeOf(error) !== undefinedTable) throw unavailable(error)
    }
    try {
      await createTable()
      return await pool.query(text, values)
    } catch (error) {
      throw unavailable(error)
    }
  }
  const createTable = async (): Promise<void> => {
    try {
      await pool.query(
        `CREATE TABLE IF NOT EXISTS ${table} (name text PRIMARY KEY, content text, owner text, leased_until timestamptz)`,
        [],
      )
    } catch (error) {
      if (!madeMeanwhile.includes(codeOf(error) ?? '')) throw error
    }
  }
  const changes = async (text: string, ...values: unknown[]): Promise<boolean> =>
    ((await query(text, ...values)).rowCount ?? 0) > 0

  return {
    kind: 'postgres',
    describe: () => `the PostgreSQL table ${table}, as ${name}`,
    async read() {
      const { rows } = await query(`SELECT content FROM ${table} WHERE name = $1`, name)
      const content = rows[0]?.['content']
      return typeof content === 'string' ? new Secret(content) : undefined
    },
    async compareAndSwap(expected, next) {
      if (expected !== undefined) {
        const replace = `UPDATE ${table} SET content = $3 WHERE name = $1 AND content = $2`
        return await changes(replace, name, expected.reveal(), next.reveal())
      }
      const fill = `INSERT INTO ${table} AS kept (name, content) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET content = excluded.content WHERE kept.content IS NULL`
      return await changes(fill, name, next.reveal())
    },
    async lease(owner, durationMs) {
      if (durationMs <= 0) {
        await query(`UPDATE ${table} SET owner = NULL WHERE name = $1 AND owner = $2`, name, owner)
        return false
      }
      const take = `INSERT INTO ${table} AS kept (name, owner, leased_until)
        VALUES ($1, $2, clock_timestamp() + $3::float8 * interval '1 millisecond')
        ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, leased_until = excluded.leased_until
        WHERE kept.owner IS NULL OR kept.owner = $2 OR kept.leased_until <= clock_timestamp()`
      return await changes(take, name, owner, durationMs)
    },
    watch(changed) {
      const timer = setInterval(changed, pollMs)
      timer.unref()
      return () => clearInterval(timer)
    },
  }
}

/** Without the cause: what a driver says of a statement may quote its values. */
function unavailable(error: unknown): ClientError {
  return new ClientError('store_unavailable', `the session cannot be kept in PostgreSQL (${codeOf(error) ?? 'error'})`)
}
