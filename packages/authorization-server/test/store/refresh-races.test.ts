import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { opaqueAccessKey } from '../../src/store/opaque-access.ts'
import type { Store } from '../../src/store/store.ts'
import type { IssuedAccess } from '../../src/store/verbs/access.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { type Family, grantRow, issueCode, register, rotationOf, startFamily, successOf } from './principals.ts'

// Real time here: races are about the order in which things really happen.
describe.each(engines)('races on %s', (engine) => {
  let test: TestStore
  /** The store of a second node. */
  let second: Store
  beforeAll(async () => {
    test = await openTestStore(engine, { now: undefined })
    second = await test.openAnother()
  })
  afterAll(() => test.close())

  const newFamily = async (): Promise<Family> => startFamily(test, await register(test))
  const isLive = (access: IssuedAccess) => test.store.introspectJwt(access)

  describe.each(['one store', 'two stores'] as const)('in %s', (where) => {
    const storeOf = (index: number) => (where === 'two stores' && index % 2 === 1 ? second : test.store)

    it.each(['jwtKey', 'opaqueKey'] as const)(
      'gives fifty refreshes of one token one and the same successor: %s [PROTOCOL §2 A14 A15, RFC 9700 §4.14.2]',
      async (key) => {
        const principals = await register(test)
        const family = await startFamily(test, principals, { resourceKeys: [principals[key]] })
        const asks = Array.from({ length: 50 }, (_, index) =>
          storeOf(index).rotateRefresh(rotationOf(family, family.presented)),
        )
        const answers = (await Promise.all(asks)).map(successOf)
        expect(new Set(answers.map(({ successor }) => successor.secret.toString('hex'))).size).toBe(1)
        expect(answers.filter(({ outcome }) => outcome === 'rotated')).toHaveLength(1)
        expect(await grantRow(test, family.grantId)).toMatchObject({ generation: 1, ended_at: null })
      },
    )

    it('lets fifty redemptions of one code succeed once [RFC 6749 §4.1.2(a), PROTOCOL §3]', async () => {
      const exchange = await issueCode(test, await register(test))
      const asks = Array.from({ length: 50 }, (_, index) => storeOf(index).redeemCode(exchange))
      const outcomes = (await Promise.all(asks)).map(({ outcome }) => outcome)
      expect(outcomes.filter((outcome) => outcome === 'redeemed')).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome === 'replayed')).toHaveLength(49)
    })

    it('ends the grant of a code that was redeemed fifty times [RFC 6749 §4.1.2(a), PROTOCOL §3]', async () => {
      const exchange = await issueCode(test, await register(test))
      const asks = Array.from({ length: 50 }, (_, index) => storeOf(index).redeemCode(exchange))
      const [redeemed] = (await Promise.all(asks)).filter((answer) => answer.outcome === 'redeemed')
      expect(redeemed && (await grantRow(test, redeemed.grantId))).toMatchObject({ ended_reason: 'code_replayed' })
      expect(redeemed && (await isLive(redeemed.access))).toBe(false)
    })

    const revocations: readonly [string, (family: Family) => Promise<unknown>][] = [
      ['revocation', (family) => second.revokeFamily(family)],
      ['withdrawal', (family) => second.withdrawApplication(family)],
      [
        'a change of password',
        (family) => second.changeUser({ id: family.userId, passwordHash: 'new', actor: 'test' }),
      ],
      ['a client’s deletion', (family) => second.deleteClient({ id: family.clientId, actor: 'test' })],
      [
        'the user’s disabling',
        async ({ userId }) => {
          await second.changeUser({ id: userId, disabled: true, actor: 'test' })
          await second.changeUser({ id: userId, disabled: false, actor: 'test' })
        },
      ],
      [
        'the client’s disabling',
        async ({ clientId }) => {
          await second.updateClient({ id: clientId, disabled: true, actor: 'test' })
          await second.updateClient({ id: clientId, disabled: false, actor: 'test' })
        },
      ],
    ]

    it.each(revocations)(
      'leaves nothing alive of a refresh beside %s [PROTOCOL §1, PROTOCOL §2 A7]',
      async (_what, revoke) => {
        for (let round = 0; round < 7; round++) {
          const family = await newFamily()
          const refreshing = Promise.all(
            [0, 1, 2, 3].map((index) => storeOf(index).rotateRefresh(rotationOf(family, family.presented))),
          )
          const [answers] = await Promise.all([refreshing, revoke(family)])
          const issued = answers.flatMap((answer) => ('successor' in answer ? [answer] : []))
          expect(await Promise.all(issued.map(({ access }) => isLive(access)))).toEqual(issued.map(() => false))
          for (const { successor } of issued)
            expect(await test.store.rotateRefresh(rotationOf(family, successor))).not.toHaveProperty('successor')
        }
      },
    )

    it('leaves nothing alive of client credentials beside a cut-off of the client [PROTOCOL §1]', async () => {
      for (let round = 0; round < 12; round++) {
        const { clientId, jwtKey } = await register(test)
        const order = { clientId, scopes: ['read'], resourceKeys: [jwtKey], assertion: undefined }
        const issuing = Promise.all([0, 1, 2, 3].map((index) => storeOf(index).issueForClient(order)))
        const disabling = second.updateClient({ id: clientId, disabled: true, actor: 'test' })
        const [answers] = await Promise.all([issuing, disabling])
        await second.updateClient({ id: clientId, disabled: false, actor: 'test' })
        const issued = answers.flatMap((answer) => (answer.outcome === 'issued' ? [answer.access] : []))
        expect(await Promise.all(issued.map(isLive))).toEqual(issued.map(() => false))
      }
    })

    it('leaves nothing alive of a redemption beside a withdrawal [PROTOCOL §1]', async () => {
      for (let round = 0; round < 12; round++) {
        const principals = await register(test)
        const exchange = await issueCode(test, principals)
        const [redeemed] = await Promise.all([
          storeOf(round).redeemCode(exchange),
          second.withdrawApplication(principals),
        ])
        expect(redeemed.outcome === 'redeemed' && (await isLive(redeemed.access))).toBe(false)
      }
    })
  })
})

