import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import {
  ask,
  auditOf,
  type Family,
  grantRow,
  register,
  rotate,
  rotationOf,
  startFamily,
  successOf,
} from './principals.ts'

// PROTOCOL §2, rows A13 to A15.
const made = ['grant.made']

/** A retry changes nothing of a family but the count of retries. */
const counted = { replay_generation: expect.any(Number), replay_streak: expect.any(Number) }

describe.each(engines)('refresh tokens that are good on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  const newFamily = async (): Promise<Family> => {
    test.clock.alignToSecond()
    return await startFamily(test, await register(test))
  }

  describe('A13: a client that does not rotate', () => {
    it('gets the same refresh token and a new access token [PROTOCOL §2 A13]', async () => {
      const family = await newFamily()
      const { answer, before, after } = await ask(test, rotationOf(family, family.presented, { rotates: false }))
      expect(answer).toMatchObject({ outcome: 'kept', successor: family.presented })
      expect(after).toEqual(before)
    })

    it.each([
      [59_999, 'is not', 0],
      [60_000, 'is', 60],
    ])('after %d ms its rest %s prolonged [PROTOCOL §2 A13]', async (waitMs, _is, prolongedSeconds) => {
      const family = await newFamily()
      test.clock.advance(waitMs)
      const { before, after } = await ask(test, rotationOf(family, family.presented, { rotates: false }))
      expect(Number(after['idle_expires_at']) - Number(before['idle_expires_at'])).toBe(prolongedSeconds)
      expect(after['absolute_expires_at']).toBe(before['absolute_expires_at'])
    })
  })

  describe('A14: the live token', () => {
    it('gives a successor, and the row moves on [PROTOCOL §2 A14, RFC 9700 §4.14.2]', async () => {
      const family = await newFamily()
      test.clock.advance(5_000)
      const { answer, before, after } = await ask(test, rotationOf(family, family.presented))
      const { outcome, successor, scopes } = successOf(answer)
      expect({ outcome, scopes, generation: successor.generation }).toEqual({
        outcome: 'rotated',
        scopes: ['read', 'write', 'offline_access'],
        generation: 1,
      })
      expect(successor.secret).not.toEqual(family.presented.secret)
      expect(after).toMatchObject({ generation: 1, ended_at: null, rotated_ms: test.clock.now() })
      expect(Number(after['idle_expires_at'])).toBe(Number(before['idle_expires_at']) + 5)
    })

    it('never extends the absolute limit [PROTOCOL §2 A14]', async () => {
      const family = await newFamily()
      test.clock.advance(5_000)
      const { before, after } = await ask(test, rotationOf(family, family.presented))
      expect(after['absolute_expires_at']).toBe(before['absolute_expires_at'])
    })

    it('keeps the whole scope for the next time when less was asked for [PROTOCOL §2 A14, RFC 6749 §6(f)]', async () => {
      const family = await newFamily()
      const narrow = successOf(
        await test.store.rotateRefresh(rotationOf(family, family.presented, { scopes: ['read'] })),
      )
      expect(narrow.access.scopes).toEqual(['read'])
      const whole = successOf(await test.store.rotateRefresh(rotationOf(family, narrow.successor)))
      expect(whole.scopes).toEqual(['read', 'write', 'offline_access'])
    })

    it('writes no audit record: rotations belong to the journal [PROTOCOL §6]', async () => {
      const family = await newFamily()
      await rotate(test, family, family.presented)
      expect(await auditOf(test, family.grantId)).toEqual(made)
    })
  })

  describe('A15: the predecessor, in time', () => {
    it.each([
      ['at once', 0, 30_000],
      ['in the last millisecond of the window', 29_999, 30_000],
      ['any time later, for a confidential client', 3_000_000, undefined],
    ])('gives the same successor %s [PROTOCOL §2 A15]', async (_when, waitMs, retryWindowMs) => {
      const family = await newFamily()
      const successor = await rotate(test, family, family.presented)
      test.clock.advance(waitMs)
      const { answer, before, after } = await ask(test, rotationOf(family, family.presented, { retryWindowMs }))
      expect(answer).toMatchObject({ outcome: 'replayed', successor })
      expect(after).toEqual({ ...before, ...counted })
    })

    it('gives the same successor ten times [PROTOCOL §2 A15]', async () => {
      const family = await newFamily()
      const successor = await rotate(test, family, family.presented)
      for (let retry = 0; retry < 10; retry++) expect(await rotate(test, family, family.presented)).toEqual(successor)
    })

    it('gives the same successor and a narrower access token for less scope [PROTOCOL §2 A15]', async () => {
      const family = await newFamily()
      const successor = await rotate(test, family, family.presented)
      const answer = await test.store.rotateRefresh(rotationOf(family, family.presented, { scopes: ['read'] }))
      expect(answer).toMatchObject({ outcome: 'replayed', successor, scopes: ['read'], access: { scopes: ['read'] } })
    })

    it('gives the same successor for another of the granted resources [PROTOCOL §2 A15]', async () => {
      const principals = await register(test)
      const second = await register(test)
      const keys = [principals.jwtKey, second.jwtKey]
      const family = await startFamily(test, principals, { resourceKeys: keys })
      const successor = await rotate(test, family, family.presented, { resourceKeys: [principals.jwtKey] })
      const answer = await test.store.rotateRefresh(
        rotationOf(family, family.presented, { resourceKeys: [second.jwtKey] }),
      )
      expect(answer).toMatchObject({ outcome: 'replayed', successor, access: { audience: [second.jwtKey] } })
      expect(await grantRow(test, family.grantId)).toMatchObject({ resources: keys.join(' ') })
    })

    it('lets the successor rotate on after a retry [PROTOCOL §2 A15]', async () => {
      const family = await newFamily()
      await rotate(test, family, family.presented)
      const successor = await rotate(test, family, family.presented)
      expect(await rotate(test, family, successor)).toMatchObject({ generation: 2 })
    })

    it('is reuse once the successor was used [PROTOCOL §2 A10]', async () => {
      const family = await newFamily()
      const successor = await rotate(test, family, family.presented)
      await rotate(test, family, successor)
      const answer = await test.store.rotateRefresh(rotationOf(family, family.presented, { retryWindowMs: undefined }))
      expect(answer).toMatchObject({ outcome: 'reused' })
    })
  })

  describe('replay streak', () => {
    /** Rotates and retries, so often as it says; returns the streaks that the retries were told. */
    const retryInEach = async (retries: readonly number[], replayStreakLimit?: number) => {
      const family = await newFamily()
      let { presented } = family
      const streaks: (readonly (number | string)[])[] = []
      for (const count of retries) {
        const successor = await rotate(test, family, presented)
        const told: (number | string)[] = []
        for (let retry = 0; retry < count; retry++) {
          const answer = await test.store.rotateRefresh(rotationOf(family, presented, { replayStreakLimit }))
          told.push('successor' in answer ? answer.replayStreak : answer.outcome)
        }
        streaks.push(told)
        presented = successor
      }
      return { streaks, reason: (await grantRow(test, family.grantId))['ended_reason'] }
    }

    it('counts generations running that were retried, once each [PROTOCOL §2]', async () => {
      expect((await retryInEach([1, 3, 1])).streaks).toEqual([[1], [2, 0, 0], [3]])
    })

    it('begins again after a generation without a retry [PROTOCOL §2]', async () => {
      expect((await retryInEach([1, 1, 0, 1])).streaks).toEqual([[1], [2], [], [1]])
    })

    it('ends no family by itself [PROTOCOL §2 A15]', async () => {
      expect(await retryInEach([1, 1, 1, 1, 1])).toEqual({ streaks: [[1], [2], [3], [4], [5]], reason: null })
    })

    it('ends the family where that was configured [PROTOCOL §2]', async () => {
      expect(await retryInEach([1, 1, 1], 3)).toEqual({ streaks: [[1], [2], ['reused']], reason: 'reuse' })
    })
  })
})
