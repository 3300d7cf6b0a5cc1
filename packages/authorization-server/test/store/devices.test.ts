import { randomUUID } from 'node:crypto'
import { sha256Base64url } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PollDeviceOutcome } from '../../src/store/verbs/device-codes.ts'
import type { EnterUserCodeOutcome } from '../../src/store/verbs/device-decisions.ts'
import { approve, decisionOf, exchangeOf, type StartedDevice, startDevice } from './devices.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { register } from './principals.ts'

const lifetimeSeconds = 600

describe.each(engines)('device codes on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  const start = async (changes = {}): Promise<StartedDevice> => startDevice(test, await register(test), changes)
  const poll = ({ deviceCodeHash, clientId }: StartedDevice): Promise<PollDeviceOutcome> =>
    test.store.pollDevice({ deviceCodeHash, clientId, assertion: undefined })
  const enter = (userCodeHash: string, id = randomUUID()): Promise<EnterUserCodeOutcome> =>
    test.store.enterUserCode({ userCodeHash, allowances: [{ id, count: 3, windowSeconds: 90 }] })
  const auditOf = async (device: StartedDevice) =>
    (await test.query('SELECT kind, facts FROM audit WHERE actor = $1', device.userId)).map(({ kind }) => kind)

  describe('a start', () => {
    it('whose user code is taken is made again, without spending what it came with', async () => {
      const device = await start()
      const assertion = { kind: 'assertion', owner: device.clientId, id: randomUUID(), expiresAt: 4e9 } as const
      const again = startDevice(test, device, { userCodeHash: device.userCodeHash, assertion })
      await expect(again).rejects.toThrow('user_code_taken')
      expect(await test.store.spendOnce(assertion)).toEqual({ outcome: 'spent' })
    })

    it('spends the assertion that it came with', async () => {
      const principals = await register(test)
      const assertion = { kind: 'assertion', owner: principals.clientId, id: randomUUID(), expiresAt: 4e9 } as const
      await startDevice(test, principals, { assertion })
      await expect(startDevice(test, principals, { assertion })).rejects.toThrow('assertion_replayed')
    })

    it('is limited by sender', async () => {
      const principals = await register(test)
      const allowances = [{ id: randomUUID(), count: 2, windowSeconds: 60 }]
      const starts = await Promise.allSettled([1, 2, 3].map(() => startDevice(test, principals, { allowances })))
      expect(starts.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    })
  })

  describe('polling', () => {
    it('goes on until the user decides, and slower when it is too fast [RFC 8628 §3.5(b)(c)]', async () => {
      const device = await start()
      const outcomes: string[] = []
      for (const seconds of [0, 5, 1, 6, 15]) {
        test.clock.advance(seconds * 1_000)
        const polled = await poll(device)
        outcomes.push('intervalSeconds' in polled ? `${polled.outcome} ${polled.intervalSeconds}` : polled.outcome)
      }
      expect(outcomes).toEqual(['pending 5', 'pending 5', 'slow_down 10', 'slow_down 15', 'pending 15'])
    })

    it('forgives what the network takes from an interval', async () => {
      const device = await start()
      await poll(device)
      test.clock.advance(4_100)
      expect(await poll(device)).toMatchObject({ outcome: 'pending' })
    })

    it('is for the device whose code it is, and its client', async () => {
      const device = await start()
      const { clientId } = await register(test)
      expect(await poll({ ...device, clientId })).toEqual({ outcome: 'foreign' })
      expect(await poll({ ...device, deviceCodeHash: 'none' })).toEqual({ outcome: 'unknown' })
    })

    it('hears that the user refused, and when the code expired [RFC 8628 §3.5(d)(e)]', async () => {
      const denied = await start()
      await test.store.decideDevice(decisionOf(test, denied, false))
      expect(await poll(denied)).toEqual({ outcome: 'denied' })
      const late = await start()
      test.clock.advance((lifetimeSeconds - 1) * 1_000)
      expect(await poll(late)).toMatchObject({ outcome: 'pending' })
      test.clock.advance(1_000)
      expect(await poll(late)).toMatchObject({ outcome: 'expired' })
    })

    it('spends an assertion once', async () => {
      const { deviceCodeHash, clientId } = await start()
      const assertion = { kind: 'assertion', owner: clientId, id: randomUUID(), expiresAt: 4e9 } as const
      await test.store.pollDevice({ deviceCodeHash, clientId, assertion })
      expect(await test.store.pollDevice({ deviceCodeHash, clientId, assertion })).toEqual({
        outcome: 'assertion_replayed',
      })
    })
  })

  describe('a decision', () => {
    it('counts once: approving twice, and denying after it, change nothing', async () => {
      const device = await start()
      await approve(test, device)
      for (const approved of [true, false])
        expect(await test.store.decideDevice(decisionOf(test, device, approved))).toEqual({ outcome: 'not_waiting' })
      expect(await poll(device)).toMatchObject({ outcome: 'approved' })
      expect(await auditOf(device)).toEqual(['device.approved'])
    })

    it('to deny holds against approving afterwards', async () => {
      const device = await start()
      await test.store.decideDevice(decisionOf(test, device, false))
      expect(await test.store.decideDevice(decisionOf(test, device, true))).toEqual({ outcome: 'not_waiting' })
      expect(await poll(device)).toEqual({ outcome: 'denied' })
      expect(await auditOf(device)).toEqual(['device.denied'])
    })

    it('comes too late after the expiry', async () => {
      const device = await start()
      test.clock.advance(lifetimeSeconds * 1_000)
      expect(await test.store.decideDevice(decisionOf(test, device, true))).toEqual({ outcome: 'not_waiting' })
    })

    it('of twenty users at once is that of one', async () => {
      const device = await start()
      const users = await Promise.all(Array.from({ length: 20 }, () => register(test)))
      const decided = await Promise.all(
        users.map(({ userId }, index) =>
          test.store.decideDevice({ ...decisionOf(test, device, index % 2 === 0), userId }),
        ),
      )
      expect(decided.filter(({ outcome }) => outcome !== 'not_waiting')).toHaveLength(1)
    })

    it.each(['user', 'client'] as const)('of a disabled %s approves nothing', async (kind) => {
      const device = await start()
      if (kind === 'user') await test.store.changeUser({ id: device.userId, disabled: true, actor: 'test' })
      else await test.store.updateClient({ id: device.clientId, disabled: true, actor: 'test' })
      expect(await test.store.decideDevice(decisionOf(test, device, true))).toEqual({ outcome: 'principal_disabled' })
      expect(await poll(device)).toMatchObject({ outcome: 'pending' })
    })

    it('from a sign-in that a new password has ended approves nothing', async () => {
      const device = await start()
      const decision = { ...decisionOf(test, device, true), authenticatedAt: Math.floor(test.clock.now() / 1_000) }
      await test.store.changeUser({ id: device.userId, passwordHash: 'new', actor: 'test' })
      expect(await test.store.decideDevice(decision)).toEqual({ outcome: 'principal_disabled' })
    })

    it('on the form of another client is none', async () => {
      const device = await start()
      const { clientId } = await register(test)
      const decision = { ...decisionOf(test, device, true), clientId }
      expect(await test.store.decideDevice(decision)).toEqual({ outcome: 'not_waiting' })
    })
  })

  describe('redeeming', () => {
    it('gives tokens of the user who approved, and a grant of its own', async () => {
      const device = await start()
      await approve(test, device)
      const redeemed = await test.store.redeemDevice(exchangeOf(device))
      expect(redeemed).toMatchObject({
        outcome: 'redeemed',
        scopes: ['read', 'write', 'offline_access'],
        access: { clientId: device.clientId, subject: device.userId, audience: [device.jwtKey] },
        family: { generation: 0 },
      })
      expect(await test.store.listApplications(device.userId)).toMatchObject([{ clientId: device.clientId }])
    })

    it.each([2, 20, 50])(
      'by %d pollers at the moment of approval gives one token set [RFC 8628 §3.5(a)]',
      async (count) => {
        const device = await start()
        await approve(test, device)
        const answers = await Promise.all(
          Array.from({ length: count }, () => test.store.redeemDevice(exchangeOf(device))),
        )
        const outcomes = answers.map(({ outcome }) => outcome).sort()
        expect(outcomes).toEqual(['redeemed', ...Array<string>(count - 1).fill('spent')])
        const grants = await test.query('SELECT id FROM grants WHERE client_id = $1', device.clientId)
        expect(grants).toHaveLength(1)
      },
    )

    it('by fifty pollers of two nodes gives one token set [RFC 8628 §3.5(a)]', async () => {
      const other = await test.openAnother()
      const device = await start()
      await approve(test, device)
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) => (index % 2 ? other : test.store).redeemDevice(exchangeOf(device))),
      )
      expect(answers.filter(({ outcome }) => outcome === 'redeemed')).toHaveLength(1)
      expect(await test.query('SELECT id FROM grants WHERE client_id = $1', device.clientId)).toHaveLength(1)
    })

    it('beside a withdrawal on another node gives nothing that outlives it', async () => {
      const other = await test.openAnother()
      for (let round = 0; round < 10; round++) {
        const device = await start()
        await approve(test, device)
        const { userId, clientId } = device
        const [redeemed] = await Promise.all([
          test.store.redeemDevice(exchangeOf(device)),
          other.withdrawApplication({ userId, clientId }),
        ])
        expect(['redeemed', 'unknown']).toContain(redeemed.outcome)
        const live = await test.query('SELECT id FROM grants WHERE client_id = $1 AND ended_at IS NULL', clientId)
        expect(live).toEqual([])
      }
    })

    it('beside the approval itself gives one token set or none yet, never two', async () => {
      const device = await start()
      const [, ...answers] = await Promise.all([
        test.store.decideDevice(decisionOf(test, device, true)),
        ...Array.from({ length: 20 }, () => test.store.redeemDevice(exchangeOf(device))),
      ])
      expect(answers.filter(({ outcome }) => outcome === 'redeemed').length).toBeLessThanOrEqual(1)
      expect(['redeemed', 'spent']).toContain((await test.store.redeemDevice(exchangeOf(device))).outcome)
      expect(await test.query('SELECT id FROM grants WHERE client_id = $1', device.clientId)).toHaveLength(1)
    })

    it('needs an approval by this very user', async () => {
      const device = await start()
      expect(await test.store.redeemDevice(exchangeOf(device))).toEqual({ outcome: 'unknown' })
      await approve(test, device)
      const { userId } = await register(test)
      expect(await test.store.redeemDevice({ ...exchangeOf(device), userId })).toEqual({ outcome: 'unknown' })
    })

    it('is too late after the expiry, approved or not', async () => {
      const device = await start()
      await approve(test, device)
      test.clock.advance(lifetimeSeconds * 1_000)
      expect(await poll(device)).toMatchObject({ outcome: 'expired' })
      expect(await test.store.redeemDevice(exchangeOf(device))).toMatchObject({ outcome: 'expired' })
    })

    it.each(['user', 'client'] as const)(
      'is refused once the %s was disabled, and after it was enabled',
      async (kind) => {
        const device = await start()
        await approve(test, device)
        for (const disabled of [true, false]) {
          if (kind === 'user') await test.store.changeUser({ id: device.userId, disabled, actor: 'test' })
          else await test.store.updateClient({ id: device.clientId, disabled, actor: 'test' })
          test.clock.advance(2_000)
          expect(await test.store.redeemDevice(exchangeOf(device))).toEqual({ outcome: 'principal_disabled' })
        }
      },
    )

    it('gives nothing that was not approved, and can be tried again', async () => {
      const device = await start()
      await approve(test, device)
      const wider = { ...exchangeOf(device), resourceKeys: [device.opaqueKey] }
      expect(await test.store.redeemDevice(wider)).toEqual({ outcome: 'resource_exceeds_grant' })
      expect(await test.store.redeemDevice(exchangeOf(device))).toMatchObject({ outcome: 'redeemed' })
    })

    it('gives nothing once the user has withdrawn the application', async () => {
      const device = await start()
      await approve(test, device)
      await test.store.withdrawApplication({ userId: device.userId, clientId: device.clientId })
      expect(await poll(device)).toEqual({ outcome: 'unknown' })
    })

    it('gives nothing after a recovery, for it may have been redeemed in the lost time', async () => {
      const own = await openTestStore(engine)
      const device = await startDevice(own, await register(own))
      await approve(own, device)
      await own.store.recoverLostWindow({ actor: 'test' })
      expect(await own.store.redeemDevice(exchangeOf(device))).toEqual({ outcome: 'spent' })
      await own.close()
    })

    it('is over with the client', async () => {
      const device = await start()
      await test.store.deleteClient({ id: device.clientId, actor: 'test' })
      expect(await test.query('SELECT hash FROM device_codes WHERE hash = $1', device.deviceCodeHash)).toEqual([])
    })
  })

  describe('a user code', () => {
    it('finds the device that waits, with what there is to be shown', async () => {
      const device = await start()
      test.clock.advance(90_000)
      expect(await enter(device.userCodeHash)).toMatchObject({
        outcome: 'found',
        device: {
          clientId: device.clientId,
          scopes: ['read', 'write', 'offline_access'],
          askedFrom: '192.0.2.7',
          ageSeconds: 90,
        },
      })
    })

    it('that is expired, decided or spent is one like any other that nobody has', async () => {
      const [expired, approved, denied] = [await start(), await start(), await start()]
      await approve(test, approved)
      await test.store.decideDevice(decisionOf(test, denied, false))
      const spent = await start()
      await approve(test, spent)
      await test.store.redeemDevice(exchangeOf(spent))
      for (const { userCodeHash } of [approved, denied, spent])
        expect(await enter(userCodeHash)).toEqual({ outcome: 'unknown' })
      test.clock.advance(lifetimeSeconds * 1_000)
      expect(await enter(expired.userCodeHash)).toEqual({ outcome: 'unknown' })
    })

    it('is counted when it is wrong, fifty guesses at once like fifty [RFC 8628 §5.1(b)]', async () => {
      const id = randomUUID()
      const guesses = Array.from({ length: 50 }, () => enter(sha256Base64url(randomUUID()), id))
      const outcomes = (await Promise.all(guesses)).map(({ outcome }) => outcome).sort()
      expect(outcomes).toEqual([...Array<string>(47).fill('limited'), ...Array<string>(3).fill('unknown')])
    })

    it('is counted once for all nodes [RFC 8628 §5.1(b)]', async () => {
      const other = await test.openAnother()
      const allowances = [{ id: randomUUID(), count: 3, windowSeconds: 90 }]
      const guesses = Array.from({ length: 30 }, (_, index) =>
        (index % 2 ? other : test.store).enterUserCode({ userCodeHash: randomUUID(), allowances }),
      )
      const answers = await Promise.all(guesses)
      expect(answers.filter(({ outcome }) => outcome === 'unknown')).toHaveLength(3)
    })

    it('at most five times within a minute [RFC 8628 §5.1(b)]', async () => {
      const id = randomUUID()
      let looked = 0
      for (let second = 0; second < 60; second++) {
        if ((await enter(randomUUID(), id)).outcome === 'unknown') looked++
        test.clock.advance(1_000)
      }
      expect(looked).toBeGreaterThan(0)
      expect(looked).toBeLessThanOrEqual(5)
    })

    it('is not counted when it is right, and says nothing when the allowance is used up', async () => {
      const device = await start()
      const id = randomUUID()
      for (let count = 0; count < 5; count++)
        expect(await enter(device.userCodeHash, id)).toMatchObject({ outcome: 'found' })
      for (let count = 0; count < 3; count++) await enter(randomUUID(), id)
      expect(await enter(device.userCodeHash, id)).toMatchObject({ outcome: 'limited', limitedBy: id })
    })
  })
})
