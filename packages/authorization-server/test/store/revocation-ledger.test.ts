import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { opaqueAccessKey } from '../../src/store/opaque-access.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import {
  type Family,
  issueCode,
  register,
  rotate,
  rotationOf,
  type SmallWorld,
  startFamily,
  startSmall,
} from './principals.ts'

const by = { actor: 'operator', initiator: 'admin' } as const

describe.each(engines)('the ledger on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  const seconds = () => Math.floor(test.clock.now() / 1_000)

  /** What an action adds to the ledger, in order. */
  const toldBy = async (act: () => Promise<unknown>) => {
    const read = () => test.query('SELECT id, entry, reason, initiator, resources, txn, expires_at FROM revocations')
    const before = new Set((await read()).map(({ id }) => id))
    await act()
    const rows = (await read()).filter(({ id }) => !before.has(id as string))
    return rows.map((row) => {
      const entry = JSON.parse(String(row['entry'])) as { readonly kind: string }
      return { ...row, entry, txn: row['txn'] }
    })
  }
  const aDay = 86_400 + 3_600

  type Told = readonly [string, (world: SmallWorld) => Promise<unknown>, (world: SmallWorld) => object]
  const grantOf = ({ grantId, userId, clientId }: Family) => ({ kind: 'grant', grantId, userId, clientId })
  const cut = () => ({ issuedBefore: seconds() + 1 })
  const tellings: readonly Told[] = [
    [
      'a family that its client revoked',
      ({ oneOne }) => test.store.revokeFamily(oneOne),
      ({ oneOne }) => ({
        entry: grantOf(oneOne),
        reason: 'revoked',
        initiator: 'user',
        resources: oneOne.jwtKey,
      }),
    ],
    [
      'a grant that the operator revoked',
      ({ oneOne }) => test.store.revokeGrant({ grantId: oneOne.grantId, ...by }),
      ({ oneOne }) => ({
        entry: grantOf(oneOne),
        reason: 'revoked',
        initiator: 'admin',
        resources: oneOne.jwtKey,
      }),
    ],
    [
      'an application that its user withdrew',
      ({ oneOne }) => test.store.withdrawApplication(oneOne),
      ({ oneOne }) => ({ entry: grantOf(oneOne), reason: 'withdrawn', initiator: 'user', resources: oneOne.jwtKey }),
    ],
    [
      'a family with a copied token',
      async ({ oneOne }) => {
        await rotate(test, oneOne, await rotate(test, oneOne, oneOne.presented))
        await test.store.rotateRefresh(rotationOf(oneOne, oneOne.presented))
      },
      ({ oneOne }) => ({
        entry: grantOf(oneOne),
        reason: 'reuse',
        initiator: 'policy',
        resources: oneOne.jwtKey,
      }),
    ],
    [
      'a family with two tokens of one generation',
      ({ oneOne }) => {
        const forked = { ...oneOne.presented, secret: randomBytes(32) }
        return test.store.rotateRefresh(rotationOf(oneOne, forked))
      },
      ({ oneOne }) => ({
        entry: grantOf(oneOne),
        reason: 'fork',
        initiator: 'policy',
        resources: oneOne.jwtKey,
      }),
    ],
    [
      'a JWT',
      ({ oneOne }) => test.store.revokeJwt(oneOne.access),
      ({ oneOne }) => ({
        entry: { kind: 'token', jti: oneOne.access.jti, expiresAt: oneOne.access.expiresAt },
        reason: 'revoked',
        initiator: 'user',
        resources: oneOne.jwtKey,
        expires_at: oneOne.access.expiresAt + 3_600,
      }),
    ],
    [
      'a client’s own JWT',
      ({ own }) => test.store.revokeJwt(own),
      ({ own }) => ({ entry: { kind: 'token', jti: own.jti, expiresAt: own.expiresAt }, initiator: 'system' }),
    ],
    [
      'a user at one client',
      ({ one: { userId, clientId } }) => test.store.cutOffUserAtClient({ userId, clientId, ...by }),
      ({ one: { userId, clientId } }) => ({
        entry: { kind: 'user_at_client', userId, clientId, ...cut() },
        reason: 'revoked',
        initiator: 'admin',
        resources: null,
        expires_at: seconds() + 1 + aDay,
      }),
    ],
    [
      'a subject',
      ({ one: { userId } }) => test.store.cutOffSubject({ userId, ...by }),
      ({ one: { userId } }) => ({ entry: { kind: 'subject', userId, ...cut() }, expires_at: seconds() + 1 + aDay }),
    ],
    [
      'a disabled user',
      ({ one: { userId } }) => test.store.changeUser({ id: userId, disabled: true, actor: 'operator' }),
      ({ one: { userId } }) => ({
        entry: { kind: 'subject', userId, ...cut() },
        reason: 'disabled',
        initiator: 'admin',
      }),
    ],
    [
      'a client',
      ({ one: { clientId } }) => test.store.cutOffClient({ clientId, ...by }),
      ({ one: { clientId } }) => ({ entry: { kind: 'client', clientId, ...cut() }, reason: 'revoked' }),
    ],
    [
      'a disabled client',
      ({ one: { clientId } }) => test.store.updateClient({ id: clientId, disabled: true, actor: 'operator' }),
      ({ one: { clientId } }) => ({
        entry: { kind: 'client', clientId, ...cut() },
        reason: 'disabled',
        initiator: 'admin',
      }),
    ],
    [
      'a deleted client, whose grants need no rows',
      ({ one: { clientId } }) => test.store.deleteClient({ id: clientId, actor: 'operator' }),
      ({ one: { clientId } }) => ({ entry: { kind: 'client', clientId, ...cut() }, reason: 'client_deleted' }),
    ],
    [
      'an actor',
      () => test.store.cutOffActor({ actorId: 'agent', ...by }),
      () => ({ entry: { kind: 'actor', actor: 'agent', ...cut() } }),
    ],
    ['all', () => test.store.cutOffAll(by), () => ({ entry: { kind: 'all', ...cut() } })],
    [
      'a change of what a grant allows',
      ({ oneOne }) => test.store.cutOffClaims({ grantId: oneOne.grantId, ...by }),
      ({ oneOne }) => ({
        entry: { ...grantOf(oneOne), kind: 'claims', ...cut() },
        reason: 'claims_changed',
      }),
    ],
  ]
  it.each(tellings)('tells of %s in one row [PROTOCOL §7]', async (_what, act, expected) => {
    const world = await startSmall(test)
    expect(await toldBy(() => act(world))).toMatchObject([expected(world)])
  })

  it('tells of an opaque token by its id, to its resource [PROTOCOL §7]', async () => {
    const { access, opaqueKey } = (await startSmall(test, 'opaque')).oneOne
    const key = access.form.format === 'opaque' ? (opaqueAccessKey(access.form.token.reveal()) ?? '') : ''
    expect(await toldBy(() => test.store.revokeOpaque({ key, by }))).toMatchObject([
      {
        entry: { kind: 'token', jti: access.jti, expiresAt: access.expiresAt },
        initiator: 'admin',
        resources: opaqueKey,
      },
    ])
  })

  it('tells of a new password in two rows of one intention [PROTOCOL §7]', async () => {
    const { one } = await startSmall(test)
    const { userId } = one
    const rows = await toldBy(() => test.store.changeUser({ id: userId, passwordHash: 'new', actor: userId }))
    expect(rows.map(({ entry }) => entry)).toEqual(
      expect.arrayContaining([
        { kind: 'subject', userId, ...cut() },
        { kind: 'credential', principal: 'user', id: userId, credential: 'password', change: 'update' },
      ]),
    )
    expect(rows).toMatchObject(Array(2).fill({ txn: rows[0]?.txn, reason: 'password_changed', initiator: 'user' }))
  })

  it('tells of a code that was used twice [RFC 6749 §4.1.2, PROTOCOL §3]', async () => {
    const { one } = await startSmall(test)
    const exchange = await issueCode(test, one)
    const redeemed = await test.store.redeemCode(exchange)
    const grantId = 'grantId' in redeemed ? redeemed.grantId : ''
    const rows = await toldBy(() => test.store.redeemCode(exchange))
    expect(rows).toMatchObject([{ entry: { kind: 'grant', grantId }, reason: 'code_replayed', initiator: 'policy' }])
  })

  it('tells of a key that an operator withdrew, and not of one that was replaced long ago [PROTOCOL §7]', async () => {
    const key = { purpose: 'signing', algorithm: 'ES256', sealed: 'sealed', activeInSeconds: 0 } as const
    const [id, next, last] = [randomUUID(), randomUUID(), randomUUID()]
    for (const kid of [id, next, last]) {
      await test.store.addKey({ key: { ...key, id: kid }, onlyIfOlderThanSeconds: undefined, actor: 'test' })
      test.clock.advance(1_000)
    }
    test.clock.advance(10_000)
    const rows = await toldBy(async () => {
      await test.store.retireKey({ id, actor: 'server', ifReplacedForSeconds: 5 })
      await test.store.retireKey({ id: next, actor: 'operator' })
    })
    expect(rows).toMatchObject([{ entry: { kind: 'key', kid: next }, initiator: 'admin', resources: null }])
  })

  it('tells of a recovery as a cut-off of all, not of each grant [PROTOCOL §1]', async () => {
    await startSmall(test)
    const rows = await toldBy(() => test.store.recoverLostWindow({ actor: 'operator' }))
    expect(rows).toMatchObject([{ entry: { kind: 'all', ...cut() }, reason: 'recovered' }])
  })

  it('tells of each of two hundred grants of a withdrawn application, in one intention [PROTOCOL §6]', async () => {
    const { one } = await startSmall(test)
    const families = await Promise.all(Array.from({ length: 200 }, () => startFamily(test, one)))
    const rows = await toldBy(() => test.store.withdrawApplication(one))
    const ended = rows.map(({ entry }) => (entry as { readonly grantId?: string }).grantId)
    expect(new Set(ended).size).toBe(201)
    expect(families.filter(({ grantId }) => !ended.includes(grantId))).toEqual([])
    expect(new Set(rows.map(({ txn }) => txn)).size).toBe(1)
  })

  it('does not tell of what lapsed, ended before or was refused', async () => {
    const { one, oneOne } = await startSmall(test)
    const [expired, foreign] = [await startFamily(test, one), await startFamily(test, await register(test))]
    await test.store.revokeFamily(oneOne)
    test.clock.advance(3_600_000)
    const rows = await toldBy(async () => {
      await test.store.revokeFamily(oneOne)
      await test.store.rotateRefresh(rotationOf(expired, expired.presented))
      await test.store.revokeFamily({ grantId: foreign.grantId, clientId: one.clientId })
      await test.store.cutOffAll({ ...by, before: seconds() + 60 })
    })
    expect(rows).toEqual([])
  })

  it('keeps what it tells until no token can be left that it ends [PROTOCOL §6]', async () => {
    const { one } = await startSmall(test)
    const { userId, clientId } = one
    await test.store.cutOffUserAtClient({ userId, clientId, ...by })
    const left = async () => {
      while ((await test.store.purgeExpired(1_000)).deleted > 0);
      const told = await test.query('SELECT id FROM revocations WHERE entry LIKE $1', `%${userId}%`)
      return [told.length, (await test.query('SELECT kind FROM cut_offs WHERE subject = $1', userId)).length]
    }
    test.clock.advance(aDay * 1_000)
    expect(await left()).toEqual([1, 1])
    test.clock.advance(1_000)
    expect(await left()).toEqual([0, 0])
  })
})
