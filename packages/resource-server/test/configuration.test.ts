import { describe, expect, it } from 'vitest'
import { type ResourceServerOptions, resourceServer } from '../src/index.ts'

type Options = ResourceServerOptions<Record<string, string>>
const good: Options = {
  resource: 'https://api.example.com',
  authorizationServers: ['https://as.example.com'],
  scopes: { read: '' },
}
const introspection = { clientId: 'rs', clientSecret: 's' }
const start = (options: Record<string, unknown>) => () => resourceServer({ ...good, ...options } as Options)

it('a guard does not start with an option that there is not', () => {
  const options = { revocation: { clientId: 'rs', clientSecret: 's' } }
  expect(start(options)).toThrow('resourceServer: revocation is no option; there are resource, audiences, ')
})

describe('a guard does not start', () => {
  it.each([
    ['experimental.statusRequired', { experimental: { statusRequired: true } }],
    ['resource', { resource: undefined }],
    ['resource', { resource: '' }],
    ['resource', { resource: 'api' }],
    ['resource', { resource: 'https://api.example.com/?a' }],
    ['resource', { resource: 'https://api.example.com/#a' }],
    ['authorizationServers', { authorizationServers: [] }],
    ['authorizationServers', { authorizationServers: undefined }],
    ['authorizationServers', { authorizationServers: ['as.example.com'] }],
    ['authorizationServers', { authorizationServers: ['http://as.example.com'] }],
    ['authorizationServers', { authorizationServers: ['https://as.example.com?a'] }],
    ['authorizationServers', { authorizationServers: ['https://as.example.com', 'https://as.example.com'] }],
    ['scopes', { scopes: { 'two words': '' } }],
    ['scopes', { scopes: { '"': '' } }],
    ['scopes', { scopes: ['read'] }],
    ['jwksUri', { jwksUri: 'http://as.example.com/jwks' }],
    ['jwksUri', { jwksUri: 'file:///etc/passwd' }],
    ['jwksUri', { jwksUri: 'https://a.example/', authorizationServers: ['https://a.example', 'https://b.example'] }],
    ['jwksUri', { jwksUri: 'https://a.example/', authorizationServers: () => ['https://a.example'] }],
    [
      'jwksUri',
      {
        jwksUri: 'https://a.example/',
        authorizationServers: [{ issuer: 'https://a.example', jwksUri: 'https://a.example/jwks' }],
      },
    ],
    ['authorizationServers', { authorizationServers: [7] }],
    ['authorizationServers', { authorizationServers: [null] }],
    ['authorizationServers', { authorizationServers: [{ issuer: 'http://as.example.com' }] }],
    [
      'authorizationServers.jwksUri',
      { authorizationServers: [{ issuer: 'https://as.example.com', jwksUri: 'http://as.example.com/jwks' }] },
    ],
    ['staleIfErrorSeconds', { staleIfErrorSeconds: 59 }],
    ['staleIfErrorSeconds', { staleIfErrorSeconds: 86_401 }],
    ['staleIfErrorSeconds', { staleIfErrorSeconds: Number.NaN }],
    ['typ', { typ: 'jwt' }],
    ['clockToleranceSeconds', { clockToleranceSeconds: 61 }],
    ['clockToleranceSeconds', { clockToleranceSeconds: -1 }],
    ['clockToleranceSeconds', { clockToleranceSeconds: Number.NaN }],
    ['introspection.clientId', { introspection: { ...introspection, clientId: '' } }],
    ['introspection.clientSecret', { introspection: { ...introspection, clientSecret: '' } }],
    ['introspection.endpoint', { introspection: { ...introspection, endpoint: 'http://as.example.com/i' } }],
    ['introspection.issuer', { introspection: { ...introspection, issuer: 'https://other.example' } }],
    ['introspection.issuer', { introspection, authorizationServers: ['https://a.example', 'https://b.example'] }],
    ['introspection.maxAgeSeconds', { introspection: { ...introspection, maxAgeSeconds: 61 } }],
    ['revocations.clientId', { revocations: { clientSecret: 's' } }],
    ['revocations.clientId', { revocations: { clientId: '', clientSecret: 's' } }],
    ['revocations.clientSecret', { revocations: { clientId: 'rs' } }],
    ['revocations.clientSecret', { revocations: { ...introspection, accessToken: 't' } }],
    ['revocations.clientSecret', { revocations: { clientId: 'rs', clientSecret: '' } }],
    ['revocations.clientKey', { revocations: { clientId: 'rs', clientKey: { kty: 'EC' } } }],
    ['revocations.issuer', { revocations: { ...introspection, issuer: 'https://other.example' } }],
    ['revocations.issuer', { revocations: [introspection, introspection] }],
    ['revocations.issuer', { revocations: introspection, authorizationServers: () => ['https://a.example'] }],
    ['revocations.transmitter', { revocations: { ...introspection, transmitter: 'http://as.example.com' } }],
    ['revocations.audience', { revocations: { ...introspection, audience: '' } }],
    ['revocations.delivery', { revocations: { ...introspection, delivery: 'pull' } }],
    ['revocations.endpoint', { revocations: { ...introspection, delivery: 'push' } }],
    ['revocations.endpoint', { revocations: { ...introspection, endpoint: 'https://a.example/events' } }],
    ['revocations.staleAfterSeconds', { revocations: { ...introspection, staleAfterSeconds: 0 } }],
    ['revocations.staleAfterSeconds', { revocations: { ...introspection, staleAfterSeconds: '5' } }],
    ['revocations.unavailableAfterSeconds', { revocations: { ...introspection, unavailableAfterSeconds: 4 } }],
    ['revocations.unavailableAfterSeconds', { revocations: { ...introspection, staleAfterSeconds: 90 } }],
    ['revocations.whenStale', { revocations: { ...introspection, whenStale: 'hope' } }],
    ['revocations.whenStale', { revocations: { ...introspection, whenStale: 'introspect' } }],
  ])('with a wrong %s, and names it: %j', (key, options) => {
    expect(start(options)).toThrow(new RegExp(`^resourceServer: ${key.replace('.', '\\.')} is .+; allowed is `))
  })

  it('with a policy that names an unknown scope, or none at all', () => {
    const api = resourceServer(good)
    for (const scope of ['other', [], ['read', 'other'], { any: [] }, { any: ['other'] }]) {
      expect(() => api.guard({ scope } as never)).toThrow(
        /^policy: scope is .+; allowed are the scopes of the resource: read$/,
      )
    }
  })

  it.each([
    ['introspection.clientSecret', { introspection: { clientId: 'rs' } }],
    ['sharedSecret.secret', { sharedSecret: { kid: 'k', secret: undefined } }],
  ])('with no %s at all, and says so instead of hiding it', (key, options) => {
    expect(start(options)).toThrow(`resourceServer: ${key} is undefined; allowed is `)
  })
})

describe('a guard starts', () => {
  it.each([
    [{ clockToleranceSeconds: 0 }],
    [{ clockToleranceSeconds: 60 }],
    [
      {
        authorizationServers: [
          'http://localhost:4000',
          'http://127.0.0.1:4000',
          'http://[::1]:4000',
          'https://as.example/t',
        ],
      },
    ],
    [{ resource: 'http://localhost:4001' }],
    [{ staleIfErrorSeconds: 60 }],
    [{ staleIfErrorSeconds: 86_400 }],
    [{ typ: 'JWT' }],
    [{ introspection: { ...introspection, maxAgeSeconds: 60 } }],
  ])('with %j', (options) => {
    expect(start(options)).not.toThrow()
  })
})

it('shows neither a secret nor user information of a URL in its complaint', () => {
  const secret = { introspection: { clientId: '', clientSecret: 'marker' } }
  const url = { authorizationServers: ['https://user:marker@as.example.com'] }
  for (const options of [secret, url]) {
    expect(start(options)).toThrow(expect.objectContaining({ message: expect.not.stringContaining('marker') }))
  }
})