describe.each(engines)('sixty timed races of refresh against revocation on %s', (engine) => {
  let test: TestStore
  let second: Store
  beforeAll(async () => {
    test = await openTestStore(engine)
    second = await test.openAnother()
  })
  afterAll(() => test.close())

  const by = { actor: 'operator', initiator: 'admin' } as const
  const isLive = async (access: IssuedAccess): Promise<boolean> =>
    access.form.format === 'jwt'
      ? await test.store.introspectJwt(access)
      : (await test.store.introspectOpaque(opaqueAccessKey(access.form.token.reveal()) ?? '')) !== undefined
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  const levels: readonly [string, (family: Family) => Promise<unknown>][] = [
    ['its own revocation', (family) => second.revokeFamily(family)],
    ['the end of its grant', ({ grantId }) => second.revokeGrant({ grantId, ...by })],
    ['a cut-off of its user there', ({ userId, clientId }) => second.cutOffUserAtClient({ userId, clientId, ...by })],
    ['a cut-off of its user', ({ userId }) => second.cutOffSubject({ userId, ...by })],
    ['a cut-off of its client', ({ clientId }) => second.cutOffClient({ clientId, ...by })],
    ['a cut-off of all', () => second.cutOffAll(by)],
  ]
  it.each(levels)('leave nothing alive of a refresh beside %s [PROTOCOL §1, PROTOCOL §2 A7]', async (_what, revoke) => {
    for (let round = 0; round < 10; round++) {
      // Behind the cut-off of the round before.
      test.clock.advance(10_000)
      const principals = await register(test)
      const resourceKeys = [round % 2 === 0 ? principals.jwtKey : principals.opaqueKey]
      const family = await startFamily(test, principals, { resourceKeys })
      const refresh = async (store: Store, wait: number) => {
        await turns(wait)
        return await store.rotateRefresh(rotationOf(family, family.presented))
      }
      const refreshing = Promise.all([
        refresh(test.store, 0),
        refresh(second, 1),
        refresh(test.store, 4),
        refresh(second, 9),
      ])
      // Before, between and behind them.
      const revoking = turns(round).then(() => revoke(family))
      const [answers] = await Promise.all([refreshing, revoking])
      const issued = answers.flatMap((answer) => ('successor' in answer ? [answer] : []))
      const lives = await Promise.all([family, ...issued].map(({ access }) => isLive(access)))
      expect(lives).toEqual(lives.map(() => false))
      for (const presented of [family.presented, ...issued.map(({ successor }) => successor)])
        expect(await test.store.rotateRefresh(rotationOf(family, presented))).not.toHaveProperty('successor')
    }
  })
})
