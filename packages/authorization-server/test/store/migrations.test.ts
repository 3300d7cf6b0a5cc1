import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { personalTokenClient } from '../../src/store/registered-client.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { register, rotate, startFamily } from './principals.ts'

const all = readdirSync(new URL('../../src/store/migrations/', import.meta.url)).sort()

describe.each(engines)('migrations on %s', (engine) => {
  let test: TestStore
  beforeEach(async () => {
    test = await openTestStore(engine, { migrated: false })
  })
  afterEach(() => test.close())

  it('are all pending on an empty database, which asking does not change', async () => {
    expect(await test.store.pendingMigrations()).toEqual(all)
    expect(await test.store.pendingMigrations()).toEqual(all)
  })

  it('are applied in order and named', async () => {
    expect(await test.store.migrate()).toEqual(all)
    expect(await test.store.pendingMigrations()).toEqual([])
  })

  it('are applied once', async () => {
    await test.store.migrate()
    const { clientId } = await register(test)
    expect(await test.store.migrate()).toEqual([])
    const clients = await test.store.listClients(undefined)
    expect(clients.map(({ id }) => id).sort()).toEqual([clientId, personalTokenClient].sort())
  })

  it('are applied once by four nodes that start at once', async () => {
    const stores = [test.store, ...(await Promise.all([1, 2, 3].map(() => test.openAnother())))]
    const applied = await Promise.all(stores.map((store) => store.migrate()))
    expect(applied.flat()).toEqual(all)
    await register(test)
  })

  it('let another store work that was opened before', async () => {
    const early = await test.openAnother()
    await test.store.migrate()
    const family = await startFamily(test, await register(test))
    expect(await rotate({ ...test, store: early }, family, family.presented)).toMatchObject({ generation: 1 })
  })
})

describe('a SQLite file', () => {
  let test: TestStore
  beforeEach(async () => {
    test = await openTestStore('sqlite')
  })
  afterEach(() => test.close())

  it.each(['', '-wal', '-shm'])('%s belongs to its owner alone', async (companion) => {
    await register(test)
    const { mode } = await stat(`${test.address}${companion}`)
    expect(mode & 0o777).toBe(0o600)
  })

  it('is migrated once by three processes that start at once', async () => {
    const address = `${test.address}.fresh`
    const script = `
      const { openStore } = await import(${JSON.stringify(new URL('../../src/store/open-store.ts', import.meta.url).href)})
      const store = await openStore({ database: process.argv[1] })
      console.log(JSON.stringify(await store.migrate()))
      await store.close()`
    const outputs = [1, 2, 3].map(async () => {
      const args = ['--conditions=arctos-source', '--input-type=module', '-e', script, address]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const chunks: Buffer[] = []
      child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
      await once(child, 'close')
      return JSON.parse(Buffer.concat(chunks).toString()) as string[]
    })
    expect((await Promise.all(outputs)).flat()).toEqual(all)
  })
})
