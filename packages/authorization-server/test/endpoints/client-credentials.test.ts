import { createAuthorizationServer, openStore } from '@arctos/authorization-server'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from './databases.ts'
import { introspect, ownToken, tokensOf } from './flows.ts'
import {
  archive,
  askThrough,
  basic,
  formRequest,
  type Installation,
  install,
  legacy,
  notes,
  type Reply,
  registerClient,
} from './installation.ts'

let site: Installation
beforeAll(async () => {
  site = await install()
  for (const [host, scopes] of [
    ['same', { read: 'Read your notes', list: 'List them' }],
    ['other', { read: 'Read your letters' }],
  ] as const) {
    const settings = {
      identifier: `https://${host}.example`,
      scopes,
      tokenFormat: 'jwt',
      tokenType: 'at+jwt',
      accessTokenLifetimeSeconds: 60,
    } as const
    await site.store.createResource({ settings, actor: 'test' })
  }
})
afterAll(() => site.end())

function expectRefused({ status, body, reason }: Reply, error: string, wanted: string): void {
  expect({ status, error: body['error'], reason }).toEqual({ status: 400, error, reason: wanted })
}

describe('client_credentials', () => {
  it('gives a token and says for what and for how long [RFC 6749 §5.1(a)(b)(c)(d)]', async () => {
    const { status, headers, body } = await ownToken(site, { scope: 'read' })
    expect(status).toBe(200)
    expect(body).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 600,
      scope: 'read',
    })
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('pragma')).toBe('no-cache')
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })

  it('gives no refresh token [RFC 6749 §4.4.3]', async () => {
    expect((await ownToken(site)).body['refresh_token']).toBeUndefined()
    expect((await ownToken(site, { resource: archive })).body['refresh_token']).toBeUndefined()
  })

  it('makes the client its own subject [RFC 9068 §2.2(i)]', async () => {
    const { sub, client_id, grant_id, auth_time } = decodeJwt(tokensOf(await ownToken(site)).access)
    expect([sub, client_id, grant_id, auth_time]).toEqual(['service', 'service', undefined, undefined])
  })

  it('is for confidential clients [RFC 6749 §4.4]', async () => {
    const form = { grant_type: 'client_credentials', client_id: 'app' }
    expectRefused(await site.post('/token', form), 'unauthorized_client', 'client.grant_type_not_allowed')
    await registerClient(site.store, 'public-machine', { authenticationMethods: ['none'] })
    const asked = await site.post('/token', { ...form, client_id: 'public-machine' })
    expectRefused(asked, 'unauthorized_client', 'client.grant_type_not_allowed')
  })

  it('needs a secret that is right [RFC 6749 §4.4.2(a)]', async () => {
    const form = { grant_type: 'client_credentials' }
    expect((await site.post('/token', form, basic('service', 'wrong'))).status).toBe(401)
    expect((await site.post('/token', { ...form, client_id: 'service' })).status).toBe(401)
  })

  it('is refused to a client that is not registered for it, and to the server of a resource', async () => {
    await registerClient(site.store, 'no-machine', { grantTypes: ['authorization_code'] })
    for (const clientId of ['no-machine', 'notes-api', 'archive-api'])
      expectRefused(await ownToken(site, {}, clientId), 'unauthorized_client', 'client.grant_type_not_allowed')
  })
})

describe('its scope', () => {
  it('is by default everything that the resource declares and the client may have [RFC 6749 §3.3(a)(b)]', async () => {
    expect(tokensOf(await ownToken(site)).scope).toBe('read write')
    expect(tokensOf(await ownToken(site, {}, 'reader')).scope).toBe('read')
    expect(tokensOf(await ownToken(site, { scope: '' })).scope).toBe('read write')
    expect(decodeJwt(tokensOf(await ownToken(site)).access)['scope']).toBe('read write')
  })

  it('is what was asked for, each word once, in the order asked [RFC 6749 §3.3(d)]', async () => {
    expect(tokensOf(await ownToken(site, { scope: 'write read write' })).scope).toBe('write read')
  })

  it.each([
    ['no resource declares', 'service', 'delete'],
    ['another resource declares', 'service', 'archive'],
    ['is declared in other letters', 'service', 'Read'],
    ['the client is not registered for', 'reader', 'write'],
    ['asks for a refresh token', 'service', 'offline_access'],
    ['asks for an ID token', 'service', 'openid'],
    ['every object has', 'service', 'constructor'],
  ])('has no word that %s [RFC 6749 §5.2(a), RFC 9068 §2.2.3(a)]', async (_, clientId, word) => {
    for (const scope of [word, `read ${word}`])
      expectRefused(await ownToken(site, { scope }, clientId), 'invalid_scope', 'scope.unknown')
  })

  it('is left out where it is empty', async () => {
    await registerClient(site.store, 'scopeless', { scopes: [] })
    const reply = await ownToken(site, {}, 'scopeless')
    expect([reply.status, 'scope' in reply.body]).toEqual([200, false])
    expect('scope' in decodeJwt(tokensOf(reply).access)).toBe(false)
  })
})

