import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore, type SessionStore } from '@arctos/client'
import { fileStore } from '@arctos/client/stores/file'
import { postgresStore } from '@arctos/client/stores/postgres'
import { sealedStore } from '@arctos/client/stores/sealed'
import { sqliteStore } from '@arctos/client/stores/sqlite'
import { systemStore } from '@arctos/client/stores/system'
import pg from 'pg'
import { onTestFinished } from 'vitest'

/** Opens one and the same cell, each time as another process would. */
export type OpenCell = () => Promise<SessionStore>

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'arctos-client-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Every driver, on the real thing: makes a new cell and gives what opens it. */
export const drivers: Readonly<Record<string, () => Promise<OpenCell>>> = {
  memory: async () => {
    const store = memoryStore()
    return async () => store
  },
  file: async () => {
    const directory = join(await temporaryFolder(), 'session')
    return async () => fileStore({ directory })
  },
  sqlite: async () => {
    const path = join(await temporaryFolder(), 'sessions.db')
    return async () => {
      const store = await sqliteStore({ path })
      onTestFinished(() => store.close())
      return store
    }
  },
  postgres: async () => {
    const name = randomBytes(8).toString('hex')
    return async () => {
      const pool = new pg.Pool({ connectionString: process.env['ARCTOS_TEST_POSTGRES'], max: 4 })
      onTestFinished(() => pool.end())
      return postgresStore({ pool, name, table: 'arctos_client_test' })
    }
  },
  'file, sealed': async () => {
    const directory = join(await temporaryFolder(), 'session')
    const key = randomBytes(32)
    return async () => sealedStore(fileStore({ directory }), key)
  },
  'system, key in a file': async () => {
    const directory = join(await temporaryFolder(), 'session')
    return () => systemStore('arctos-test', { directory, keychain: 'never' })
  },
}
