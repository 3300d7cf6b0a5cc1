import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'

describe.each(engines)('counters on %s', (engine) => {
  let test: TestStore
  /** The store of a second node. */
  let second: Store
  beforeAll(async () => {
    test = await openTestStore(engine)
    second = await test.openAnother()
  })
  afterAll(() => test.close())

  const storeOf = (index: number) => (index % 2 === 1 ? second : test.store)

  describe('attempts', () => {
    const allowance = (count: number, windowSeconds: number) => ({ id: randomUUID(), count, windowSeconds })
    const take = (...allowances: ReturnType<typeof allowance>[]) => test.store.takeAttempt(allowances)

    it('count twenty guesses at once as twenty [RFC 6749 §10.10(c)]', async () => {
      const one = allowance(20, 60)
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => take(one)))
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array(20).fill('allowed'))
      expect(await take(one)).toMatchObject({ outcome: 'limited' })
    })

    it('never exceed the allowance, though fifty come to two nodes [RFC 6749 §10.10(c)]', async () => {
      const one = allowance(7, 60)
      const outcomes = await Promise.all(Array.from({ length: 50 }, (_, index) => storeOf(index).takeAttempt([one])))
      expect(outcomes.filter(({ outcome }) => outcome === 'allowed')).toHaveLength(7)
    })

    it('are regained one by one over the window', async () => {
      const one = allowance(4, 60)
      for (let attempt = 0; attempt < 4; attempt++) await take(one)
      test.clock.advance(14_999)
      expect(await take(one)).toEqual({ outcome: 'limited', retryAfterSeconds: 1 })
      test.clock.advance(1)
      expect(await take(one)).toEqual({ outcome: 'allowed' })
      expect(await take(one)).toEqual({ outcome: 'limited', retryAfterSeconds: 15 })
    })

    it('are all regained after the window, and no more than all', async () => {
      const one = allowance(3, 60)
      for (let attempt = 0; attempt < 3; attempt++) await take(one)
      test.clock.advance(1_000_000)
      const outcomes = [await take(one), await take(one), await take(one), await take(one)]
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['allowed', 'allowed', 'allowed', 'limited'])
    })

    it.each([
      [3, 1],
      [7, 60],
      [1_000, 1],
    ])('are exactly %d in %d s, also where the division leaves a rest', async (count, windowSeconds) => {
      const one = allowance(count, windowSeconds)
      const outcomes = await Promise.all(Array.from({ length: count + 1 }, () => take(one)))
      expect(outcomes.filter(({ outcome }) => outcome === 'allowed')).toHaveLength(count)
    })

    it('are taken from no allowance when one is used up', async () => {
      const [full, used] = [allowance(2, 60), allowance(1, 60)]
      await take(used)
      expect(await take(full, used)).toMatchObject({ outcome: 'limited' })
      expect([await take(full), await take(full)]).toEqual([{ outcome: 'allowed' }, { outcome: 'allowed' }])
    })

    it('are given back after a success', async () => {
      const one = allowance(1, 60)
      await take(one)
      await test.store.forgetAttempts(one.id)
      expect(await take(one)).toEqual({ outcome: 'allowed' })
    })
  })

  describe('what may be spent once', () => {
    const spending = { kind: 'assertion', owner: 'client', id: '', expiresAt: 4e9 } as const

    it('is spent once by twenty at once on two nodes [RFC 7523 §3]', async () => {
      const one = { ...spending, id: randomUUID() }
      const outcomes = await Promise.all(Array.from({ length: 20 }, (_, index) => storeOf(index).spendOnce(one)))
      expect(outcomes.filter(({ outcome }) => outcome === 'spent')).toHaveLength(1)
    })

    it('is another thing for another owner', async () => {
      const id = randomUUID()
      await test.store.spendOnce({ ...spending, id })
      expect(await test.store.spendOnce({ ...spending, id, owner: 'other' })).toEqual({ outcome: 'spent' })
    })

    it('is another thing of another kind', async () => {
      const id = randomUUID()
      await test.store.spendOnce({ ...spending, id })
      expect(await test.store.spendOnce({ ...spending, id, kind: 'consent_form' })).toEqual({ outcome: 'spent' })
    })

    it('is not the same when owner and id only join to the same text', async () => {
      const id = randomUUID()
      await test.store.spendOnce({ ...spending, owner: 'a', id: `b${id}` })
      expect(await test.store.spendOnce({ ...spending, owner: 'ab', id })).toEqual({ outcome: 'spent' })
    })

    it('is remembered as long as it said, whatever is purged', async () => {
      const one = { ...spending, id: randomUUID(), expiresAt: Math.floor(test.clock.now() / 1_000) + 60 }
      await test.store.spendOnce(one)
      test.clock.advance(59_000)
      await test.store.purgeExpired(10_000)
      expect(await test.store.spendOnce(one)).toEqual({ outcome: 'replayed' })
    })
  })
})