describe('its resource', () => {
  it('is by default the first one registered [RFC 9068 §3(a)]', async () => {
    expect(decodeJwt(tokensOf(await ownToken(site)).access).aud).toBe(notes)
    expect(decodeJwt(tokensOf(await ownToken(site, { resource: '' })).access).aud).toBe(notes)
  })

  it('is by default the one that the operator names [RFC 9068 §3(a)]', async () => {
    const node = await site.startNode({ defaultResource: legacy })
    const reply = await askThrough(node)('/token', formRequest({ grant_type: 'client_credentials' }, basic('service')))
    expect(decodeJwt(tokensOf(reply).access).aud).toBe(legacy)
  })

  it('is the one that was asked for, in its registered spelling [RFC 9068 §3(c), RFC 9068 §5, RFC 8707 §2]', async () => {
    for (const resource of [notes, `${notes}/`, [notes, `${notes}/`, notes]])
      expect(decodeJwt(tokensOf(await ownToken(site, { resource })).access).aud).toBe(notes)
    expect(decodeJwt(tokensOf(await ownToken(site, { resource: legacy })).access).aud).toBe(legacy)
  })

  it.each([
    'https://unknown.example',
    `${archive}/`,
    'https://archive.example',
    'https://NOTES.example',
    'http://notes.example',
    'https://notes.example:443',
  ])('is a registered one: %s is not [RFC 8707 §2]', async (resource) => {
    expectRefused(await ownToken(site, { resource }), 'invalid_target', 'resource.unknown')
    expectRefused(await ownToken(site, { resource: [notes, resource] }), 'invalid_target', 'resource.unknown')
  })

  it('may be several that take tokens of one kind', async () => {
    const resource = [notes, 'https://same.example']
    const { access, scope, expiresIn } = tokensOf(await ownToken(site, { resource }))
    expect(decodeJwt(access).aud).toEqual(resource)
    expect([scope, expiresIn]).toEqual(['read write list', 60])
  })

  it.each([
    ['JWTs and opaque tokens', archive],
    ['two types of JWT', legacy],
  ])('is never both for %s: no token is both [RFC 9068 §3(b)]', async (_, other) => {
    expectRefused(await ownToken(site, { resource: [notes, other] }), 'invalid_target', 'resource.unknown')
  })

  it('is never several for a word that means different things there [RFC 9068 §3(b)(e)]', async () => {
    const resource = [notes, 'https://other.example']
    expectRefused(await ownToken(site, { resource, scope: 'read' }), 'invalid_scope', 'scope.unknown')
    expectRefused(await ownToken(site, { resource }), 'invalid_scope', 'scope.unknown')
    expect(tokensOf(await ownToken(site, { resource, scope: 'write' })).scope).toBe('write')
  })

  it('has to be there at all', async () => {
    const store = await openStore({ database: ':memory:' })
    await store.migrate()
    await registerClient(store, 'service', {})
    const server = await createAuthorizationServer({ issuer: site.issuer, store, kek: Buffer.alloc(32, 1) })
    const form = formRequest({ grant_type: 'client_credentials' }, basic('service'))
    expectRefused(await askThrough(server)('/token', form), 'invalid_target', 'resource.unknown')
    await store.close()
  })
})

describe('its token', () => {
  it('has the type that the resource wants [RFC 9068 §2.1(a)(f)]', async () => {
    expect(decodeProtectedHeader(tokensOf(await ownToken(site)).access).typ).toBe('at+jwt')
    expect(decodeProtectedHeader(tokensOf(await ownToken(site, { resource: legacy })).access).typ).toBe('JWT')
  })

  it('is opaque where the resource wants it so, and says nothing by itself', async () => {
    const { access, scope } = tokensOf(await ownToken(site, { resource: archive }))
    expect(access).toMatch(/^arctos_at_[0-9A-Za-z]{60}$/)
    expect(scope).toBe('archive')
  })
})

describe.each(databaseKinds)('client_credentials on %s', (database) => {
  let own: Installation
  beforeAll(async () => {
    own = await install({ database })
  })
  afterAll(() => own.end())

  it.each([
    ['JWTs', notes, 'notes-api'],
    ['opaque tokens', archive, 'archive-api'],
  ])(
    'gives fifty that ask at one time fifty %s, each with an id of its own [RFC 9068 §2.2(g)]',
    async (_, resource, rs) => {
      const replies = await Promise.all(Array.from({ length: 50 }, () => ownToken(own, { resource })))
      const tokens = replies.map((reply) => tokensOf(reply).access)
      expect(new Set(tokens).size).toBe(50)
      const answers = await Promise.all(tokens.map((token) => introspect(own, token, rs)))
      expect(new Set(answers.map(({ body }) => body['active'] && body['jti'])).size).toBe(50)
    },
  )

  it('stops at once for a client that is disabled, and gives good tokens again when it is enabled', async () => {
    const before = tokensOf(await ownToken(own)).access
    await own.store.updateClient({ id: 'service', disabled: true, actor: 'test' })
    expect((await ownToken(own)).status).toBe(401)
    expect((await introspect(own, before)).text).toBe('{"active":false}')
    await own.store.updateClient({ id: 'service', disabled: false, actor: 'test' })
    expect((await introspect(own, before)).text).toBe('{"active":false}')
    const after = tokensOf(await ownToken(own)).access
    expect((await introspect(own, after)).body['active']).toBe(true)
  })
})
