import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authenticationContexts } from '../../src/authentication-contexts.ts'
import { formatRefreshToken, parseRefreshToken } from '../../src/tokens/refresh-token.ts'
import { databaseKinds } from './databases.ts'
import {
  ask,
  assertionForm,
  introspect,
  isActive,
  makeAssertion,
  mintCode,
  refresh,
  revoke,
  signIn,
  signInOpaque,
  tokensOf,
} from './flows.ts'
import { archive, basic, type Installation, install, legacy, notes, type Reply, secret } from './installation.ts'

function expectRefused(reply: Reply, reason: string, error = 'invalid_grant', status = 400): void {
  expect([reply.reason, reply.status, reply.body['error']]).toEqual([reason, status, error])
}

describe.each(databaseKinds)('refresh tokens on %s', (database) => {
  let site: Installation
  beforeAll(async () => {
    site = await install({ database })
  })
  afterAll(() => site.end())

  /** A token that our keys really made, of a family and generation of one's choice. */
  function forge(token: string, changes: { generation?: number; secret?: Buffer; grantId?: string }): string {
    const { keys } = site.server.context
    const genuine = parseRefreshToken(keys, token)
    if (genuine === undefined) throw new Error('not one of ours')
    return formatRefreshToken(genuine.key, { ...genuine, ...changes }).reveal()
  }

  describe('the live one', () => {
    it('gives a new access token and its successor [PROTOCOL §2 A14, RFC 6749 §5.1(a)(c)(d)]', async () => {
      const first = await signIn(site)
      const { status, headers, body } = await refresh(site, first.refresh)
      expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
      expect(body).toEqual({
        access_token: expect.any(String),
        token_type: 'Bearer',
        expires_in: 600,
        scope: 'read write offline_access',
        refresh_token: expect.stringMatching(/^arctos_rt_/),
      })
      expect(body['refresh_token']).not.toBe(first.refresh)
      const [one, two] = [decodeJwt(first.access), decodeJwt(String(body['access_token']))]
      expect(two).toMatchObject({ sub: one.sub, grant_id: one['grant_id'], aud: notes, auth_time: one['auth_time'] })
      expect(two['acr']).toBe(one['acr'])
      expect(two.jti).not.toBe(one.jti)
    })

    it.each([
      ['a JWT', signIn, 'notes-api'],
      ['an opaque token', signInOpaque, 'archive-api'],
    ] as const)(
      'says in %s when and how the user signed in, however long ago [RFC 9470 §6.1(b)]',
      async (_, begin, rs) => {
        const own = await install({ database })
        const signedInAt = own.clock.seconds()
        const first = await begin(own)
        own.clock.pass(5_000)
        const second = tokensOf(await refresh(own, first.refresh))
        const { body } = await introspect(own, second.access, rs)
        expect([body['auth_time'], body['acr']]).toEqual([signedInAt, authenticationContexts.password])
        await own.end()
      },
    )

    it('keeps the scope of the grant, also after less was asked for [RFC 6749 §6(f)]', async () => {
      const first = await signIn(site)
      const narrow = tokensOf(await refresh(site, first.refresh, 'service', { scope: 'read' }))
      expect([narrow.scope, decodeJwt(narrow.access)['scope']]).toEqual(['read', 'read'])
      expect(tokensOf(await refresh(site, narrow.refresh)).scope).toBe('read write offline_access')
    })

    it('keeps the resource of the grant, or names one of several [RFC 8707 §2.2, RFC 9068 §3(b)]', async () => {
      const scopes = ['read', 'archive', 'offline_access']
      const several = await signInBoth(scopes)
      expectRefused(await refresh(site, several), 'resource.exceeds_grant', 'invalid_target')
      const forNotes = tokensOf(await refresh(site, several, 'service', { resource: notes }))
      expect(decodeJwt(forNotes.access)).toMatchObject({ aud: notes, scope: 'read' })
      const forArchive = tokensOf(await refresh(site, forNotes.refresh, 'service', { resource: archive }))
      expect((await introspect(site, forArchive.access, 'archive-api')).body).toMatchObject({ scope: 'archive' })
      expect(forArchive.scope).toBe('archive offline_access')
    })

    async function signInBoth(scopes: readonly string[]): Promise<string> {
      const { form } = await mintCode(site, { resources: [notes, archive], scopes })
      return tokensOf(await ask(site, { ...form, resource: notes })).refresh
    }

    it('needs the client to authenticate as it does elsewhere [PROTOCOL §2 A1, RFC 6749 §6(b)(c)]', async () => {
      const { refresh: token } = await signIn(site)
      const form = { grant_type: 'refresh_token', refresh_token: token }
      expect((await site.post('/token', { ...form, client_id: 'service' })).status).toBe(401)
      expect((await site.post('/token', form, basic('service', 'wrong'))).status).toBe(401)
      const app = await signIn(site, { clientId: 'app' })
      const offered = { ...form, refresh_token: app.refresh, client_id: 'app', client_secret: secret }
      expect((await site.post('/token', offered)).reason).toBe('client.method_mismatch')
      expect((await refresh(site, token)).status).toBe(200)
    })

    it('takes an assertion once, and is not rotated by its replay [PROTOCOL §2 A6]', async () => {
      const { form } = await mintCode(site, { clientId: 'signer' })
      const proof = async () => assertionForm(await makeAssertion(site))
      const first = tokensOf(await site.post('/token', { ...form, ...(await proof()) }))
      const used = await proof()
      const next = tokensOf(
        await site.post('/token', { grant_type: 'refresh_token', refresh_token: first.refresh, ...used }),
      )
      const again = { grant_type: 'refresh_token', refresh_token: next.refresh }
      expectRefused(
        await site.post('/token', { ...again, ...used }),
        'client.assertion_replayed',
        'invalid_client',
        401,
      )
      expect((await site.post('/token', { ...again, ...(await proof()) })).status).toBe(200)
    })

    it('is sent, and not empty [RFC 6749 §6(i)]', async () => {
      for (const token of [undefined, ''])
        expectRefused(
          await ask(site, { grant_type: 'refresh_token', refresh_token: token }),
          'request.missing_parameter',
          'invalid_request',
        )
    })
  })

  describe('what is not one of ours', () => {
    it('is refused: altered, cut, long, of another kind or server [PROTOCOL §2 A3, RFC 6749 §6(e), RFC 6749 §10.4(e)]', async () => {
      const { refresh: token, access } = await signIn(site)
      const opaque = await signInOpaque(site)
      const elsewhere = await install({ kek: Buffer.alloc(32, 9) })
      const foreign = (await signIn(elsewhere)).refresh
      await elsewhere.end()
      const altered = Array.from({ length: 20 }, (_, at) => {
        const place = 10 + at * 5
        return `${token.slice(0, place)}${token[place] === '0' ? '1' : '0'}${token.slice(place + 1)}`
      })
      const bad = [...altered, token.slice(0, -1), `${token}0`, token.toUpperCase(), 'x', 'y'.repeat(50_000), access]
      for (const text of [...bad, opaque.access, foreign, token.replace('_rt_', '_ac_'), `${token} `])
        expectRefused(await refresh(site, text), 'refresh.malformed')
      expect((await refresh(site, token)).status).toBe(200)
    })

    it("or is another client's, or of no grant, is the same to whoever asks [PROTOCOL §2 A4, RFC 6749 §6(d)]", async () => {
      const { refresh: token } = await signIn(site)
      const app = await signIn(site, { clientId: 'app' })
      const answers = [
        await refresh(site, token, 'rival'),
        await refresh(site, token, 'app'),
        await refresh(site, app.refresh, 'service'),
        await refresh(site, app.refresh, 'other-app'),
        await refresh(site, forge(token, { grantId: 'AAAAAAAAAAAAAAAA' })),
      ]
      for (const answer of answers) {
        expectRefused(answer, 'refresh.unknown')
        expect(answer.headers.get('arctos-receipt')?.length).toBeGreaterThan(0)
      }
      expect((await refresh(site, token)).status).toBe(200)
      expect((await refresh(site, app.refresh, 'app')).status).toBe(200)
    })
  })

  describe('the session ends', () => {
    it('when it was revoked [PROTOCOL §2 A7]', async () => {
      const { refresh: token } = await signIn(site)
      await revoke(site, token)
      expectRefused(await refresh(site, token), 'refresh.ended')
    })

    it('after it has rested for too long, whatever it could have lived [PROTOCOL §2 A7, RFC 6749 §6(e), RFC 10017 §6.3.2.3(b)]', async () => {
      const own = await install({ database, lifetimes: { refreshIdleSeconds: 100, refreshAbsoluteSeconds: 1_000 } })
      let { refresh: token } = await signIn(own)
      for (let round = 0; round < 3; round++) {
        own.clock.pass(99)
        token = tokensOf(await refresh(own, token)).refresh
      }
      own.clock.pass(100)
      expectRefused(await refresh(own, token), 'refresh.expired')
      expectRefused(await refresh(own, token), 'refresh.ended')
      await own.end()
    })

    it('after its whole life, however busy it was [PROTOCOL §2 A14, RFC 9700 §4.14.2, RFC 10017 §6.3.2.3(c)]', async () => {
      const own = await install({ database, lifetimes: { refreshIdleSeconds: 100, refreshAbsoluteSeconds: 250 } })
      let { refresh: token } = await signIn(own)
      for (const seconds of [90, 90, 69]) {
        own.clock.pass(seconds)
        token = tokensOf(await refresh(own, token)).refresh
      }
      own.clock.pass(1)
      expectRefused(await refresh(own, token), 'refresh.expired')
      await own.end()
    })

    it('for good when its user or client is disabled, or has a new password [PROTOCOL §2 A7]', async () => {
      const own = await install({ database })
      const tokens = [await signIn(own), await signIn(own, { clientId: 'app' })]
      await own.store.changeUser({ id: own.userId, passwordHash: 'another', actor: 'test' })
      expectRefused(await refresh(own, tokens[0]?.refresh ?? ''), 'refresh.principal_disabled')
      expectRefused(await refresh(own, tokens[1]?.refresh ?? '', 'app'), 'refresh.principal_disabled')
      own.clock.pass(2)
      const later = await signIn(own)
      await own.store.updateClient({ id: 'service', disabled: true, actor: 'test' })
      expectRefused(await refresh(own, later.refresh), 'client.disabled', 'invalid_client', 401)
      await own.store.updateClient({ id: 'service', disabled: false, actor: 'test' })
      expectRefused(await refresh(own, later.refresh), 'refresh.principal_disabled')
      await own.end()
    })
  })

  describe('a predecessor', () => {
    it('gets the same successor as before, and an access token of its own [PROTOCOL §2 A15]', async () => {
      for (const [open, rs] of [
        [signIn, 'notes-api'],
        [signInOpaque, 'archive-api'],
      ] as const) {
        const first = await open(site)
        const answers = [await refresh(site, first.refresh), await refresh(site, first.refresh)].map(tokensOf)
        expect(answers[0]?.refresh).toBe(answers[1]?.refresh)
        expect(answers[0]?.access).not.toBe(answers[1]?.access)
        for (const { access } of answers) expect(await isActive(site, access, rs)).toBe(true)
        expect((await refresh(site, answers[0]?.refresh ?? '')).status).toBe(200)
      }
    })

    it('may ask for something else the second time, and changes nothing of the grant [PROTOCOL §2 A15]', async () => {
      const first = await signIn(site)
      const next = tokensOf(await refresh(site, first.refresh))
      const narrow = tokensOf(await refresh(site, first.refresh, 'service', { scope: 'read' }))
      expect([narrow.refresh, narrow.scope]).toEqual([next.refresh, 'read'])
      expect(tokensOf(await refresh(site, next.refresh)).scope).toBe('read write offline_access')
    })

    it('of a public client has half a minute [PROTOCOL §2 A11, A15, RFC 10017 §6.3.2.3]', async () => {
      const first = await signIn(site, { clientId: 'app' })
      const next = tokensOf(await refresh(site, first.refresh, 'app'))
      site.clock.pass(29)
      expect(tokensOf(await refresh(site, first.refresh, 'app')).refresh).toBe(next.refresh)
      site.clock.pass(1)
      expectRefused(await refresh(site, first.refresh, 'app'), 'refresh.reused')
      expectRefused(await refresh(site, next.refresh, 'app'), 'refresh.ended')
      expect(await isActive(site, next.access)).toBe(false)
    })

    it('of a public client has no time at all where the operator is strict [PROTOCOL §2 A11]', async () => {
      const own = await install({ database, lifetimes: { retryWindowSeconds: 0 } })
      const first = await signIn(own, { clientId: 'app' })
      await refresh(own, first.refresh, 'app')
      expectRefused(await refresh(own, first.refresh, 'app'), 'refresh.reused')
      await own.end()
    })

    it('of a confidential client waits until its successor is used [PROTOCOL §2 A10, A15]', async () => {
      const first = await signIn(site)
      const next = tokensOf(await refresh(site, first.refresh))
      site.clock.pass(100_000)
      expect(tokensOf(await refresh(site, first.refresh)).refresh).toBe(next.refresh)
      const last = tokensOf(await refresh(site, next.refresh))
      expectRefused(await refresh(site, first.refresh), 'refresh.reused')
      expectRefused(await refresh(site, last.refresh), 'refresh.ended')
      expect(await isActive(site, last.access)).toBe(false)
    })

    it('ends its own family only, when it is too old [PROTOCOL §2 A10]', async () => {
      const [stolen, other] = [await signIn(site), await signIn(site)]
      const second = tokensOf(await refresh(site, stolen.refresh))
      await refresh(site, second.refresh)
      expectRefused(await refresh(site, stolen.refresh), 'refresh.reused')
      expect(await isActive(site, other.access)).toBe(true)
      expect((await refresh(site, other.refresh)).status).toBe(200)
    })

    it('is recognized before its scope is looked at, or a thief could try it unseen [PROTOCOL §2]', async () => {
      const first = await signIn(site)
      const second = tokensOf(await refresh(site, first.refresh))
      const third = tokensOf(await refresh(site, second.refresh))
      expectRefused(await refresh(site, first.refresh, 'service', { scope: 'delete' }), 'refresh.reused')
      expectRefused(await refresh(site, third.refresh), 'refresh.ended')
    })
  })

  describe('a well-made token that fits no generation', () => {
    it('ends the family: keys or database have leaked [PROTOCOL §2 A9]', async () => {
      const first = await signIn(site)
      expectRefused(await refresh(site, forge(first.refresh, { secret: Buffer.alloc(32, 5) })), 'refresh.forked')
      expectRefused(await refresh(site, first.refresh), 'refresh.ended')
      const again = await signIn(site)
      const next = tokensOf(await refresh(site, again.refresh))
      expectRefused(await refresh(site, forge(again.refresh, { secret: Buffer.alloc(32, 5) })), 'refresh.forked')
      expectRefused(await refresh(site, next.refresh), 'refresh.ended')
    })

    it('but is ahead of the database is answered with 503: the database is older than it [PROTOCOL §2 A8]', async () => {
      const { refresh: token } = await signIn(site)
      const reply = await refresh(site, forge(token, { generation: 7 }))
      expectRefused(reply, 'store.rolled_back', 'temporarily_unavailable', 503)
      expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0)
      expect((await refresh(site, token)).status).toBe(200)
    })
  })

  describe('more than was granted', () => {
    it.each(['delete', 'read delete', 'archive', 'read openid'])(
      'is refused: scope %j, and nothing is rotated [PROTOCOL §2 A12, RFC 6749 §6(a)]',
      async (scope) => {
        const first = await signIn(site)
        expectRefused(await refresh(site, first.refresh, 'service', { scope }), 'scope.exceeds_grant', 'invalid_scope')
        const next = tokensOf(await refresh(site, first.refresh))
        expectRefused(await refresh(site, first.refresh, 'service', { scope }), 'scope.exceeds_grant', 'invalid_scope')
        expect((await refresh(site, next.refresh)).status).toBe(200)
      },
    )

    it('is never had by asking for less at first [RFC 6749 §6(a)]', async () => {
      const first = await signIn(site, { scopes: ['read', 'offline_access'] })
      expectRefused(
        await refresh(site, first.refresh, 'service', { scope: 'write' }),
        'scope.exceeds_grant',
        'invalid_scope',
      )
    })

    it.each([archive, legacy, 'https://unknown.example'])(
      'is refused: resource %s [PROTOCOL §2 A12, RFC 8707 §2.2]',
      async (resource) => {
        const first = await signIn(site)
        for (const asked of [resource, [notes, resource]])
          expectRefused(
            await refresh(site, first.refresh, 'service', { resource: asked }),
            'resource.exceeds_grant',
            'invalid_target',
          )
        expect((await refresh(site, first.refresh, 'service', { resource: `${notes}/` })).status).toBe(200)
      },
    )

    it('is refused: a scope that is none', async () => {
      const first = await signIn(site)
      expectRefused(await refresh(site, first.refresh, 'service', { scope: '"' }), 'scope.malformed', 'invalid_scope')
      expect((await refresh(site, first.refresh)).status).toBe(200)
    })
  })

  describe('fifty that bring one token at one time', () => {
    it.each([
      ['JWTs', 'service', signIn],
      ['opaque tokens', 'service', signInOpaque],
      ['JWTs, without authentication', 'app', signIn],
      ['opaque tokens, without authentication', 'app', signInOpaque],
    ] as const)('get fifty answers and one successor: %s [PROTOCOL §2 A14, A15]', async (_, clientId, open) => {
      const first = await open(site, { clientId })
      const replies = await Promise.all(Array.from({ length: 50 }, () => refresh(site, first.refresh, clientId)))
      const answers = replies.map(tokensOf)
      expect(new Set(answers.map((answer) => answer.refresh)).size).toBe(1)
      expect(new Set(answers.map((answer) => answer.access)).size).toBe(50)
      expect((await refresh(site, answers[0]?.refresh ?? '', clientId)).status).toBe(200)
    })
  })
})
