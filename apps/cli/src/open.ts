import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openStore, type Store } from '@arctos/authorization-server'
import type { SecretEnvironment } from '@arctos/core'
import { type Configuration, readConfiguration } from './configuration.ts'
import { isDevelopment } from './key-file.ts'
import { CommandError } from './terminal.ts'

export const defaultDataDir = '.arctos'

/** Where a command finds its store. */
export interface StorePlace {
  readonly dataDir: string
  readonly database: string
}

export function placeOf(configuration: Configuration): StorePlace {
  const dataDir = configuration.dataDir ?? defaultDataDir
  return { dataDir, database: configuration.database ?? join(dataDir, 'arctos.sqlite') }
}

/** What new secrets say of themselves: as configured, else `test` in the folder of `arctos dev`, else `live`. */
export function environmentOf(configuration: Configuration): SecretEnvironment {
  const { dataDir } = placeOf(configuration)
  return configuration.environment ?? (isDevelopment(configuration, dataDir) ? 'test' : 'live')
}

/** Options that a command line gave, before they are checked. */
export type RawOptions = Readonly<Record<string, unknown>>

export function configurationOf(options: RawOptions): Configuration {
  const file = options['config'] ?? process.env['ARCTOS_CONFIG']
  return readConfiguration(options, process.env, typeof file === 'string' ? file : undefined)
}

/**
 * Runs a command on the store, also while a server runs on the same one. An embedded database is brought up to date, and made
 * only by commands that put something into it; PostgreSQL behind its schema is refused.
 */
export async function withStore<Result>(
  options: RawOptions,
  run: (store: Store, configuration: Configuration) => Promise<Result>,
  { mayCreate = false }: { readonly mayCreate?: boolean } = {},
): Promise<Result> {
  const configuration = configurationOf(options)
  const { database } = placeOf(configuration)
  const isEmbedded = !/^postgres(ql)?:/.test(database)
  if (isEmbedded && !mayCreate && !existsSync(database)) {
    throw new CommandError(`there is no database at ${database}; run this where the server runs, or give --data-dir`)
  }
  const store = await openStore({
    database,
    connections: configuration.databaseConnections,
    environment: environmentOf(configuration),
  })
  try {
    if (isEmbedded) await store.migrate()
    const pending = await store.pendingMigrations()
    if (pending.length > 0)
      throw new CommandError(`the database is behind its schema (${pending.join(', ')}); run: arctos migrate`)
    return await run(store, configuration)
  } finally {
    await store.close()
  }
}

/** Who a change is written down for in the audit log: the operator at this machine. */
export const operator = 'operator'
