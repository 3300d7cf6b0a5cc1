import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { assertionForm, introspect, makeAssertion, mintCode, ownToken, revoke, signIn, tokensOf } from './flows.ts'
import { archive, basic, type Installation, install, notes, type Reply } from './installation.ts'

const mediaType = 'application/token-introspection+jwt'
const accept = { accept: mediaType }

let site: Installation
beforeAll(async () => {
  site = await install()
})
afterAll(() => site.end())

function ask(token: string, caller = 'notes-api', from = site): Promise<Reply> {
  return from.post('/introspect', { token }, { ...basic(caller), ...accept })
}

/** The claims of an answer, verified as a stranger's library does it. */
async function claimsOf(reply: Reply, caller = 'notes-api', from = site): Promise<Readonly<Record<string, unknown>>> {
  const keys = createLocalJWKSet(JSON.parse(from.server.context.keys.jwks().body) as JSONWebKeySet)
  const expected = { issuer: from.issuer, audience: caller, typ: 'token-introspection+jwt' }
  return (await jwtVerify(reply.text, keys, expected)).payload
}

describe('a signed introspection answer', () => {
  it('is a JWT of its own kind, never kept [RFC 9701 §5(a)(k)]', async () => {
    const { access } = await signIn(site)
    const { status, headers, text } = await ask(access)
    const kind = ['content-type', 'cache-control', 'x-content-type-options'].map((name) => headers.get(name))
    expect([status, ...kind]).toEqual([200, mediaType, 'no-store', 'nosniff'])
    const { kid } = site.server.context.keys.signingKey()
    expect(decodeProtectedHeader(text)).toEqual({ alg: 'ES256', kid, typ: 'token-introspection+jwt' })
  })

  it('holds issuer, caller, time and the plain answer, and nothing of the token on top [RFC 9701 §5(b)(c)(d)(e)(j)]', async () => {
    const { access } = await signIn(site)
    const reply = await ask(access)
    expect(await claimsOf(reply)).toEqual({
      iss: site.issuer,
      aud: 'notes-api',
      iat: site.clock.seconds(),
      ath: expect.stringMatching(/^[\w-]{43}$/),
      token_introspection: (await introspect(site, access)).body,
    })
  })

  it('says nothing more than that of a token that is not active for the caller [RFC 9701 §5(f)]', async () => {
    const own = await install()
    const open = () => signIn(own)
    const [expired, revoked, ended] = [await open(), await open(), await open()]
    own.clock.pass(600)
    await revoke(own, revoked.access)
    await revoke(own, ended.refresh)
    const live = await open()
    const foreign = tokensOf(await ownToken(own, { resource: archive })).access
    const texts = [expired.access, revoked.access, ended.access, foreign, live.refresh, (await mintCode(own)).code, 'a']
    for (const text of [...texts, 'a.b.c', 'x'.repeat(60_000), `${live.access}x`]) {
      const reply = await ask(text, 'notes-api', own)
      const { ath, ...claims } = await claimsOf(reply, 'notes-api', own)
      const usual = { iss: own.issuer, aud: 'notes-api', iat: own.clock.seconds() }
      expect([reply.status, claims]).toEqual([200, { ...usual, token_introspection: { active: false } }])
    }
    const { token_introspection: told } = await claimsOf(await ask(live.access, 'archive-api', own), 'archive-api', own)
    expect(told).toEqual({ active: false })
    await own.end()
  })

  it('of a dead token is as long, and carries the same headers, as that of an unknown one', async () => {
    const { access } = await signIn(site)
    await revoke(site, access)
    const shapeOf = ({ headers, text }: Reply): unknown => [[...headers], text.length]
    expect(shapeOf(await ask(access))).toEqual(shapeOf(await ask('unknown')))
  })

  it('names the token that was asked about by its hash, so that it cannot be shown for another', async () => {
    const [one, other] = [await signIn(site), await signIn(site)]
    const hashOf = async (token: string) => (await claimsOf(await ask(token)))['ath']
    expect(await hashOf(one.access)).toBe(await hashOf(one.access))
    expect(await hashOf(one.access)).not.toBe(await hashOf(other.access))
  })

  it('is for a client about its own tokens as well', async () => {
    const { access, refresh } = await signIn(site)
    for (const token of [access, refresh]) {
      const { token_introspection: told } = await claimsOf(await ask(token, 'service'), 'service')
      expect(told).toMatchObject({ active: true, client_id: 'service' })
    }
  })

  it('is signed with RS256 where tokens are, as the metadata says [RFC 9701 §7]', async () => {
    const rsa = await install({ signingAlgorithm: 'RS256' })
    const { access } = await signIn(rsa)
    const reply = await ask(access, 'notes-api', rsa)
    const { body } = await rsa.send('/.well-known/oauth-authorization-server')
    expect(body['introspection_signing_alg_values_supported']).toEqual([decodeProtectedHeader(reply.text).alg])
    expect(await claimsOf(reply, 'notes-api', rsa)).toMatchObject({ token_introspection: { active: true } })
    expect(Object.keys(body).filter((name) => name.includes('introspection_encryption'))).toEqual([])
    await rsa.end()
  })

  it('is no access token: neither its own issuer nor a lax library takes it for one [RFC 9701 §8.1(a)]', async () => {
    const { access } = await signIn(site)
    const reply = await ask(access)
    expect((await introspect(site, reply.text)).text).toBe('{"active":false}')
    expect((await introspect(site, reply.text, 'service')).text).toBe('{"active":false}')
    const keys = createLocalJWKSet(JSON.parse(site.server.context.keys.jwks().body) as JSONWebKeySet)
    await expect(jwtVerify(reply.text, keys, { issuer: site.issuer, audience: notes })).rejects.toThrow('"aud"')
    expect(decodeJwt(reply.text).sub).toBeUndefined()
  })

  it('is no client assertion', async () => {
    const { access } = await signIn(site)
    const reply = await ask(access)
    const shown = await site.post('/introspect', { token: access, ...assertionForm(reply.text) }, accept)
    expect([shown.status, shown.reason]).toEqual([401, 'client.assertion_invalid'])
  })
})

