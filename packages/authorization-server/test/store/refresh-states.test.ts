import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Rotation } from '../../src/store/verbs/refresh.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import {
  absoluteSeconds,
  auditOf,
  type Family,
  grantRow,
  idleSeconds,
  register,
  rotate,
  rotationOf,
  startFamily,
  successOf,
} from './principals.ts'

// The state machine of PROTOCOL §2, top to bottom. A1 to A3 are decided before the store is asked.
/** A retry changes nothing of a family but the count of retries. */
const counted = { replay_generation: expect.any(Number), replay_streak: expect.any(Number) }

describe.each(engines)('refresh states on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  const newFamily = async (): Promise<Family> => {
    test.clock.alignToSecond()
    return await startFamily(test, await register(test))
  }

  /** Asks, and says what the answer was and what the row was before and after. */
  const ask = async (rotation: Rotation) => {
    const before = await grantRow(test, rotation.presented.grantId)
    const answer = await test.store.rotateRefresh(rotation)
    return { answer, before, after: await grantRow(test, rotation.presented.grantId) }
  }

  const made = ['grant.made']

  describe('A4: no row, or another client’s', () => {
    it('does not know a token without a row [PROTOCOL §2 A4, RFC 6749 §6(e)]', async () => {
      const family = await newFamily()
      const presented = { ...family.presented, grantId: randomBytes(12).toString('base64url') }
      expect(await test.store.rotateRefresh(rotationOf(family, presented))).toEqual({ outcome: 'unknown' })
    })

    it('leaves the family of another client alone [PROTOCOL §2 A4, RFC 6749 §6(d)]', async () => {
      const family = await newFamily()
      const { clientId } = await register(test)
      const { answer, before, after } = await ask(rotationOf(family, family.presented, { clientId }))
      expect(answer).toEqual({ outcome: 'foreign' })
      expect(after).toEqual(before)
    })

    it('does not spend the assertion of a client whose token it is not [PROTOCOL §2 A4]', async () => {
      const family = await newFamily()
      const { clientId } = await register(test)
      const assertion = { kind: 'assertion', owner: clientId, id: family.grantId, expiresAt: 4e9 } as const
      await test.store.rotateRefresh(rotationOf(family, family.presented, { clientId, assertion }))
      expect(await test.store.spendOnce(assertion)).toEqual({ outcome: 'spent' })
    })
  })

  describe('A6: assertion spent before', () => {
    it('changes nothing [PROTOCOL §2 A6]', async () => {
      const family = await newFamily()
      const assertion = { kind: 'assertion', owner: family.clientId, id: 'jti', expiresAt: 4e9 } as const
      await test.store.spendOnce(assertion)
      const { answer, before, after } = await ask(rotationOf(family, family.presented, { assertion }))
      expect(answer).toEqual({ outcome: 'assertion_replayed' })
      expect(after).toEqual(before)
    })

    it('is found before the state of the family [PROTOCOL §2 A6]', async () => {
      const family = await newFamily()
      const assertion = { kind: 'assertion', owner: family.clientId, id: 'jti', expiresAt: 4e9 } as const
      await test.store.spendOnce(assertion)
      await test.store.revokeFamily(family)
      const answer = await test.store.rotateRefresh(rotationOf(family, family.presented, { assertion }))
      expect(answer).toEqual({ outcome: 'assertion_replayed' })
    })
  })

  describe('A7: no longer alive', () => {
    it('answers an ended family, and keeps the first reason [PROTOCOL §2 A7]', async () => {
      const family = await newFamily()
      await test.store.revokeFamily(family)
      const { answer, before, after } = await ask(rotationOf(family, family.presented))
      expect(answer).toEqual({ outcome: 'ended' })
      expect(after).toEqual(before)
    })

    it('finds an ended family before a reused token [PROTOCOL §2 A7]', async () => {
      const family = await newFamily()
      await rotate(test, family, await rotate(test, family, family.presented))
      await test.store.revokeFamily(family)
      expect(await test.store.rotateRefresh(rotationOf(family, family.presented))).toEqual({ outcome: 'ended' })
    })

    it('lets a family live in its last idle second [PROTOCOL §2 A7]', async () => {
      const family = await newFamily()
      test.clock.advance(idleSeconds * 1_000 - 1)
      expect(await test.store.rotateRefresh(rotationOf(family, family.presented))).toMatchObject({ outcome: 'rotated' })
    })

    it('ends a family that rested for too long [PROTOCOL §2 A7, RFC 9700 §4.14.2]', async () => {
      const family = await newFamily()
      test.clock.advance(idleSeconds * 1_000)
      const { answer, before, after } = await ask(rotationOf(family, family.presented))
      expect(answer).toEqual({ outcome: 'expired', expiredAt: before['idle_expires_at'] })
      expect(after).toMatchObject({ ended_reason: 'expired', generation: 0 })
      expect(await auditOf(test, family.grantId)).toEqual([...made, 'grant.ended expired'])
    })

    it('ends a family at its absolute limit, however busy it was [PROTOCOL §2 A7]', async () => {
      const family = await newFamily()
      const { absolute_expires_at: limit } = await grantRow(test, family.grantId)
      let { presented } = family
      const hours = absoluteSeconds / idleSeconds
      for (let hour = 0; hour < hours; hour++) {
        test.clock.advance((idleSeconds - 1) * 1_000)
        presented = await rotate(test, family, presented)
      }
      test.clock.advance(Number(limit) * 1_000 - test.clock.now())
      const { answer, after } = await ask(rotationOf(family, presented))
      expect(answer).toEqual({ outcome: 'expired', expiredAt: limit })
      expect(after).toMatchObject({ ended_reason: 'expired', absolute_expires_at: limit })
    })

    it('answers a retry at the exact second of expiry without a fault [PROTOCOL §2 A7]', async () => {
      const family = await newFamily()
      await rotate(test, family, family.presented)
      test.clock.advance(idleSeconds * 1_000)
      expect(await test.store.rotateRefresh(rotationOf(family, family.presented))).toMatchObject({ outcome: 'expired' })
    })

    it.each([
      [
        'its user is disabled',
        (family: Family) => test.store.changeUser({ id: family.userId, disabled: true, actor: 'test' }),
      ],
      [
        'its client is disabled',
        (family: Family) => test.store.updateClient({ id: family.clientId, disabled: true, actor: 'test' }),
      ],
      [
        'the password changed',
        (family: Family) => test.store.changeUser({ id: family.userId, passwordHash: 'new', actor: 'test' }),
      ],
      [
        'its user was disabled and enabled again',
        async (family: Family) => {
          await test.store.changeUser({ id: family.userId, disabled: true, actor: 'test' })
          await test.store.changeUser({ id: family.userId, disabled: false, actor: 'test' })
        },
      ],
      [
        'its client was disabled and enabled again',
        async (family: Family) => {
          await test.store.updateClient({ id: family.clientId, disabled: true, actor: 'test' })
          await test.store.updateClient({ id: family.clientId, disabled: false, actor: 'test' })
        },
      ],
    ])('ends a family when %s [PROTOCOL §2 A7]', async (_what, change) => {
      const family = await newFamily()
      await change(family)
      const { answer, after } = await ask(rotationOf(family, family.presented))
      expect(answer).toEqual({ outcome: 'principal_disabled' })
      expect(after).toMatchObject({ ended_reason: 'disabled', generation: 0 })
      expect(await auditOf(test, family.grantId)).toEqual([...made, 'grant.ended disabled'])
    })

    it('finds the families of a deleted client ended [PROTOCOL §2 A7]', async () => {
      const family = await newFamily()
      await test.store.deleteClient({ id: family.clientId, actor: 'test' })
      const { answer, after } = await ask(rotationOf(family, family.presented))
      expect(answer).toEqual({ outcome: 'ended' })
      expect(after).toMatchObject({ ended_reason: 'client_deleted' })
      expect(await auditOf(test, family.grantId)).toEqual([...made, 'grant.ended client_deleted'])
    })

    it('finds the families of a withdrawn application ended [PROTOCOL §2 A7]', async () => {
      const family = await newFamily()
      await test.store.withdrawApplication(family)
      expect(await test.store.rotateRefresh(rotationOf(family, family.presented))).toEqual({ outcome: 'ended' })
      expect(await auditOf(test, family.grantId)).toEqual([...made, 'grant.ended withdrawn'])
    })
  })

  describe('A8: a generation that was never stored', () => {
    it('says that the store went back, and changes nothing [PROTOCOL §2 A8]', async () => {
      const family = await newFamily()
      const future = { ...family.presented, generation: 1 }
      const { answer, before, after } = await ask(rotationOf(family, future))
      expect(answer).toEqual({ outcome: 'rolled_back' })
      expect(after).toEqual(before)
    })
  })

  describe('A9: a genuine token that this row never gave', () => {
    it('ends a family with two tokens of one generation [PROTOCOL §2 A9]', async () => {
      const family = await newFamily()
      const { answer, after } = await ask(rotationOf(family, { ...family.presented, secret: randomBytes(32) }))
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
      const { answer, after } = await ask(rotationOf(family, { ...family.presented, secret: randomBytes(32) }))
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
      const { answer, after } = await ask(rotationOf(family, family.presented, { retryWindowMs }))
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
      const { answer, after } = await ask(rotationOf(family, family.presented, { retryWindowMs }))
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
        const { answer, before, after } = await ask(rotationOf(family, family.presented, excess))
        expect(answer).toEqual(refused)
        expect(after).toEqual(before)
      },
    )

    it.each(excesses)(
      'refuses a retry with a wider %s, and the family lives [PROTOCOL §2 A12]',
      async (_what, excess, refused) => {
        const family = await newFamily()
        await rotate(test, family, family.presented)
        const { answer, before, after } = await ask(rotationOf(family, family.presented, excess))
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

  describe('A13: a client that does not rotate', () => {
    it('gets the same refresh token and a new access token [PROTOCOL §2 A13]', async () => {
      const family = await newFamily()
      const { answer, before, after } = await ask(rotationOf(family, family.presented, { rotates: false }))
      expect(answer).toMatchObject({ outcome: 'kept', successor: family.presented })
      expect(after).toEqual(before)
    })

    it.each([
      [59_999, 'is not', 0],
      [60_000, 'is', 60],
    ])('after %d ms its rest %s prolonged [PROTOCOL §2 A13]', async (waitMs, _is, prolongedSeconds) => {
      const family = await newFamily()
      test.clock.advance(waitMs)
      const { before, after } = await ask(rotationOf(family, family.presented, { rotates: false }))
      expect(Number(after['idle_expires_at']) - Number(before['idle_expires_at'])).toBe(prolongedSeconds)
      expect(after['absolute_expires_at']).toBe(before['absolute_expires_at'])
    })
  })

  describe('A14: the live token', () => {
    it('gives a successor, and the row moves on [PROTOCOL §2 A14, RFC 9700 §4.14.2]', async () => {
      const family = await newFamily()
      test.clock.advance(5_000)
      const { answer, before, after } = await ask(rotationOf(family, family.presented))
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
      const { before, after } = await ask(rotationOf(family, family.presented))
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
      const { answer, before, after } = await ask(rotationOf(family, family.presented, { retryWindowMs }))
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
