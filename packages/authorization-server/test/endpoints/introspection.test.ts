import { createHmac, generateKeyPairSync } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authenticationContexts } from '../../src/authentication-contexts.ts'
import { databaseKinds } from './databases.ts'
import {
  assertionForm,
  introspect,
  isActive,
  makeAssertion,
  mintCode,
  ownToken,
  refresh,
  revoke,
  signIn,
  signInOpaque,
  tokensOf,
} from './flows.ts'
import {
  archive,
  askThrough,
  basic,
  formRequest,
  type Installation,
  install,
  notes,
  type Reply,
  registerClient,
} from './installation.ts'

const inactive = '{"active":false}'

/** What of an answer another answer could differ in. */
function wholeOf({ status, headers, text }: Reply): unknown {
  return { status, headers: [...headers], text }
}

describe.each(databaseKinds)('introspection on %s', (database) => {
  let site: Installation
  beforeAll(async () => {
    site = await install({ database })
  })
  afterAll(() => site.end())

  const formats = [
    ['a JWT', notes, 'notes-api', 'read write'],
    ['an opaque token', archive, 'archive-api', 'archive'],
  ] as const

  describe('of a live token', () => {
    it.each(formats)(
      'tells the resource server about %s of a user [RFC 7662 §2.2(b), RFC 9470 §6.2]',
      async (_, resource, rs, scope) => {
        const scopes = [...scope.split(' '), 'offline_access']
        const { access } = await signIn(site, { resources: [resource], scopes })
        const { status, headers, body } = await introspect(site, access, rs)
        expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([
          200,
          'application/json',
          'no-store',
        ])
        const seconds = site.clock.seconds()
        expect(body).toEqual({
          active: true,
          iss: site.issuer,
          sub: site.userId,
          aud: resource,
          client_id: 'service',
          scope,
          token_type: 'Bearer',
          iat: seconds,
          exp: seconds + 600,
          jti: expect.stringMatching(/^[\w-]{16}$/),
          grant_id: expect.stringMatching(/^[\w-]{16}$/),
          auth_time: seconds,
          acr: authenticationContexts.password,
        })
      },
    )

    it.each(formats)('names the client as subject of %s that it got for itself', async (_, resource, rs) => {
      const { access } = tokensOf(await ownToken(site, { resource }))
      const { body } = await introspect(site, access, rs)
      expect([body['active'], body['sub'], body['client_id'], 'grant_id' in body]).toEqual([
        true,
        'service',
        'service',
        false,
      ])
    })

    it('tells of the scopes that were agreed to, and of no others [RFC 9701 §9(d)]', async () => {
      const { access } = await signIn(site, { resources: [notes], scopes: ['read'] })
      expect((await introspect(site, access)).body).toMatchObject({ active: true, scope: 'read' })
    })

    it('says the same as the JWT does', async () => {
      const { access } = await signIn(site)
      const { iss, sub, aud, exp, iat, jti, client_id, scope, grant_id } = decodeJwt(access)
      expect((await introspect(site, access)).body).toMatchObject({
        iss,
        sub,
        aud,
        exp,
        iat,
        jti,
        client_id,
        scope,
        grant_id,
      })
    })

    it.each(formats)('tells the client about %s of its own, and no other client [RFC 7662 §5]', async (_, resource) => {
      const { access } = tokensOf(await ownToken(site, { resource }))
      expect((await introspect(site, access, 'service')).body['active']).toBe(true)
      expect((await introspect(site, access, 'rival')).text).toBe(inactive)
    })

    it('tells each of several resource servers, and no third [RFC 7662 §4(e), RFC 9701 §5(g)]', async () => {
      const second = { identifier: 'https://second.example', scopes: { more: 'More' } }
      const rest = { tokenFormat: 'jwt', tokenType: 'at+jwt', accessTokenLifetimeSeconds: 600 } as const
      await site.store.createResource({ settings: { ...second, ...rest }, actor: 'test' })
      // The slash is how the operator wrote it; both spellings are one resource.
      await registerClient(site.store, 'second-api', { grantTypes: [], resourceServerOf: 'https://second.example/' })
      const { access } = tokensOf(await ownToken(site, { resource: [notes, second.identifier] }))
      const aud = [notes, second.identifier]
      // RFC 9701 §5: each learns what the token may do there, and only its client all of it.
      const scopes = { 'notes-api': 'read write', 'second-api': 'more', service: 'read write more' }
      for (const [caller, scope] of Object.entries(scopes))
        expect((await introspect(site, access, caller)).body).toMatchObject({ active: true, aud, scope })
      expect((await introspect(site, access, 'archive-api')).text).toBe(inactive)
    })

    it.each(['access_token', 'refresh_token', 'authorization_code', 'nonsense', ''])(
      'takes no harm from the hint %j [RFC 7662 §2.1(c)]',
      async (hint) => {
        const more = { token_type_hint: hint }
        const [jwt, opaque] = [await signIn(site), await signInOpaque(site)]
        expect((await introspect(site, jwt.access, 'notes-api', more)).body['active']).toBe(true)
        expect((await introspect(site, opaque.access, 'archive-api', more)).body['active']).toBe(true)
        expect((await introspect(site, jwt.refresh, 'service', more)).body['active']).toBe(true)
      },
    )
  })

  describe('of a refresh token', () => {
    it('is for its own client alone, and for the live generation', async () => {
      const first = await signIn(site)
      const { body } = await introspect(site, first.refresh, 'service')
      expect(body).toMatchObject({
        active: true,
        sub: site.userId,
        client_id: 'service',
        scope: 'read write offline_access',
      })
      expect('token_type' in body).toBe(false)
      for (const caller of ['notes-api', 'archive-api', 'rival'])
        expect((await introspect(site, first.refresh, caller)).text).toBe(inactive)
      const next = tokensOf(await refresh(site, first.refresh))
      expect(await isActive(site, first.refresh, 'service')).toBe(false)
      expect(await isActive(site, next.refresh, 'service')).toBe(true)
      await revoke(site, next.refresh)
      expect(await isActive(site, next.refresh, 'service')).toBe(false)
    })
  })

  describe('of anything else', () => {
    it.each(formats)(
      'is one answer, to the byte, also for %s [RFC 7662 §2.2(a)(d), RFC 7662 §4(m), RFC 7662 §5]',
      async (_, resource, rs) => {
        const own = await install({ database })
        const scopes = resource === notes ? ['read', 'offline_access'] : ['archive', 'offline_access']
        const open = () => signIn(own, { resources: [resource], scopes })
        const otherResource = resource === notes ? archive : notes
        const [expired, revoked, ended] = [await open(), await open(), await open()]
        own.clock.pass(600)
        await revoke(own, revoked.access)
        await revoke(own, ended.refresh)
        const live = await open()
        const texts = [
          expired.access,
          revoked.access,
          ended.access,
          live.refresh,
          `${live.access.slice(0, -2)}AA`,
          live.access.slice(0, -1),
          tokensOf(await ownToken(own, { resource: otherResource })).access,
          (await mintCode(own)).code,
          'garbage',
          'a.b.c',
          'arctos_at_',
          '🐻',
          'x'.repeat(60_000),
          `${live.access}.${'A'.repeat(9_000)}`,
        ]
        const answers = [await introspect(own, live.access, rs === 'notes-api' ? 'archive-api' : 'notes-api')]
        for (const text of texts) answers.push(await introspect(own, text, rs))
        expect(answers[0]?.text).toBe(inactive)
        expect(answers[0]?.headers.get('arctos-receipt')).toBeNull()
        for (const answer of answers) expect(wholeOf(answer)).toEqual(wholeOf(answers[0] as Reply))
        expect((await introspect(own, live.access, rs)).body['active']).toBe(true)
        await own.end()
      },
    )

    it.each(formats)('ends for %s on the second that it expires [RFC 7662 §4(a)]', async (_, resource, rs) => {
      const { access } = tokensOf(await ownToken(site, { resource }))
      site.clock.pass(599)
      expect(await isActive(site, access, rs)).toBe(true)
      site.clock.pass(1)
      expect(await isActive(site, access, rs)).toBe(false)
    })

    it.each(formats)(
      'ends for %s with its client, its user and its grant [RFC 7662 §4(c)]',
      async (_, resource, rs) => {
        const own = await install({ database })
        const scopes = resource === notes ? ['read'] : ['archive']
        const agreement = { resources: [resource], scopes }
        const ofClient = await signIn(own, { ...agreement, clientId: 'app' })
        const ofDeleted = await signIn(own, { ...agreement, clientId: 'other-app' })
        const ofUser = await signIn(own, agreement)
        const ofNobody = tokensOf(await ownToken(own, { resource }))
        await own.store.updateClient({ id: 'app', disabled: true, actor: 'test' })
        await own.store.deleteClient({ id: 'other-app', actor: 'test' })
        await own.store.changeUser({ id: own.userId, disabled: true, actor: 'test' })
        const answers = [ofClient, ofDeleted, ofUser].map(({ access }) => isActive(own, access, rs))
        expect(await Promise.all(answers)).toEqual([false, false, false])
        expect(await isActive(own, ofNobody.access, rs)).toBe(true)
        await own.end()
      },
    )
  })

  describe('of a JWT that we did not sign', () => {
    it('says that it is not active [RFC 7662 §4(d), RFC 9068 §2.1(b)(c)]', async () => {
      const { access } = await signIn(site)
      const claims = decodeJwt(access)
      const header = { ...decodeProtectedHeader(access), alg: 'ES256' }
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const [head, payload, signature] = access.split('.')
      const segment = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
      const mac = (secret: string, input: string) => createHmac('sha256', secret).update(input).digest('base64url')
      const hs256 = `${segment({ ...header, alg: 'HS256' })}.${payload}`
      const forged = [
        await new SignJWT(claims).setProtectedHeader(header).sign(privateKey),
        `${segment({ ...header, alg: 'none' })}.${payload}.`,
        `${head}.${segment({ ...claims, scope: 'read write admin' })}.${signature}`,
        `${segment({ ...header, kid: 'other' })}.${payload}.${signature}`,
        `${hs256}.${mac(JSON.stringify(JSON.parse(site.server.context.keys.jwks().body)), hs256)}`,
        `${head}.${payload}.${signature}=`,
        `${head}.${payload}.${signature} `,
        `${head}.${payload}`,
      ]
      for (const token of forged) expect([token, await isActive(site, token)]).toEqual([token, false])
      expect(await isActive(site, access)).toBe(true)
    })

    it('but another issuer signed with our very keys, is not active', async () => {
      const other = await site.startNode({ issuer: 'https://other-issuer.example' })
      const own = tokensOf(
        await askThrough(other)('/token', formRequest({ grant_type: 'client_credentials' }, basic('service'))),
      )
      expect(decodeJwt(own.access).iss).toBe('https://other-issuer.example')
      expect(await isActive(site, own.access)).toBe(false)
    })
  })

  describe('without authentication', () => {
    it('is refused, also to a public client that names itself [RFC 7662 §2.1(a), RFC 7662 §2.3(b)]', async () => {
      const { access } = await signIn(site, { clientId: 'app' })
      const asked = [
        await site.post('/introspect', { token: access }),
        await site.post('/introspect', { token: access, client_id: 'app' }),
        await site.post('/introspect', { token: access, client_id: 'notes-api' }),
        await site.post('/introspect', { token: access, client_id: 'nobody', client_secret: '' }),
      ]
      for (const { status, body } of asked)
        expect([status, body['error'], 'active' in body]).toEqual([401, 'invalid_client', false])
    })

    it('is refused to whoever fails to prove himself [RFC 7662 §2.1(a), RFC 7662 §2.3(b)]', async () => {
      const { access } = await signIn(site, { clientId: 'app' })
      const asked = [
        await site.post('/introspect', { token: access }, basic('notes-api', 'wrong')),
        await site.post('/introspect', { token: access }, basic('disabled')),
        await site.post('/introspect', { token: access, client_id: 'app', client_secret: 'x' }),
        await site.post('/introspect', { token: access }, { authorization: `Bearer ${access}` }),
      ]
      for (const { status, body, headers } of asked) {
        expect([status, body['error'], 'active' in body]).toEqual([401, 'invalid_client', false])
        expect(headers.get('www-authenticate')).toMatch(/^Basic /)
      }
    })

    it('is possible with an assertion, once', async () => {
      const { access } = tokensOf(await ownToken(site))
      const form = { token: access, ...assertionForm(await makeAssertion(site)) }
      expect((await site.post('/introspect', form)).text).toBe(inactive)
      expect((await site.post('/introspect', form)).reason).toBe('client.assertion_replayed')
    })
  })
})
