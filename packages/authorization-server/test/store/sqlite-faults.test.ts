import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../src/store/engine.ts'
import { openStore } from '../../src/store/open-store.ts'
import { defineVerb, first, type Verb } from '../../src/store/transaction.ts'
import { mark, openTestEngine, type TestEngine } from './open-test-engine.ts'
import { openTestStore, type TestStore } from './open-test-store.ts'
import { register, rotate, rotationOf, startFamily } from './principals.ts'

/** Holds the write lock in a process of its own until its input ends. */
const locker = `
const { DatabaseSync } = require('node:sqlite')
const database = new DatabaseSync(process.argv[1])
database.exec('BEGIN IMMEDIATE')
console.log('locked')
process.stdin.on('end', () => { database.exec('COMMIT'); database.close() }).resume()
`

describe('SQLite', () => {
  let test: TestStore
  let engine: TestEngine
  beforeEach(async () => {
    test = await openTestStore('sqlite')
    engine = openTestEngine(test)
  })
  afterEach(async () => {
    await engine.close()
    await test.close()
  })

  const lockInAnotherProcess = async () => {
    const child = spawn(process.execPath, ['-e', locker, test.address], { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    return async () => {
      child.stdin.end()
      await once(child, 'exit')
    }
  }

  describe('locked by another process', () => {
    it('gives up soon [PROTOCOL §2 A16]', async () => {
      const family = await startFamily(test, await register(test))
      const unlock = await lockInAnotherProcess()
      const start = performance.now()
      const early = test.store.rotateRefresh(rotationOf(family, family.presented))
      await expect(early).rejects.toBeInstanceOf(StoreUnavailable)
      expect(performance.now() - start).toBeLessThan(3_000)
      await unlock()
      expect(await rotate(test, family, family.presented)).toMatchObject({ generation: 1 })
    })

    it('keeps nobody waiting who only reads', async () => {
      const { clientId } = await register(test)
      const unlock = await lockInAnotherProcess()
      let done = false
      const waiting = engine.change(mark, randomUUID()).then(() => {
        done = true
      })
      for (let turn = 0; turn < 20; turn++) {
        await new Promise((resolve) => setImmediate(resolve))
        expect(await test.store.readClient(clientId)).toBeDefined()
      }
      expect(done).toBe(false)
      await unlock()
      await waiting
    })

    it('does the changes in the order of their arrival when it is free again [PROTOCOL §4]', async () => {
      const locker = new DatabaseSync(test.address)
      locker.exec('BEGIN IMMEDIATE')
      const order: string[] = []
      const early = engine.change(mark, randomUUID()).then(() => order.push('early'))
      // By now the early one has found the file locked several times, and looks more rarely.
      const until = performance.now() + 60
      while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve))
      locker.exec('COMMIT')
      const late = engine.change(mark, randomUUID()).then(() => order.push('late'))
      await Promise.all([early, late])
      expect(order).toEqual(['early', 'late'])
      locker.close()
    })
  })

  describe('with a full disk', () => {
    const limitPages = defineVerb({
      kind: 'change',
      *run(_transaction, pages: number): Verb<unknown> {
        return yield* first(`PRAGMA max_page_count = ${pages}`)
      },
    })
    const fill = () => Array.from({ length: 64 }, () => engine.change(mark, randomUUID().repeat(200)))

    it('does nothing, reads on, and recovers by itself [PROTOCOL §2 A16, PROTOCOL §4]', async () => {
      await engine.change(limitPages, 1)
      const results = await Promise.allSettled(fill())
      expect(new Set(results.map((result) => result.status === 'rejected' && result.reason.name))).toEqual(
        new Set(['StoreUnavailable']),
      )
      expect(await test.query('SELECT COUNT(*) AS rows FROM attempts')).toEqual([{ rows: 0 }])
      expect(await test.store.listUsers(undefined)).toEqual([])
      await engine.change(limitPages, 1_000_000)
      expect((await Promise.allSettled(fill())).every(({ status }) => status === 'fulfilled')).toBe(true)
    })
  })

  it('refuses to open what is no database', async () => {
    await writeFile(`${test.address}.other`, 'no database '.repeat(1_000))
    await expect(openStore({ database: `${test.address}.other` })).rejects.toThrow('not a database')
  })
})
