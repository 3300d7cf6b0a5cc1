import type { SecretEnvironment } from '@arctos/core'
import { createRandom, createStore, type Store } from './store.ts'

export interface StoreOptions {
  /** A file for SQLite, `:memory:`, or a `postgres://` URL. */
  readonly database: string
  /** Epoch milliseconds; only tests give it. */
  readonly now?: (() => number) | undefined
  /** Connections to PostgreSQL at the most. */
  readonly connections?: number | undefined
  /** What the secrets of this server say of themselves: `live` by default, `test` where nothing is protected. */
  readonly environment?: SecretEnvironment | undefined
}

/** Opens the database that the address names. PostgreSQL's driver is loaded only for PostgreSQL. */
export async function openStore({ database, now, connections, environment = 'live' }: StoreOptions): Promise<Store> {
  const sources = { now, random: createRandom(), environment }
  if (/^postgres(ql)?:\/\//.test(database)) {
    const { openPostgres } = await import('./postgres.ts')
    return createStore(
      openPostgres(database, connections === undefined ? sources : { ...sources, connections }),
      environment,
    )
  }
  const { openSqlite } = await import('./sqlite.ts')
  return createStore(openSqlite(database, sources), environment)
}
