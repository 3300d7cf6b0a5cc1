import { revokeToken } from '@arctos/authorization-server'
import { encodeHeader, signCompactJws } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from './databases.ts'
import { isActive, mintCode, ownToken, refresh, revoke, signIn, signInOpaque, tokensOf } from './flows.ts'
import { archive, basic, type Installation, install, notes, type Reply, secret } from './installation.ts'

/** The one answer to whatever could be revoked, was, or never existed. RFC 7009 §2.2 */
function expectDone({ status, headers, text }: Reply): void {
  expect([status, text]).toEqual([200, '{}'])
  expect(headers.get('content-type')).toBe('application/json')
  expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache'])
  expect(headers.get('arctos-receipt')).toBeNull()
}

describe.each(databaseKinds)('revocation on %s', (database) => {
  let site: Installation
  beforeAll(async () => {
    site = await install({ database })
  })
  afterAll(() => site.end())

  const formats = [
    ['JWT', notes, 'notes-api'],
    ['opaque token', archive, 'archive-api'],
  ] as const

  describe.each(formats)('of a %s', (_, resource, rs) => {
    const token = async (clientId?: string): Promise<string> =>
      tokensOf(await ownToken(site, { resource }, clientId)).access

    it('ends it, and is answered the same again and again [RFC 7009 §2(g), RFC 7009 §2.2(a), RFC 7662 §4(c)]', async () => {
      const access = await token()
      expect(await isActive(site, access, rs)).toBe(true)
      for (let time = 0; time < 3; time++) {
        expectDone(await revoke(site, access))
        expect(await isActive(site, access, rs)).toBe(false)
      }
    })

    it('ends no other token, and no grant', async () => {
      const scopes = [resource === notes ? 'read' : 'archive', 'offline_access']
      const session = await signIn(site, { resources: [resource], scopes })
      const other = await token()
      expectDone(await revoke(site, session.access))
      expect(await isActive(site, session.access, rs)).toBe(false)
      expect(await isActive(site, other, rs)).toBe(true)
      const next = tokensOf(await refresh(site, session.refresh))
      expect(await isActive(site, next.access, rs)).toBe(true)
    })

    it("does nothing to another client's, and does not say so [RFC 7009 §2.1(d)]", async () => {
      const access = await token()
      for (const clientId of ['rival', rs, 'machine']) expectDone(await revoke(site, access, clientId))
      expectDone(await site.post('/revoke', { token: access, client_id: 'app' }))
      expect(await isActive(site, access, rs)).toBe(true)
    })

    it.each(['refresh_token', 'access_token', 'nonsense', ''])(
      'works with the hint %j [RFC 7009 §2.1(a), RFC 7009 §2.2(b), RFC 7009 §5(b)]',
      async (hint) => {
        const access = await token()
        expectDone(await revoke(site, access, 'service', { token_type_hint: hint }))
        expect(await isActive(site, access, rs)).toBe(false)
      },
    )

    it('by twenty at one time ends it, once', async () => {
      const access = await token()
      const before = site.journal.length
      const answers = await Promise.all(Array.from({ length: 20 }, () => revoke(site, access)))
      for (const answer of answers) expectDone(answer)
      expect(await isActive(site, access, rs)).toBe(false)
      const done = site.journal.slice(before).filter(({ outcome }) => outcome === 'revoked')
      expect(done).toHaveLength(1)
    })

    it('comes too late after it expired, and is answered all the same', async () => {
      const access = await token()
      site.clock.pass(600)
      expectDone(await revoke(site, access))
    })
  })

  describe('of a refresh token', () => {
    it.each([
      ['JWT', signIn, 'notes-api'],
      ['opaque token', signInOpaque, 'archive-api'],
    ] as const)('ends the session and every %s of it [RFC 7009 §2(a), RFC 7009 §2.1(c)]', async (_, open, rs) => {
      const first = await open(site)
      const next = tokensOf(await refresh(site, first.refresh))
      expectDone(await revoke(site, next.refresh))
      for (const { access } of [first, next]) expect(await isActive(site, access, rs)).toBe(false)
      expect((await refresh(site, next.refresh)).reason).toBe('refresh.ended')
      expectDone(await revoke(site, next.refresh))
    })

    it('works with one of any generation [RFC 7009 §2(a)]', async () => {
      const first = await signIn(site)
      const second = tokensOf(await refresh(site, first.refresh))
      const third = tokensOf(await refresh(site, second.refresh))
      expectDone(await revoke(site, first.refresh))
      expect((await refresh(site, third.refresh)).reason).toBe('refresh.ended')
      expect(await isActive(site, third.access)).toBe(false)
    })

    it('works for a public client that names itself, and for no other', async () => {
      const { access, refresh: token } = await signIn(site, { clientId: 'app' })
      expectDone(await site.post('/revoke', { token, client_id: 'other-app' }))
      expectDone(await revoke(site, token, 'rival'))
      expect(await isActive(site, access)).toBe(true)
      expectDone(await site.post('/revoke', { token, client_id: 'app' }))
      expect(await isActive(site, access)).toBe(false)
    })

    it("leaves the user's other sessions alone", async () => {
      const [one, other] = [await signIn(site), await signIn(site)]
      await revoke(site, one.refresh)
      expect(await isActive(site, other.access)).toBe(true)
      expect((await refresh(site, other.refresh)).status).toBe(200)
    })

    it.each(['access_token', 'refresh_token', 'nonsense'])(
      'works with the hint %j [RFC 7009 §2.1(a)]',
      async (hint) => {
        const { access, refresh: token } = await signIn(site)
        expectDone(await revoke(site, token, 'service', { token_type_hint: hint }))
        expect(await isActive(site, access)).toBe(false)
      },
    )

    it('beside its use leaves nothing alive, whoever comes first', async () => {
      const { refresh: token } = await signIn(site)
      const [answers] = await Promise.all([
        Promise.all(Array.from({ length: 10 }, () => refresh(site, token))),
        revoke(site, token),
      ])
      for (const answer of answers.filter(({ status }) => status === 200)) {
        const { access, refresh: next } = tokensOf(answer)
        expect(await isActive(site, access)).toBe(false)
        expect((await refresh(site, next)).reason).toBe('refresh.ended')
      }
    })
  })

  describe('of nothing that we know', () => {
    it('is answered like any other [RFC 7009 §2.2(a)]', async () => {
      const { access, refresh: token } = await signIn(site)
      const { code } = await mintCode(site)
      const texts = ['x', 'a.b.c', `${access}x`, `${token}0`, code, 'arctos_at_', 'y'.repeat(60_000), '🐻']
      for (const text of texts) expectDone(await revoke(site, text))
      expect(await isActive(site, access)).toBe(true)
    })
  })

  it('needs the client to authenticate as it does elsewhere [RFC 7009 §2.1(e), RFC 6749 §2.3(a)]', async () => {
    const { access, refresh: token } = await signIn(site)
    for (const text of [access, token]) {
      const asked = [
        await site.post('/revoke', { token: text }),
        await site.post('/revoke', { token: text, client_id: 'service' }),
        await site.post('/revoke', { token: text }, basic('service', 'wrong')),
        await site.post('/revoke', { token: text, client_id: 'service', client_secret: secret }, basic('service')),
        await site.post('/revoke', { token: text, client_id: 'nobody' }),
        await site.post('/revoke', { token: text }, basic('disabled')),
      ]
      for (const { status, body } of asked) expect([status, body['error']]).toEqual([401, 'invalid_client'])
    }
    expect(await isActive(site, access)).toBe(true)
  })

  describe('by the word of an operator', () => {
    const take = (token: string, from = site) =>
      revokeToken(token, {
        store: from.store,
        kek: () => Buffer.alloc(32, 7),
        now: from.clock.seconds(),
        actor: 'operator',
        initiator: 'admin',
      })

    it('ends one access token, of either kind [PROTOCOL §7]', async () => {
      const [jwt, opaque] = [await signIn(site), await signInOpaque(site)]
      expect(await take(jwt.access)).toMatchObject({ outcome: 'revoked', ended: 'token' })
      expect(await take(opaque.access)).toEqual({ outcome: 'revoked', ended: 'token' })
      expect([await isActive(site, jwt.access), await isActive(site, opaque.access, 'archive-api')]).toEqual([
        false,
        false,
      ])
      for (const { refresh: token } of [jwt, opaque]) expect((await refresh(site, token)).status).toBe(200)
    })

    it('ends the family of a refresh token of any generation [PROTOCOL §3]', async () => {
      const { access, refresh: old } = await signIn(site)
      const next = tokensOf(await refresh(site, old))
      expect(await take(old)).toMatchObject({ outcome: 'revoked', ended: 'grant' })
      expect([await isActive(site, access), await isActive(site, next.access)]).toEqual([false, false])
      expect((await refresh(site, next.refresh)).body['error']).toBe('invalid_grant')
    })

    it('says so where nothing is left to end, or it is none of ours', async () => {
      const { access } = await signIn(site)
      await take(access)
      const foreign = await install()
      const stranger = await signIn(foreign)
      const { code } = await mintCode(site)
      const outcomes = [access, stranger.access, stranger.refresh, code, 'x', 'a.b.c', `${access}x`].map((text) =>
        take(text),
      )
      expect((await Promise.all(outcomes)).map(({ outcome }) => outcome)).toEqual([
        'nothing_to_revoke',
        ...Array(6).fill('unrecognised'),
      ])
      await foreign.end()
    })

    it('leaves an expired one alone', async () => {
      const own = await install()
      const { access } = await signIn(own)
      own.clock.pass(600)
      expect(await take(access, own)).toEqual({ outcome: 'expired' })
      await own.end()
    })
  })

  describe('of what a token was derived from', () => {
    /** A token as an exchange would give it: with its lineage, and whoever acts in it. */
    const derive = (token: string, claims: object): string => {
      const key = site.server.context.keys.signingKey()
      const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
      return signCompactJws(encodeHeader(key, 'at+jwt'), JSON.stringify({ ...JSON.parse(payload), ...claims }), key)
    }
    const by = { actor: 'operator', initiator: 'admin' } as const
    const grantOf = (token: string): string =>
      (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { grant_id: string }).grant_id

    it('ends it, too [PROTOCOL §5, PROTOCOL §7]', async () => {
      const [root, leaf] = [await signIn(site), await signIn(site)]
      const derived = derive(leaf.access, { jti: 'derived', grants: [grantOf(root.access), grantOf(leaf.access)] })
      expect(await isActive(site, derived)).toBe(true)
      await site.store.revokeGrant({ grantId: grantOf(root.access), ...by })
      expect([await isActive(site, derived), await isActive(site, leaf.access)]).toEqual([false, true])
    })

    it.each([
      ['acts now', { sub: 'agent', act: { sub: 'before' } }],
      ['acted before', { sub: 'now', act: { client_id: 'agent' } }],
    ])('ends what an actor has a part in who %s [RFC 8693 §4.1, PROTOCOL §7]', async (_when, act) => {
      const { access } = await signIn(site)
      const derived = derive(access, { jti: 'acting', act })
      expect(await isActive(site, derived)).toBe(true)
      await site.store.cutOffActor({ actorId: 'agent', ...by })
      expect([await isActive(site, derived), await isActive(site, access)]).toEqual([false, true])
      site.clock.pass(5)
    })

    it.each([
      ['no list', { grants: 'one' }],
      ['longer than eight', { grants: Array(9).fill('one') }],
      ['of numbers', { grants: [1] }],
      ['with an actor that nobody can name', { act: {} }],
    ])('cannot be told for a lineage that is %s, and so it is inactive [PROTOCOL §5]', async (_what, claims) => {
      const { access } = await signIn(site)
      expect(await isActive(site, derive(access, { jti: 'unclear', ...claims }))).toBe(false)
    })
  })
})

it('takes back so many single tokens of a client a minute, and of others what they may [RFC 7009 §2.2.1]', async () => {
  const site = await install({ database: 'sqlite' })
  const [one, other] = [tokensOf(await ownToken(site)).access, tokensOf(await ownToken(site, {}, 'rival')).access]
  const allowance = { id: 'revoked tokens of service', count: 3_000, windowSeconds: 60 }
  await Promise.all(Array.from({ length: 3_000 }, () => site.store.takeAttempt([allowance])))
  const refused = await revoke(site, one)
  expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, true])
  expect(await isActive(site, one)).toBe(true)
  expectDone(await revoke(site, other, 'rival'))
  expect(await isActive(site, other)).toBe(false)
  await site.end()
})
