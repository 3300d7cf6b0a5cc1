import { bff } from '@arctos/bff'
import { oauthClient } from '@arctos/client'
import { testAuthorizationServer } from '@arctos/testing'
import { describe, expect, it } from 'vitest'
import { loggedIn, startSite } from './support/site.ts'

const apis = { '/api': { resource: 'https://api.example.com' } }

describe('cookies', () => {
  it('are Secure, HttpOnly, of this host alone, and the session Strict [RFC 10017 §6.1.3.2(a)(b)(c)(d)(e)(f)]', async () => {
    const as = await testAuthorizationServer()
    const client = oauthClient({ issuer: as.issuer, clientId: 'web', fetch: as.fetch })
    const app = bff({ client, origin: 'https://app.example.com', apis })
    const login = await app.handle(new Request('https://app.example.com/bff/login'))
    expect(login?.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-Http-bff-login=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/),
    ])
    const origin = 'https://app.example.com'
    const headers = { 'arctos-bff': '1', origin }
    const logout = await app.handle(new Request(`${origin}/bff/logout`, { method: 'POST', headers }))
    expect(logout?.headers.getSetCookie()).toEqual([
      '__Host-Http-bff=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict',
    ])
    await as.close()
  })

  it('lack the prefix and Secure on loopback without TLS alone', async () => {
    const { visitor } = await loggedIn(await startSite())
    expect(visitor.setCookies.filter((set) => set.startsWith('bff'))).toEqual([
      expect.stringMatching(/^bff-login=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/),
      expect.stringMatching(/^bff=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/),
    ])
  })

  it('are set at login and logout and at no other time', async () => {
    const { visitor, call, session } = await loggedIn(await startSite())
    const set = visitor.setCookies.length
    await call('/api/notes/all')
    await session()
    expect(visitor.setCookies).toHaveLength(set)
  })
})

describe('options that cannot be used', () => {
  const client = oauthClient({ issuer: 'https://as.example.com', clientId: 'web' })
  const good = { client, origin: 'https://app.example.com', apis }
  const withApi = (api: object, prefix = '/api') => ({ ...good, apis: { [prefix]: { ...apis['/api'], ...api } } })

  it.each([
    ['an origin without TLS', { ...good, origin: 'http://app.example.com' }],
    ['an origin with a path', { ...good, origin: 'https://app.example.com/' }],
    ['an origin that is none', { ...good, origin: 'app.example.com' }],
    ['no API', { ...good, apis: {} }],
    ['an API at the endpoints', withApi({}, '/bff')],
    ['an API around the endpoints', { ...withApi({}, '/app'), path: '/app/bff' }],
    ['an API at no plain path', withApi({}, '/api/../x')],
    ['an API at the root', withApi({}, '/')],
    ['an API elsewhere than its resource', withApi({ baseUrl: 'https://other.example.com' })],
    [
      'an API above its resource',
      withApi({ resource: 'https://api.example.com/v1', baseUrl: 'https://api.example.com' }),
    ],
    ['an API whose base has a query', withApi({ baseUrl: 'https://api.example.com/?tenant=1' })],
    ['a resource that is none', withApi({ resource: 'api' })],
    ['a method that is none', withApi({ methods: ['TRACE'] })],
    ['a header that must not pass', withApi({ requestHeaders: ['Cookie'] })],
    ['a header that must not come back', withApi({ answerHeaders: ['Set-Cookie'] })],
    ['an idle time beyond the whole', { ...good, idleSeconds: 100, absoluteSeconds: 50 }],
    ['no time', { ...good, idleSeconds: 0 }],
    ['a path that is none', { ...good, path: 'bff/' }],
  ])('%s', (_, options) => {
    expect(() => bff(options)).toThrow(TypeError)
  })

  it('are not these', () => {
    expect(() => bff(withApi({ baseUrl: 'https://api.example.com/v2', requestHeaders: ['X-Tenant'] }))).not.toThrow()
    expect(() => bff({ ...good, origin: 'http://[::1]:3000' })).not.toThrow()
  })
})