describe('who asks for a signed answer', () => {
  it.each([
    ['by its name', mediaType],
    ['in capitals', 'Application/Token-Introspection+JWT'],
    ['among others', `text/html, ${mediaType};q=0.9, application/json;q=0.8`],
    ['as much as JSON', `application/json, ${mediaType}`],
    ['beside anything', `*/*, ${mediaType};q=0.1`],
  ])('%s gets one [RFC 9701 §4(a)]', async (_, value) => {
    const { headers } = await site.post('/introspect', { token: 'x' }, { ...basic('notes-api'), accept: value })
    expect(headers.get('content-type')).toBe(mediaType)
  })

  it.each([
    ['accepts JSON', 'application/json'],
    ['accepts anything', '*/*'],
    ['accepts any application', 'application/*'],
    ['accepts any JWT', 'application/jwt'],
    ['prefers JSON', `application/json, ${mediaType};q=0.5`],
    ['excludes them', `${mediaType};q=0`],
    ['weighs them with no number', `${mediaType};q=high`],
    ['accepts something longer', `${mediaType}2`],
  ])('but who %s gets JSON [RFC 9701 §4(a)]', async (_, value) => {
    const { headers } = await site.post('/introspect', { token: 'x' }, { ...basic('notes-api'), accept: value })
    expect(headers.get('content-type')).toBe('application/json')
  })

  it('has to authenticate, and learns of errors in JSON [RFC 9701 §5(m)]', async () => {
    const { access } = await signIn(site)
    const asked = [
      await site.post('/introspect', { token: access }, accept),
      await site.post('/introspect', { token: access, client_id: 'notes-api' }, accept),
      await site.post('/introspect', { token: access }, { ...accept, ...basic('notes-api', 'wrong') }),
      await site.post('/introspect', {}, { ...accept, ...basic('notes-api') }),
    ]
    const seen = asked.map(({ status, body, headers, reason }) => [
      status,
      body['error'],
      headers.get('content-type'),
      reason,
    ])
    expect(seen).toEqual([
      [400, 'invalid_client', 'application/json', 'introspection.anonymous'],
      [400, 'invalid_client', 'application/json', 'introspection.anonymous'],
      [401, 'invalid_client', 'application/json', 'client.secret_wrong'],
      [400, 'invalid_request', 'application/json', 'request.missing_parameter'],
    ])
  })

  it('may hold a key instead of a secret', async () => {
    const form = { token: 'x', ...assertionForm(await makeAssertion(site)) }
    expect(await claimsOf(await site.post('/introspect', form, accept), 'signer')).toMatchObject({ aud: 'signer' })
  })

  it('can do nothing else as the resource server that it is [RFC 9701 §3(c)]', async () => {
    const refused = await site.post('/token', { grant_type: 'client_credentials' }, basic('notes-api'))
    expect([refused.status, refused.body['error']]).toEqual([400, 'unauthorized_client'])
  })
})
