import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import {
  absoluteSeconds,
  ask,
  auditOf,
  type Family,
  grantRow,
  idleSeconds,
  register,
  rotate,
  rotationOf,
  startFamily,
} from './principals.ts'

// PROTOCOL §2, rows A4 to A7. A1 to A3 are decided before the store is asked.
const made = ['grant.made']

describe.each(engines)('refresh tokens that get nothing on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  const newFamily = async (): Promise<Family> => {
    test.clock.alignToSecond()
    return await startFamily(test, await register(test))
  }

  describe('A4: no row, or another client’s', () => {
    it('does not know a token without a row [PROTOCOL §2 A4, RFC 6749 §6(e)]', async () => {
      const family = await newFamily()
      const presented = { ...family.presented, grantId: randomBytes(12).toString('base64url') }
      expect(await test.store.rotateRefresh(rotationOf(family, presented))).toEqual({ outcome: 'unknown' })
    })

    it('leaves the family of another client alone [PROTOCOL §2 A4, RFC 6749 §6(d)]', async () => {
      const family = await newFamily()
      const { clientId } = await register(test)
      const { answer, before, after } = await ask(test, rotationOf(family, family.presented, { clientId }))
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
      const { answer, before, after } = await ask(test, rotationOf(family, family.presented, { assertion }))
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
      const { answer, before, after } = await ask(test, rotationOf(family, family.presented))
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
      const { answer, before, after } = await ask(test, rotationOf(family, family.presented))
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
      const { answer, after } = await ask(test, rotationOf(family, presented))
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
      const { answer, after } = await ask(test, rotationOf(family, family.presented))
      expect(answer).toEqual({ outcome: 'principal_disabled' })
      expect(after).toMatchObject({ ended_reason: 'disabled', generation: 0 })
      expect(await auditOf(test, family.grantId)).toEqual([...made, 'grant.ended disabled'])
    })

    it('finds the families of a deleted client ended [PROTOCOL §2 A7]', async () => {
      const family = await newFamily()
      await test.store.deleteClient({ id: family.clientId, actor: 'test' })
      const { answer, after } = await ask(test, rotationOf(family, family.presented))
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
})
