import { randomBytes } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type PostgresPool, postgresStore } from '@arctos/client/stores/postgres'
import { sqliteStore } from '@arctos/client/stores/sqlite'
import { Secret } from '@arctos/core'
import pg from 'pg'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { temporaryFolder } from './support/shared-stores.ts'

const [zero, one] = [new Secret('zero'), new Secret('one')] as const

async function newPath(): Promise<string> {
  return join(await temporaryFolder(), 'sessions.db')
}

async function open(path: string, name?: string) {
  const store = await sqliteStore({ path, ...(name !== undefined && { name }) })
  onTestFinished(() => store.close())
  return store
}

describe('a SQLite store', () => {
  it('says where it is, and makes its file for this user alone', async () => {
    const path = await newPath()
    const store = await open(path)
    expect([store.kind, store.describe()]).toEqual(['sqlite', expect.stringContaining(path)])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('warns of a database that others have access to, and does not change it', async () => {
    const path = await newPath()
    await writeFile(path, '')
    await chmod(path, 0o644)
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warn.mockRestore())
    await open(path)
    expect(warn.mock.calls.map(([text]) => text)).toEqual([expect.stringContaining(`chmod 600 ${path}`)])
    expect((await stat(path)).mode & 0o777).toBe(0o644)
  })

  it('keeps the sessions of one database apart, and their leases', async () => {
    const path = await newPath()
    const [ada, bob] = [await open(path, 'ada'), await open(path, 'bob')]
    await ada.compareAndSwap(undefined, zero)
    expect(await bob.read()).toBeUndefined()
    expect([await ada.lease('a', 60_000), await bob.lease('b', 60_000)]).toEqual([true, true])
  })

  it('leaves no trace of a token that it has replaced', async () => {
    const path = await newPath()
    const store = await open(path)
    const marker = new Secret(`MARKER-${'x'.repeat(100)}`)
    await store.compareAndSwap(undefined, marker)
    await store.compareAndSwap(marker, one)
    expect(await readFile(path, 'latin1')).not.toContain('MARKER')
  })

  it('is unavailable while another holds the lock for good, and works again afterwards', async () => {
    const path = await newPath()
    const store = await open(path)
    const other = new DatabaseSync(path)
    onTestFinished(() => other.close())
    other.exec('BEGIN EXCLUSIVE')
    await expect(store.compareAndSwap(undefined, zero)).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('locked'),
    })
    other.exec('COMMIT')
    expect(await store.compareAndSwap(undefined, zero)).toBe(true)
  })

  it('says in plain words that a file is no database', async () => {
    const path = await newPath()
    await writeFile(path, 'This is a letter, and not a database. '.repeat(50), { mode: 0o600 })
    await expect(sqliteStore({ path })).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('not a database'),
    })
  })
})

describe('a PostgreSQL store', () => {
  const connect = () => {
    const pool = new pg.Pool({ connectionString: process.env['ARCTOS_TEST_POSTGRES'], max: 8 })
    onTestFinished(() => pool.end())
    return pool
  }

  it('makes its table where it is missing, also when many begin at once', async () => {
    const pool = connect()
    const table = `session_${randomBytes(6).toString('hex')}`
    onTestFinished(async () => void (await pool.query(`DROP TABLE ${table}`)))
    const stores = Array.from({ length: 8 }, (_, index) => postgresStore({ pool, name: `user ${index}`, table }))
    expect(await Promise.all(stores.map((store) => store.compareAndSwap(undefined, zero)))).toEqual(
      stores.map(() => true),
    )
    expect([stores[0]?.kind, stores[0]?.describe()]).toEqual(['postgres', expect.stringContaining(table)])
  })

  it.each(['', 'a b', 'a;drop table b', 'A', '"a"', 'a.b.c'])('takes no table named %j', (table) => {
    expect(() => postgresStore({ pool: connect(), name: 'a', table })).toThrow('table must be')
  })

  it('is unavailable when the database is, and quotes nothing of what it was to keep', async () => {
    const pool: PostgresPool = new pg.Pool({ connectionString: 'postgres://postgres@127.0.0.1:1/none' })
    const store = postgresStore({ pool, name: 'ada' })
    const failure = await store.compareAndSwap(undefined, new Secret('MARKER')).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'store_unavailable', message: expect.stringContaining('ECONNREFUSED') })
    expect(JSON.stringify([String(failure), failure])).not.toContain('MARKER')
  })
})
