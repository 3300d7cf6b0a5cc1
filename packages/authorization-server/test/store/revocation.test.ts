import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { opaqueAccessKey } from '../../src/store/opaque-access.ts'
import type { IssuedAccess } from '../../src/store/verbs/access.ts'
import { approve, exchangeOf, startDevice } from './devices.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import {
  type Family,
  issueCode,
  ownToken,
  type Principals,
  register,
  rotationOf,
  startFamily,
  startSmall,
} from './principals.ts'

const by = { actor: 'operator', initiator: 'admin' } as const

/** Two users at two clients, and a token that the first client has for itself. */
interface World {
  readonly one: Principals
  readonly other: Principals
  /** By user and client. */
  readonly families: Readonly<Record<'oneOne' | 'oneOneOpaque' | 'oneOther' | 'otherOne' | 'otherOther', Family>>
  readonly own: IssuedAccess
}

type Name = keyof World['families'] | 'own'
const everything: readonly Name[] = ['oneOne', 'oneOneOpaque', 'oneOther', 'otherOne', 'otherOther', 'own']

describe.each(engines)('what is taken back on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  const seconds = () => Math.floor(test.clock.now() / 1_000)
  const isLive = async (access: IssuedAccess): Promise<boolean> =>
    access.form.format === 'jwt'
      ? await test.store.introspectJwt(access)
      : (await test.store.introspectOpaque(opaqueAccessKey(access.form.token.reveal()) ?? '')) !== undefined
  const start = async (): Promise<World> => {
    // Behind every cut-off of the tests before.
    test.clock.advance(10_000)
    test.clock.alignToSecond()
    const [one, other] = await Promise.all([register(test), register(test)])
    const begin = (user: Principals, client: Principals, format: 'jwt' | 'opaque') => {
      const resourceKeys = [client[`${format}Key`]]
      return startFamily(test, { ...client, userId: user.userId, username: user.username }, { resourceKeys })
    }
    const [own, oneOne, oneOneOpaque, oneOther, otherOne, otherOther] = await Promise.all([
      ownToken(test, one),
      begin(one, one, 'jwt'),
      begin(one, one, 'opaque'),
      begin(one, other, 'jwt'),
      begin(other, one, 'opaque'),
      begin(other, other, 'jwt'),
    ])
    return { one, other, own, families: { oneOne, oneOneOpaque, oneOther, otherOne, otherOther } }
  }
  const accessOf = (world: World, name: Name) => (name === 'own' ? world.own : world.families[name].access)
  const liveOf = async (world: World): Promise<readonly Name[]> => {
    const lives = await Promise.all(everything.map((name) => isLive(accessOf(world, name))))
    return everything.filter((_, at) => lives[at])
  }

  const levels: readonly [string, readonly Name[], (world: World) => Promise<{ readonly outcome: string }>][] = [
    ['a grant', ['oneOne'], ({ families: { oneOne } }) => test.store.revokeGrant({ grantId: oneOne.grantId, ...by })],
    [
      'a user at one client',
      ['oneOne', 'oneOneOpaque'],
      ({ one: { userId, clientId } }) => test.store.cutOffUserAtClient({ userId, clientId, ...by }),
    ],
    [
      'a subject everywhere',
      ['oneOne', 'oneOneOpaque', 'oneOther'],
      ({ one: { userId } }) => test.store.cutOffSubject({ userId, ...by }),
    ],
    [
      'a client',
      ['oneOne', 'oneOneOpaque', 'otherOne', 'own'],
      ({ one: { clientId } }) => test.store.cutOffClient({ clientId, ...by }),
    ],
    ['all', everything, () => test.store.cutOffAll(by)],
  ]

  describe('as tokens and grants', () => {
    it.each(levels)('of %s is dead, and nothing else [PROTOCOL §7]', async (_what, dead, revoke) => {
      const world = await start()
      expect(await liveOf(world)).toEqual(everything)
      expect(await revoke(world)).toMatchObject({ outcome: expect.stringMatching(/^(revoked|cut_off)$/) })
      expect(await liveOf(world)).toEqual(everything.filter((name) => !dead.includes(name)))
    })

    it.each(levels)(
      'of %s refreshes no more, and everything else does [PROTOCOL §2 A7]',
      async (_what, dead, revoke) => {
        const world = await start()
        await revoke(world)
        for (const [name, family] of Object.entries(world.families)) {
          const answer = await test.store.rotateRefresh(rotationOf(family, family.presented))
          const access = 'access' in answer ? answer.access : undefined
          expect([name, access !== undefined && (await isLive(access))]).toEqual([name, !dead.includes(name as Name)])
        }
      },
    )

    it.each(levels)(
      'of %s is followed by what lives, in the same second [PROTOCOL §1]',
      async (_what, _dead, revoke) => {
        const world = await start()
        await revoke(world)
        const resourceKeys = [world.one.jwtKey]
        const again = await startFamily(test, world.one, { resourceKeys })
        const refreshed = await test.store.rotateRefresh(rotationOf(again, again.presented))
        const issued = [
          again.access,
          await ownToken(test, world.one),
          ...('access' in refreshed ? [refreshed.access] : []),
        ]
        expect(await Promise.all(issued.map(isLive))).toEqual([true, true, true])
      },
    )

    it.each(levels.slice(1))(
      'of %s can be ended again in the same second [PROTOCOL §1]',
      async (_what, _dead, revoke) => {
        const world = await start()
        await revoke(world)
        const again = await startFamily(test, world.one, { resourceKeys: [world.one.jwtKey] })
        await revoke(world)
        expect(await isLive(again.access)).toBe(false)
      },
    )

    it.each(['oneOne', 'oneOneOpaque'] as const)('as one token is dead alone: %s [PROTOCOL §7]', async (name) => {
      const family = (await start()).families[name]
      const { access, clientId } = family
      const key = access.form.format === 'opaque' ? opaqueAccessKey(access.form.token.reveal()) : undefined
      if (key === undefined) await test.store.revokeJwt({ ...access, clientId, by })
      else await test.store.revokeOpaque({ key, by })
      const answer = await test.store.rotateRefresh(rotationOf(family, family.presented))
      expect([await isLive(access), 'access' in answer && (await isLive(answer.access))]).toEqual([false, true])
    })

    it('from before an instant is dead, and what came after it is not [PROTOCOL §7]', async () => {
      const { one, families, own } = await start()
      test.clock.advance(2_000)
      const before = seconds()
      const later = await startFamily(test, one, { resourceKeys: [one.jwtKey] })
      test.clock.advance(2_000)
      expect(await test.store.cutOffAll({ ...by, before })).toEqual({ outcome: 'cut_off', notBefore: before })
      const lives = [families.oneOne.access, own, later.access].map(isLive)
      expect(await Promise.all(lives)).toEqual([false, false, true])
    })

    it('of a client that may ask for less is dead until it is refreshed, and says less then [PROTOCOL §7]', async () => {
      const { one, families } = await start()
      const { oneOne, oneOther } = families
      const { settings } = (await test.store.readClient(one.clientId)) ?? {}
      if (settings === undefined) throw new Error('the client is gone')
      const [kept, ...lost] = oneOne.access.scopes
      await test.store.updateClient({
        id: one.clientId,
        settings: { ...settings, scopes: [kept ?? ''] },
        actor: 'test',
      })
      expect([lost.length > 0, await isLive(oneOne.access), await isLive(oneOther.access)]).toEqual([true, false, true])
      const answer = await test.store.rotateRefresh(rotationOf(oneOne, oneOne.presented))
      expect('access' in answer && [await isLive(answer.access), answer.access.scopes]).toEqual([true, [kept]])
      const rows = await test.query('SELECT entry FROM revocations WHERE entry LIKE $1', `%${oneOne.grantId}%`)
      expect(rows.map(({ entry }) => JSON.parse(String(entry)).kind)).toEqual(['claims'])
    })

    it('of a grant that allows nothing any more is dead for good', async () => {
      const { one, oneOne } = await startSmall(test)
      const { settings } = (await test.store.readClient(one.clientId)) ?? {}
      if (settings === undefined) throw new Error('the client is gone')
      await test.store.updateClient({ id: one.clientId, settings: { ...settings, scopes: ['another'] }, actor: 'test' })
      expect(await test.store.rotateRefresh(rotationOf(oneOne, oneOne.presented))).toEqual({ outcome: 'ended' })
    })

    it('of a grant whose scopes changed is dead until it is refreshed [PROTOCOL §7]', async () => {
      const { families } = await start()
      const { oneOne } = families
      await test.store.cutOffClaims({ grantId: oneOne.grantId, ...by })
      expect(await isLive(oneOne.access)).toBe(false)
      const answer = await test.store.rotateRefresh(rotationOf(oneOne, oneOne.presented))
      expect('access' in answer && (await isLive(answer.access))).toBe(true)
    })
  })

  it.each(levels.slice(1))(
    'of %s gives nothing for a code or a device from before [PROTOCOL §1]',
    async (_what, _dead, revoke) => {
      const world = await start()
      const [code, device] = [await issueCode(test, world.one), await startDevice(test, world.one)]
      await approve(test, device)
      await revoke(world)
      const outcomes = [await test.store.redeemCode(code), await test.store.redeemDevice(exchangeOf(device))]
      expect(outcomes).toEqual([{ outcome: 'principal_disabled' }, { outcome: 'principal_disabled' }])
    },
  )

  it('of a user at one client asks the user again, there only [PROTOCOL §7]', async () => {
    const { one, other } = await start()
    const consent = (client: Principals) => {
      const { clientId, jwtKey } = client
      return test.store.readConsent({ userId: one.userId, clientId, resourceKeys: [jwtKey] })
    }
    for (const client of [one, other]) await issueCode(test, { ...client, userId: one.userId }, { remember: true })
    await test.store.cutOffUserAtClient({ userId: one.userId, clientId: one.clientId, ...by })
    expect([await consent(one), (await consent(other)).length]).toEqual([[], 3])
  })

  it('of a user at one client refreshes no more when the cut-off is forgotten [PROTOCOL §2 A7]', async () => {
    const { one, oneOne } = await startSmall(test)
    await test.store.cutOffUserAtClient({ userId: one.userId, clientId: one.clientId, ...by })
    await test.query('DELETE FROM cut_offs WHERE subject = $1', one.userId)
    expect(await test.store.rotateRefresh(rotationOf(oneOne, oneOne.presented))).toEqual({ outcome: 'ended' })
  })

  it.each([
    ['a subject everywhere', (userId: string) => test.store.cutOffSubject({ userId, ...by })],
    ['all', () => test.store.cutOffAll(by)],
  ])('of %s ends sign-ins, and the next one holds at once [PROTOCOL §1]', async (_what, revoke) => {
    const { one } = await startSmall(test)
    const session = { userId: one.userId, lifetimeSeconds: 600, formerHash: undefined }
    const [former, next] = [randomUUID(), randomUUID()]
    await test.store.openSession({ ...session, hash: former })
    const authenticatedAt = seconds()
    await revoke(one.userId)
    await test.store.openSession({ ...session, hash: next })
    expect([await test.store.readSession(former), (await test.store.readSession(next))?.userId]).toEqual([
      undefined,
      one.userId,
    ])
    await expect(issueCode(test, one, { authenticatedAt })).rejects.toThrow('principal_disabled')
  })

  describe('before an instant', () => {
    it('in the future is refused, for what is issued next would be dead at birth [PROTOCOL §1]', async () => {
      expect(await test.store.cutOffAll({ ...by, before: seconds() + 1 })).toEqual({ outcome: 'in_the_future' })
    })

    it('never brings back what an earlier cut-off ended [PROTOCOL §1]', async () => {
      const { own } = await startSmall(test)
      await test.store.cutOffAll(by)
      expect(await test.store.cutOffAll({ ...by, before: seconds() - 60 })).toEqual({ outcome: 'cut_off_before' })
      expect(await isLive(own)).toBe(false)
    })
  })

  it('of an unknown grant, client or user is nothing', async () => {
    const nobody = 'nobody'
    const { store } = test
    const outcomes = [
      await store.revokeGrant({ grantId: nobody, ...by }),
      await store.cutOffClient({ clientId: nobody, ...by }),
      await store.cutOffSubject({ userId: nobody, ...by }),
      await store.cutOffUserAtClient({ userId: nobody, clientId: nobody, ...by }),
      await store.cutOffClaims({ grantId: nobody, ...by }),
    ]
    expect(outcomes).toEqual(outcomes.map(() => ({ outcome: 'unknown' })))
  })

  it('so often that cut-offs would run away from the clock has to wait [PROTOCOL §1]', async () => {
    const { one } = await startSmall(test)
    const revoke = () => test.store.cutOffUserAtClient({ userId: one.userId, clientId: one.clientId, ...by })
    for (let turn = 0; turn < 5; turn++) await revoke()
    await expect(revoke()).rejects.toThrow()
    test.clock.advance(1_000)
    expect(await revoke()).toEqual({ outcome: 'cut_off', notBefore: seconds() + 5 })
  })

  it('is not held up by a user who changes the own password all the time [PROTOCOL §1]', async () => {
    const { one } = await startSmall(test)
    const { userId, clientId } = one
    const change = () => test.store.changeUser({ id: userId, passwordHash: randomUUID(), actor: userId })
    for (let turn = 0; turn < 2; turn++) await change()
    await expect(change()).rejects.toThrow()
    const outcomes = [
      await test.store.changeUser({ id: userId, disabled: true, actor: 'operator' }),
      await test.store.cutOffClient({ clientId, ...by }),
      await test.store.cutOffAll(by),
    ]
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['changed', 'cut_off', 'cut_off'])
  })

  describe('after it ended without anybody being told', () => {
    const endings: readonly [string, (family: Family) => Promise<readonly string[]>][] = [
      [
        'by a lapse of time',
        async (family) => {
          const kept = { idleSeconds: 30 }
          const rotated = await test.store.rotateRefresh(rotationOf(family, family.presented, kept))
          if (!('successor' in rotated)) throw new Error(rotated.outcome)
          test.clock.advance(30_000)
          return [(await test.store.rotateRefresh(rotationOf(family, rotated.successor))).outcome, 'expired']
        },
      ],
      [
        'by a cut-off before its last refresh',
        async (family) => {
          test.clock.advance(60_000)
          const rotated = await test.store.rotateRefresh(rotationOf(family, family.presented))
          if (!('successor' in rotated)) throw new Error(rotated.outcome)
          await test.store.cutOffAll({ ...by, before: seconds() - 30 })
          return [(await test.store.rotateRefresh(rotationOf(family, rotated.successor))).outcome, 'principal_disabled']
        },
      ],
    ]
    it.each(endings)(
      '%s, a grant is told of once, for guards take its last access token [PROTOCOL §7]',
      async (_how, end) => {
        const { oneOne } = await startSmall(test)
        const [outcome, expected] = await end(oneOne)
        expect(outcome).toBe(expected)
        const { grantId, userId, clientId } = oneOne
        const told = () => test.query('SELECT reason FROM revocations WHERE entry LIKE $1', `%"${grantId}"%`)
        expect(await told()).toEqual([])
        expect(await test.store.revokeGrant({ grantId, ...by })).toEqual({ outcome: 'revoked' })
        expect(await test.store.revokeGrant({ grantId, ...by })).toEqual({ outcome: 'nothing_to_revoke' })
        expect(await test.store.withdrawApplication({ userId, clientId })).toEqual({ ended: 0 })
        expect(await told()).toEqual([{ reason: 'revoked' }])
      },
    )

    it('a grant of long ago is not told of, for nothing of it is left', async () => {
      const { oneOne } = await startSmall(test)
      test.clock.advance(3_600_000)
      expect((await test.store.rotateRefresh(rotationOf(oneOne, oneOne.presented))).outcome).toBe('expired')
      test.clock.advance(86_400_000)
      const { grantId } = oneOne
      expect(await test.store.revokeGrant({ grantId, ...by })).toEqual({ outcome: 'nothing_to_revoke' })
    })
  })

  it('of one user at six clients in one second has not to wait [PROTOCOL §1]', async () => {
    const { one } = await startSmall(test)
    for (let turn = 0; turn < 6; turn++) {
      const { clientId } = await register(test)
      const cut = await test.store.cutOffUserAtClient({ userId: one.userId, clientId, ...by })
      expect(cut).toEqual({ outcome: 'cut_off', notBefore: seconds() + 1 })
    }
  })

  describe('with what was derived from it', () => {
    /** A token that was derived from a second grant, which was derived from a first. */
    const derive = async () => {
      const { families } = await start()
      const { oneOne: root, oneOther: parent, otherOther: leaf } = families
      const grants = [root.grantId, parent.grantId, leaf.grantId]
      return { root, parent, derived: { ...leaf.access, grants, actors: ['agent', 'agent-client'] } }
    }

    it('lives as long as all of its grants do [PROTOCOL §3]', async () => {
      expect(await test.store.introspectJwt((await derive()).derived)).toBe(true)
    })

    it.each(['root', 'parent'] as const)('is dead with its %s [PROTOCOL §7]', async (which) => {
      const lineage = await derive()
      await test.store.revokeGrant({ grantId: lineage[which].grantId, ...by })
      expect(await test.store.introspectJwt(lineage.derived)).toBe(false)
    })

    it('is dead when nobody knows one of its grants any more [PROTOCOL §3]', async () => {
      const { derived } = await derive()
      expect(await test.store.introspectJwt({ ...derived, grants: [...derived.grants, randomUUID()] })).toBe(false)
    })

    it('is dead when one of its grants allows less than it did [PROTOCOL §7]', async () => {
      const { root, derived } = await derive()
      await test.store.cutOffClaims({ grantId: root.grantId, ...by })
      expect(await test.store.introspectJwt(derived)).toBe(false)
    })

    it.each([
      ['agent', false],
      ['agent-client', false],
      ['another agent', true],
    ])('after a cut-off of the actor %s is live: %s [PROTOCOL §7]', async (actorId, live) => {
      const { derived } = await derive()
      await test.store.cutOffActor({ actorId, ...by })
      expect(await test.store.introspectJwt(derived)).toBe(live)
    })

    it('lives again when it is issued after the cut-off of its actor [PROTOCOL §1]', async () => {
      const { derived } = await derive()
      const cut = await test.store.cutOffActor({ actorId: 'agent', ...by })
      const issuedAt = cut.outcome === 'cut_off' ? cut.notBefore : 0
      expect(await test.store.introspectJwt({ ...derived, issuedAt })).toBe(true)
    })

    it('may have eight grants and no more [PROTOCOL §5]', async () => {
      const { root, derived } = await derive()
      const grants = Array.from({ length: 9 }, () => randomUUID())
      await expect(test.store.introspectJwt({ ...derived, grants })).rejects.toThrow()
      expect(await test.store.introspectJwt({ ...derived, grants: Array(9).fill(root.grantId) })).toBe(true)
    })
  })
})
