import { type PostgresPool, postgresStore } from '@arctos/client/stores/postgres'
import type { BffStore } from '../store.ts'

export interface PostgresBffStoreOptions {
  /** A `Pool` of the package `pg`, version 8. */
  readonly pool: PostgresPool
  /** A table of its own; `arctos_bff` by default. Made where it is missing, if the role may do so. */
  readonly table?: string
}

const undefinedTable = '42P01'

/** Keeps logins and sessions in PostgreSQL, in clear text, for processes of any number of machines. */
export function postgresBffStore({ pool, table = 'arctos_bff' }: PostgresBffStoreOptions): BffStore {
  // Refuses a name of a table that is none.
  postgresStore({ pool, name: '', table })
  const rowsOf = async (text: string, values: unknown[]) => {
    try {
      return (await pool.query(text, values)).rows
    } catch (error) {
      // Nothing was kept yet.
      if (error instanceof Error && 'code' in error && error.code === undefinedTable) return []
      throw error
    }
  }
  return {
    cell: (name) => postgresStore({ pool, name, table }),
    async remove(name) {
      await rowsOf(`DELETE FROM ${table} WHERE name = $1`, [name])
    },
    names: async () => (await rowsOf(`SELECT name FROM ${table}`, [])).map(({ name }) => String(name)),
  }
}
