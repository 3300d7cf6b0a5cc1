import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { opaqueAccessKey } from '../../src/store/opaque-access.ts'
import type { Store } from '../../src/store/store.ts'
import { defineVerb, run, type Verb } from '../../src/store/transaction.ts'
import { openTestEngine } from './open-test-engine.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { issueCode, ownToken, register, rotationOf, startFamily } from './principals.ts'

const hourMs = 3_600_000

describe.each(engines)('a clock set back by an hour on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  // Behind the clock of the test before, the store's would stand still.
  beforeEach(() => test.clock.advance(2 * hourMs))
  afterAll(() => test.close())

  const ways: readonly [string, () => Promise<Store>][] = [
    [
      'while the store is open',
      async () => {
        test.clock.advance(-hourMs)
        return test.store
      },
    ],
    [
      'before the store is opened again',
      async () => {
        const earlier = test.clock.now() - hourMs
        return await test.openAnother(() => earlier)
      },
    ],
  ]

  describe.each(ways)('%s', (_when, setBack) => {
    it('does not revive a code [PROTOCOL §1, RFC 6749 §4.1.2(b)]', async () => {
      const exchange = await issueCode(test, await register(test))
      test.clock.advance(60_000)
      expect(await test.store.redeemCode(exchange)).toMatchObject({ outcome: 'expired' })
      const store = await setBack()
      expect(await store.redeemCode(exchange)).toMatchObject({ outcome: 'expired' })
    })

    it('does not revive a session for a read [PROTOCOL §1]', async () => {
      const { userId } = await register(test)
      const hash = randomUUID()
      await test.store.openSession({ hash, userId, lifetimeSeconds: 60, formerHash: undefined })
      test.clock.advance(60_000)
      await register(test)
      const store = await setBack()
      expect(await store.readSession(hash)).toBeUndefined()
    })

    it('does not revive an opaque token for a read [PROTOCOL §1, RFC 7662 §4(a)]', async () => {
      const principals = await register(test)
      const { access } = await startFamily(test, principals, { resourceKeys: [principals.opaqueKey] })
      test.clock.advance(600_000)
      await register(test)
      const store = await setBack()
      const token = access.form.format === 'opaque' ? access.form.token.reveal() : ''
      expect(await store.introspectOpaque(opaqueAccessKey(token) ?? '')).toBeUndefined()
    })

    it('does not prolong the window of a retry [PROTOCOL §1, PROTOCOL §2 A11]', async () => {
      const family = await startFamily(test, await register(test))
      await test.store.rotateRefresh(rotationOf(family, family.presented))
      test.clock.advance(30_000)
      await register(test)
      const store = await setBack()
      expect(await store.rotateRefresh(rotationOf(family, family.presented))).toMatchObject({ outcome: 'reused' })
    })

    it('still ends with a revocation what was issued before it [PROTOCOL §1]', async () => {
      test.clock.alignToSecond()
      test.clock.advance(500)
      const principals = await register(test)
      // Less than a second later, and yet in the next one: a mark that lags a second behind would let the clock go back before it.
      test.clock.advance(900)
      const { access } = await startFamily(test, principals)
      const store = await setBack()
      await store.changeUser({ id: principals.userId, passwordHash: 'new', actor: 'test' })
      expect(await store.introspectJwt(access)).toBe(false)
    })

    it('goes on from where it was [PROTOCOL §1]', async () => {
      test.clock.alignToSecond()
      const principals = await register(test)
      const { access } = await startFamily(test, principals)
      await setBack()
      const again = await startFamily(test, principals)
      expect(again.access.issuedAt).toBe(access.issuedAt)
    })
  })

  it('does not give back attempts [PROTOCOL §1]', async () => {
    const allowance = { id: 'address', count: 1, windowSeconds: 60 }
    await test.store.takeAttempt([allowance])
    test.clock.advance(-hourMs)
    expect(await test.store.takeAttempt([allowance])).toEqual({ outcome: 'limited', retryAfterSeconds: 60 })
  })
})

describe('the mark of a clock', () => {
  it('is moved also while very many rows are changed, which may take minutes [PROTOCOL §1]', async () => {
    const test = await openTestStore('postgres')
    const engine = openTestEngine(test)
    const one = await register(test)
    const slow = defineVerb({
      kind: 'change',
      bulk: true,
      *run(_transaction, _all: undefined): Verb<void> {
        // The mark would be moved behind the first of its statements.
        yield* run('SELECT 1 AS begun')
        yield* run('SELECT 1 AS done FROM (SELECT pg_advisory_xact_lock(7)) l')
      },
    })
    await test.query('SELECT 1 AS held FROM (SELECT pg_advisory_lock(7)) l')
    test.clock.advance(10_000)
    const done = engine.change(slow, undefined)
    const isWaiting = () =>
      test.query(
        `SELECT 1 AS waiting FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      )
    await expect.poll(isWaiting, { timeout: 10_000, interval: 10 }).toHaveLength(1)
    test.clock.advance(10_000)
    await ownToken(test, one)
    const [mark] = await test.query('SELECT clock_ms FROM store_clock')
    expect(mark?.['clock_ms']).toBe(test.clock.now())
    await test.query('SELECT pg_advisory_unlock(7) AS released')
    await done
    await engine.close()
    await test.close()
  })
})

describe.each(engines)('time far away on %s', (engine) => {
  it('is time like any other: 2038, a leap day, the year 9999', async () => {
    const test = await openTestStore(engine)
    for (const moment of ['2038-01-19T03:14:08Z', '2096-02-29T23:59:59Z', '9999-12-30T00:00:00Z']) {
      test.clock.advance(Date.parse(moment) - test.clock.now())
      const family = await startFamily(test, await register(test))
      expect(family.access.issuedAt).toBe(Date.parse(moment) / 1_000)
      expect(await test.store.rotateRefresh(rotationOf(family, family.presented))).toMatchObject({ outcome: 'rotated' })
    }
    await test.close()
  })
})
