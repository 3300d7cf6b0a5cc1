import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { ask, auditOf, type Family, register, rotate, rotationOf, startFamily } from './principals.ts'

// PROTOCOL §2, rows A8 to A12.
const made = ['grant.made']

describe.each(engines)('refresh tokens that ask too much on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  const newFamily = async (): Promise<Family> => {
    test.clock.alignToSecond()
    return await startFamily(test, await register(test))
  }

  describe('A8: a generation that was never stored', () => {
    it('says that the store went back, and changes nothing [PROTOCOL §2 A8]', async () => {
      const family = await newFamily()
      const future = { ...family.presented, generation: 1 }
      const { answer, before, after } = await ask(test, rotationOf(family, future))
      expect(answer).toEqual({ outcome: 'rolled_back' })
      expect(after).toEqual(before)
    })
  })

  describe('A9: a genuine token that this row never gave', () => {
    it('ends a family with two tokens of one generation [PROTOCOL §2 A9]', async () => {
      const family = await newFamily()
      const { answer, after } = await ask(test, rotationOf(family, { ...family.presented, secret: randomBytes(32) }))
      expect(answer).toMatchObject({
        outcome: 'forked',
        grantId: family.grantId,
        presentedGeneration: 0,
        generation: 0,
      })
      expect(after).toMatchObject({ ended_reason: 'fork' })
      expect(await auditOf(test, family.grantId)).toEqual([...made, 'grant.ended fork'])
    })

    it('ends a family whose predecessor gives another successor [PROTOCOL §2 A9]', async () => {
      const family = await newFamily()
      await rotate(test, family, family.presented)
      const { answer, after } = await ask(test, rotationOf(family, { ...family.presented, secret: randomBytes(32) }))
      expect(answer).toMatchObject({ outcome: 'forked', presentedGeneration: 0, generation: 1 })
      expect(after).toMatchObject({ ended_reason: 'fork' })
    })

    it('tells a fork from a late retry [PROTOCOL §2 A9]', async () => {
      const family = await newFamily()
      await rotate(test, family, family.presented)
      test.clock.advance(30_000)
      const forged = { ...family.presented, secret: randomBytes(32) }
      expect(await test.store.rotateRefresh(rotationOf(family, forged))).toMatchObject({ outcome: 'forked' })
    })
  })

  describe('A10: older than the predecessor', () => {
    it.each([
      ['inside the window', 30_000],
      ['of a confidential client', undefined],
    ] as const)('ends the family, also %s [PROTOCOL §2 A10, RFC 9700 §4.14.2]', async (_whose, retryWindowMs) => {
      const family = await newFamily()
      await rotate(test, family, await rotate(test, family, family.presented))
      const { answer, after } = await ask(test, rotationOf(family, family.presented, { retryWindowMs }))
      expect(answer).toEqual({ outcome: 'reused', grantId: family.grantId, presentedGeneration: 0, generation: 2 })
      expect(after).toMatchObject({ ended_reason: 'reuse', generation: 2 })
      expect(await auditOf(test, family.grantId)).toEqual([...made, 'grant.ended reuse'])
    })

    it('takes the live token down with the family [PROTOCOL §2 A10, RFC 9700 §4.14.2]', async () => {
      const family = await newFamily()
      const live = await rotate(test, family, await rotate(test, family, family.presented))
      await test.store.rotateRefresh(rotationOf(family, family.presented))
      expect(await test.store.rotateRefresh(rotationOf(family, live))).toEqual({ outcome: 'ended' })
    })

    it('leaves the user’s other family at this client alone [PROTOCOL §2 A10]', async () => {
      const principals = await register(test)
      const family = await startFamily(test, principals)
      const other = await startFamily(test, principals)
      await rotate(test, family, await rotate(test, family, family.presented))
      await test.store.rotateRefresh(rotationOf(family, family.presented))
      expect(await test.store.rotateRefresh(rotationOf(other, other.presented))).toMatchObject({ outcome: 'rotated' })
    })
  })

  describe('A11: the predecessor, too late', () => {
    it.each([
      ['at the end of the window', 30_000, 30_000],
      ['at once where there is no window', 0, 0],
    ])('ends the family %s [PROTOCOL §2 A11, RFC 9700 §4.14.2]', async (_when, retryWindowMs, waitMs) => {
      const family = await newFamily()
      await rotate(test, family, family.presented)
      test.clock.advance(waitMs)
      const { answer, after } = await ask(test, rotationOf(family, family.presented, { retryWindowMs }))
      expect(answer).toEqual({ outcome: 'reused', grantId: family.grantId, presentedGeneration: 0, generation: 1 })
      expect(after).toMatchObject({ ended_reason: 'reuse', generation: 1 })
      expect(await auditOf(test, family.grantId)).toEqual([...made, 'grant.ended reuse'])
    })
  })

  describe('A12: more than was granted', () => {
    const excesses = [
      ['scope', { scopes: ['read', 'admin'] }, { outcome: 'scope_exceeds_grant', missing: 'admin' }],
      ['resource', { resourceKeys: ['https://other.example'] }, { outcome: 'resource_exceeds_grant' }],
    ] as const

    it.each(excesses)(
      'does not rotate for a wider %s [PROTOCOL §2 A12, RFC 6749 §6(a)]',
      async (_what, excess, refused) => {
        const family = await newFamily()
        const { answer, before, after } = await ask(test, rotationOf(family, family.presented, excess))
        expect(answer).toEqual(refused)
        expect(after).toEqual(before)
      },
    )

    it.each(excesses)(
      'refuses a retry with a wider %s, and the family lives [PROTOCOL §2 A12]',
      async (_what, excess, refused) => {
        const family = await newFamily()
        await rotate(test, family, family.presented)
        const { answer, before, after } = await ask(test, rotationOf(family, family.presented, excess))
        expect(answer).toEqual(refused)
        expect(after).toEqual(before)
      },
    )

    it.each(excesses)('finds reuse before a wider %s [PROTOCOL §2 A10 A12]', async (_what, excess) => {
      const family = await newFamily()
      await rotate(test, family, await rotate(test, family, family.presented))
      const answer = await test.store.rotateRefresh(rotationOf(family, family.presented, excess))
      expect(answer).toMatchObject({ outcome: 'reused' })
    })
  })
})
