// Where a session is kept: named by plain data, so that each process opens it for itself.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SessionStore } from '@arctos/client'
import { fileStore } from '@arctos/client/stores/file'
import { postgresStore } from '@arctos/client/stores/postgres'
import { sqliteStore } from '@arctos/client/stores/sqlite'
import { systemStore } from '@arctos/client/stores/system'
import pg from 'pg'

export type Driver = 'file' | 'sqlite' | 'postgres' | 'keychain' | 'sealed file'

export interface Place {
  readonly driver: Driver
  /** A folder, a database file or the URL of a database. */
  readonly at: string
  readonly name: string
}

/** A place that nobody has used. */
export function newPlace(driver: Driver, folder: string, postgresUrl: string): Place {
  const name = randomBytes(8).toString('hex')
  const at = driver === 'postgres' ? postgresUrl : join(folder, driver === 'sqlite' ? `${name}.db` : name)
  return { driver, at, name }
}

const service = 'arctos-bench'
const pools = new Map<string, pg.Pool>()
const keyFolders = new Set<string>()

export async function openPlace({ driver, at, name }: Place): Promise<SessionStore> {
  switch (driver) {
    case 'file':
      return fileStore({ directory: at })
    case 'sqlite':
      return await sqliteStore({ path: at })
    case 'postgres': {
      const pool = pools.get(at) ?? new pg.Pool({ connectionString: at, max: 4 })
      pools.set(at, pool)
      return postgresStore({ pool, name, table: 'arctos_bench_session' })
    }
    case 'keychain': {
      const store = await systemStore(service, { directory: at, linux: 'keyutils' })
      // It would be the row of another store.
      if (store.kind !== 'keychain') throw new Error('there is no keychain here')
      keyFolders.add(at)
      return store
    }
    case 'sealed file':
      return await systemStore(service, { directory: at, keychain: 'never' })
  }
}

/** Lets go of what the places of this process hold open, and takes their keys out of the kernel's keyring, which is small. */
export async function closePlaces(): Promise<void> {
  await Promise.all([...pools.values()].map((pool) => pool.end()))
  pools.clear()
  if (keyFolders.size === 0) return
  const { Entry } = await import('@napi-rs/keyring')
  for (const folder of keyFolders) {
    const account = readFileSync(join(folder, 'key-place.1'), 'utf8').replace('keychain ', '')
    try {
      new Entry(service, account, { linux: { store: 'keyutils' } }).deleteCredential()
    } catch {
      // What is left there ends with the machine.
    }
  }
  keyFolders.clear()
}
