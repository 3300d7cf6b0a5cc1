import { createAuthorizationServer, isLoopbackIssuer, issuerProblem } from '@arctos/authorization-server'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isActive, ownToken, tokensOf } from './flows.ts'
import { archive, basic, formRequest, type Installation, install, legacy, notes, peer } from './installation.ts'

let site: Installation
beforeAll(async () => {
  site = await install()
})
afterAll(() => site.end())

const oauthPath = '/.well-known/oauth-authorization-server'
const openidPath = '/.well-known/openid-configuration'

describe('the server metadata', () => {
  it('says what there is, and promises nothing else [RFC 8628 §4, RFC 9068 §4(l), RFC 8414 §2, RFC 9470 §7]', async () => {
    const { issuer } = site
    expect((await site.send(oauthPath)).body).toEqual({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      introspection_endpoint: `${issuer}/introspect`,
      revocation_endpoint: `${issuer}/revoke`,
      device_authorization_endpoint: `${issuer}/device_authorization`,
      scopes_supported: ['read', 'write', 'archive', 'legacy', 'offline_access'],
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      grant_types_supported: [
        'authorization_code',
        'client_credentials',
        'refresh_token',
        'urn:ietf:params:oauth:grant-type:device_code',
        'urn:ietf:params:oauth:grant-type:token-exchange',
      ],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
      token_endpoint_auth_signing_alg_values_supported: ['ES256', 'RS256', 'EdDSA', 'Ed25519', 'PS256'],
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      introspection_endpoint_auth_signing_alg_values_supported: ['ES256', 'RS256', 'EdDSA', 'Ed25519', 'PS256'],
      introspection_signing_alg_values_supported: ['ES256'],
      revocation_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'none',
      ],
      revocation_endpoint_auth_signing_alg_values_supported: ['ES256', 'RS256', 'EdDSA', 'Ed25519', 'PS256'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      protected_resources: [notes, archive, legacy, `${issuer}/ssf`],
      prompt_values_supported: ['none', 'login', 'consent'],
      acr_values_supported: ['urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport'],
    })
  })

  it('is the same document, to the byte, where OpenID clients look [RFC 9068 §4(j)]', async () => {
    const [oauth, openid] = [await site.send(oauthPath), await site.send(openidPath)]
    expect([openid.text, [...openid.headers]]).toEqual([oauth.text, [...oauth.headers]])
  })

  it('names every grant type that it takes, and takes every one that it names', async () => {
    const { body } = await site.send(oauthPath)
    for (const name of body['grant_types_supported'] as string[])
      expect((await site.post('/token', { grant_type: name }, basic('service'))).reason).not.toBe(
        'grant_type.unsupported',
      )
  })

  it('names addresses that answer, on https and without a fragment [RFC 6749 §3.1(c), RFC 6749 §3.2(c), RFC 7009 §2(b)(d)]', async () => {
    const { body } = await site.send(oauthPath)
    const names = Object.keys(body).filter((name) => /_endpoint$|_uri$/.test(name))
    expect(names).toHaveLength(6)
    for (const name of names) {
      const url = new URL(String(body[name]))
      expect([url.protocol, url.hash, url.search, String(body[name]).includes('#')]).toEqual(['https:', '', '', false])
      const { status } = await site.send(url.pathname)
      expect([name, status]).not.toEqual([name, 404])
    }
  })

  it('may be kept for minutes, by anybody', async () => {
    const { headers } = await site.send(oauthPath)
    expect(headers.get('cache-control')).toBe('public, max-age=300')
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('access-control-allow-origin')).toBe('*')
    const head = await site.send(oauthPath, { method: 'HEAD' })
    expect([head.status, head.text]).toEqual([200, ''])
    expect((await site.send(oauthPath, { method: 'POST' })).status).toBe(405)
    const preflight = await site.send(oauthPath, { method: 'OPTIONS' })
    expect([preflight.status, preflight.headers.get('allow')]).toEqual([204, 'GET, HEAD'])
  })
})

describe('an issuer with a path', () => {
  let tenant: Installation
  beforeAll(async () => {
    tenant = await install({ issuer: 'https://issuer.example/tenant/7' })
  })
  afterAll(() => tenant.end())

  it('has its metadata where each of the two specifications looks [RFC 8414 §3.1]', async () => {
    const paths = [`${oauthPath}/tenant/7`, `${openidPath}/tenant/7`, `/tenant/7${openidPath}`]
    const documents = await Promise.all(paths.map((path) => tenant.send(path)))
    for (const { body, text } of documents) {
      expect([body['issuer'], body['token_endpoint']]).toEqual([tenant.issuer, `${tenant.issuer}/token`])
      expect(text).toBe(documents[0]?.text)
    }
    for (const path of [
      oauthPath,
      openidPath,
      `/tenant/7${oauthPath}`,
      `${oauthPath}/tenant/7/`,
      `${oauthPath}/tenant`,
    ])
      expect([path, (await tenant.send(path)).status]).toEqual([path, 404])
  })

  it('has every endpoint below that path, and nowhere else', async () => {
    const form = formRequest({ grant_type: 'client_credentials' }, basic('service'))
    expect((await tenant.send('/tenant/7/token', form)).status).toBe(200)
    for (const path of ['/token', '/tenant/token', '/tenant/7//token', '/tenant/8/token'])
      expect([path, (await tenant.send(path, form)).status]).toEqual([path, 404])
    const refused = await tenant.send('/tenant/7/token', formRequest(''))
    expect(refused.body['error_uri']).toMatch(/^https:\/\/issuer\.example\/tenant\/7\/receipts\/[\w-]+$/)
  })
})

describe('what a request says of hosts', () => {
  const evil = 'evil.example'
  const sets: readonly (readonly [string, Record<string, string>])[] = [
    ['Host', { host: evil }],
    ['Host with a port', { host: `${evil}:8443` }],
    ['X-Forwarded-Host', { 'x-forwarded-host': evil }],
    ['X-Forwarded-Proto', { 'x-forwarded-proto': 'http' }],
    ['X-Forwarded-Port', { 'x-forwarded-port': '8080' }],
    ['X-Forwarded-Prefix', { 'x-forwarded-prefix': '/evil' }],
    ['X-Forwarded-Server', { 'x-forwarded-server': evil }],
    ['Forwarded', { forwarded: `for=1.2.3.4;host=${evil};proto=http` }],
    ['X-Original-URL', { 'x-original-url': '/evil' }],
    ['X-Rewrite-URL', { 'x-rewrite-url': '/evil' }],
    ['X-Host and Origin', { 'x-host': evil, origin: `https://${evil}`, referer: `https://${evil}/` }],
    ['all of them', { host: evil, 'x-forwarded-host': evil, forwarded: `host=${evil}`, 'x-forwarded-proto': 'http' }],
  ]

  it.each(sets)('in %s changes nothing that is answered [RFC 8414 §3.3]', async (_, headers) => {
    const ask = async (path: string, init: RequestInit, host: string): Promise<Response> =>
      await site.server.handle(new Request(`https://${host}${path}`, init), peer, path)
    for (const path of [oauthPath, openidPath, '/jwks']) {
      const [asked, usual] = [await ask(path, { headers }, evil), await site.send(path)]
      expect([await asked.text(), [...asked.headers]]).toEqual([usual.text, [...usual.headers]])
    }
    const credentials = { ...headers, ...basic('service') }
    const issued = await ask('/token', formRequest({ grant_type: 'client_credentials' }, credentials), evil)
    const { access_token: access } = (await issued.json()) as { access_token: string }
    expect([decodeJwt(access).iss, decodeJwt(access).aud]).toEqual([site.issuer, notes])
    expect(await isActive(site, access)).toBe(true)
    const refused = await ask('/token', formRequest('', headers), evil)
    const text = (await refused.text()) + JSON.stringify([...refused.headers])
    expect(text).toContain(`${site.issuer}/receipts/`)
    expect(text).not.toContain('evil')
  })
})

describe('an issuer identifier', () => {
  const { kek } = { kek: Buffer.alloc(32, 1) }

  it.each([
    'http://issuer.example',
    'http://192.0.2.1',
    'http://localhost.example',
    'http://127.0.0.2',
    'ftp://issuer.example',
  ])('is https off loopback: no server is %s [RFC 6749 §3.1(d), RFC 7009 §2(d)]', async (issuer) => {
    await expect(createAuthorizationServer({ issuer, store: site.store, kek })).rejects.toThrow('it must be https')
  })

  it.each([
    ['no URL', 'issuer.example', 'not a URL'],
    ['a slash at its end', 'https://issuer.example/', 'slash'],
    ['a path with a slash at its end', 'https://issuer.example/tenant/', 'slash'],
    ['a query', 'https://issuer.example?tenant=7', 'query'],
    ['an empty query', 'https://issuer.example/x?', 'query'],
    ['a fragment', 'https://issuer.example#top', 'fragment'],
    ['a user', 'https://user@issuer.example', 'user name'],
    ['capitals', 'https://Issuer.example', 'spelled https://issuer.example'],
    ['its port, which is the usual one', 'https://issuer.example:443', 'spelled https://issuer.example'],
    ['dots in its path', 'https://issuer.example/a/../b', 'spelled https://issuer.example/b'],
    ['a space', 'https://issuer.example/a b', 'spelled'],
  ])('has one spelling, without %s [RFC 8414 §2]', async (_, issuer, message) => {
    expect(issuerProblem(issuer)).toContain(message)
    await expect(createAuthorizationServer({ issuer, store: site.store, kek })).rejects.toThrow(message)
  })

  it('may be http on this machine, and only there are cookies without Secure', () => {
    for (const issuer of ['http://localhost:4000', 'http://127.0.0.1:4000', 'http://[::1]:4000/path'])
      expect([issuerProblem(issuer), isLoopbackIssuer(issuer)]).toEqual([undefined, true])
    for (const issuer of ['https://localhost:4000', 'https://issuer.example'])
      expect([issuerProblem(issuer), isLoopbackIssuer(issuer)]).toEqual([undefined, false])
  })

  it('is in every token as it is spelled', async () => {
    expect(decodeJwt(tokensOf(await ownToken(site)).access).iss).toBe('https://issuer.example')
  })
})
