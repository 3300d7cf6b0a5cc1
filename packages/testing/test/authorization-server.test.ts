import { resourceServer } from '@arctos/resource-server'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type TestAuthorizationServer,
  type TestAuthorizationServerOptions,
  type TokenOrder,
  testAuthorizationServer,
} from '../src/index.ts'

const resource = 'https://api.example.com'
const scopes = { read: 'Read notes', write: 'Change notes' }

async function start(options?: TestAuthorizationServerOptions): Promise<TestAuthorizationServer> {
  const as = await testAuthorizationServer(options)
  onTestFinished(as.close)
  return as
}

type Introspection = { readonly clientId: string; readonly clientSecret: string }

function guardOf({ issuer, fetch, clock }: TestAuthorizationServer, introspection?: Introspection) {
  const options = { resource, scopes, authorizationServers: [issuer], fetch, now: clock.now, journal: () => {} }
  const api = resourceServer({ ...options, introspection })
  /** `good`, or the reason of the refusal. */
  return async (token: string, scope: 'read' | 'write' = 'read'): Promise<string> => {
    const headers = { authorization: `Bearer ${token}` }
    const decision = await api.authorize({ method: 'GET', url: '/', headers }, { scope })
    return decision.ok ? `good for ${decision.access.subject}` : decision.reason
  }
}

describe('accessToken', () => {
  it('gives a token that the client has for itself', async () => {
    const as = await start()
    expect(await guardOf(as)(await as.accessToken())).toBe('good for client-1')
  })

  it('gives a token for the user that is named', async () => {
    const as = await start()
    const verdict = guardOf(as)
    expect(await verdict(await as.accessToken({ sub: 'u1' }))).toBe('good for u1')
    expect(await verdict(await as.accessToken({ sub: 'u1', clientId: 'another' }))).toBe('good for u1')
  })

  it('gives what scope is asked for', async () => {
    const as = await start()
    const verdict = guardOf(as)
    expect(await verdict(await as.accessToken({ sub: 'u1', scope: 'read' }), 'write')).toBe('token.scope')
    expect(await verdict(await as.accessToken({ scope: ['read', 'write'] }), 'write')).toBe('good for client-1')
  })

  it.each(['jwt', 'opaque'] as const)('says in a %s token how and when its user signed in', async (tokenFormat) => {
    const as = await start({ resources: [{ identifier: resource, scopes: ['read', 'write'], tokenFormat }] })
    const { issuer, fetch, clock } = as
    const introspection = await as.introspectionCredential()
    const options = { resource, scopes, authorizationServers: [issuer], fetch, now: clock.now, journal: () => {} }
    const api = resourceServer({ ...options, introspection })
    const ask = async (order: TokenOrder) => {
      const headers = { authorization: `Bearer ${await as.accessToken({ sub: 'u1', ...order })}` }
      const decision = await api.authorize({ method: 'GET', url: '/', headers }, { acr: 'mfa', maxAgeSeconds: 60 })
      return decision.ok ? decision.access.acr : decision.reason
    }
    expect([
      await ask({ acr: 'mfa' }),
      await ask({ acr: 'mfa', authTime: clock.seconds() - 600 }),
      await ask({}),
    ]).toEqual(['mfa', 'token.authentication_age', 'token.authentication_context'])
  })

  it('names a scope and an audience that are not registered', async () => {
    const as = await start()
    await expect(as.accessToken({ scope: 'reed' })).rejects.toThrow('scope: "reed" is none of https://api.example.com')
    await expect(as.accessToken({ audience: 'https://b.example' })).rejects.toThrow(
      'https://b.example is not registered',
    )
  })

  it.each([
    ['wrongAudience', 'token.audience'],
    ['wrongIssuer', 'token.issuer'],
    ['expired', 'token.expired'],
    ['notYetValid', 'token.issued_in_future'],
    ['wrongSignature', 'token.signature'],
    ['unknownKey', 'token.key_unknown'],
    ['idToken', 'token.type'],
    ['senderConstrained', 'token.sender_constrained'],
  ] as const)('.%s() gives one that is wrong in that alone', async (name, reason) => {
    const as = await start()
    expect(await guardOf(as)(await as.accessToken[name]({ sub: 'u1' }))).toBe(reason)
  })

  it('signs claims and header as they are wanted', async () => {
    const as = await start()
    const verdict = guardOf(as)
    expect(await verdict(await as.accessToken({ claims: { sub: 'someone' } }))).toBe('good for someone')
    expect(await verdict(await as.accessToken({ claims: { jti: undefined } }))).toBe('token.claim_invalid')
    expect(await verdict(await as.accessToken({ header: { typ: 'JWT' } }))).toBe('token.type')
    expect(await verdict(await as.accessToken({ expiresIn: -60 }))).toBe('token.expired')
  })

  it('lives as long as the resource says', async () => {
    const as = await start({ resources: [{ identifier: resource, scopes, accessTokenLifetimeSeconds: 60 }] })
    const verdict = guardOf(as)
    const token = await as.accessToken({ sub: 'u1' })
    as.clock.advance('59s')
    expect(await verdict(token)).toBe('good for u1')
    as.clock.advance('30s')
    expect(await verdict(token)).toBe('token.expired')
  })
})

describe('opaque tokens', () => {
  it('are good until they are revoked', async () => {
    const as = await start({ resources: [{ identifier: resource, scopes, tokenFormat: 'opaque' }] })
    const verdict = guardOf(as, await as.introspectionCredential())
    const [own, users] = [await as.accessToken(), await as.accessToken({ sub: 'u1' })]
    expect([await verdict(own), await verdict(users)]).toEqual(['good for client-1', 'good for u1'])
    await as.revoke(users)
    expect([await verdict(own), await verdict(users)]).toEqual(['good for client-1', 'token.inactive'])
  })

  it('have no claims to be changed', async () => {
    const as = await start({ resources: [{ identifier: resource, scopes, tokenFormat: 'opaque' }] })
    await expect(as.accessToken.expired()).rejects.toThrow('an opaque token has no claims')
  })
})

describe('rotateKeys', () => {
  it('signs with a new key, and keeps the old one', async () => {
    const as = await start()
    const verdict = guardOf(as)
    const old = await as.accessToken()
    expect(await verdict(old)).toBe('good for client-1')
    expect(await as.rotateKeys()).toBe(as.signingKey().kid)
    expect(await verdict(await as.accessToken())).toBe('good for client-1')
    expect(await verdict(old)).toBe('good for client-1')
  })

  it('withdraws the old ones where that is wanted', async () => {
    const as = await start()
    const old = await as.accessToken()
    await as.rotateKeys({ withdraw: true })
    expect(await guardOf(as)(old)).toBe('token.key_unknown')
  })
})

describe('the revocation feed', () => {
  it('tells a guard what was taken back, and can be out of order', async () => {
    const as = await start()
    const { issuer, fetch, clock } = as
    const revocations = await as.introspectionCredential()
    const options = { resource, scopes, authorizationServers: [issuer], fetch, now: clock.now, journal: () => {} }
    const api = resourceServer({ ...options, revocations })
    onTestFinished(api.close)
    const token = await as.accessToken()
    const verdict = async () => {
      const headers = { authorization: `Bearer ${token}` }
      const decision = await api.authorize({ method: 'GET', url: '/', headers }, { revocations: 'strict' })
      return decision.ok ? 'good' : decision.reason
    }
    expect(await verdict()).toBe('good')
    const restore = as.outage('feed')
    clock.advance('6s')
    expect(await verdict()).toBe('revocation.stale')
    restore()
    await expect.poll(verdict, { timeout: 10_000 }).toBe('good')
    await as.revoke(token)
    await expect.poll(verdict, { timeout: 10_000 }).toBe('token.revoked')
  })
})

describe('outage', () => {
  it.each(['error', 'page', 'redirect'] as const)('keeps a guard from the keys: %s', async (kind) => {
    const as = await start()
    const restore = as.outage('jwks', kind)
    expect(await guardOf(as)(await as.accessToken())).toBe('keys.unavailable')
    restore()
    expect(await guardOf(as)(await as.accessToken())).toBe('good for client-1')
  })

  it('leaves alone what it is not about', async () => {
    const as = await start()
    const api = guardOf(as)
    expect(await api(await as.accessToken())).toBe('good for client-1')
    as.outage('introspection')
    expect((await as.fetch(`${as.issuer}/introspect`, { method: 'POST' })).status).toBe(500)
    expect((await as.fetch(`${as.issuer}/jwks`)).status).toBe(200)
  })

  it('lets a request hang until it is over, or the request is given up', async () => {
    const as = await start()
    const restore = as.outage('all', 'hang')
    const waiting = as.fetch(`${as.issuer}/jwks`)
    const given = as.fetch(`${as.issuer}/jwks`, { signal: AbortSignal.abort(new Error('given up')) })
    await expect(given).rejects.toThrow('given up')
    restore()
    expect((await waiting).status).toBe(503)
  })
})

describe('the server itself', () => {
  it('is reached by its fetch, and nothing else is', async () => {
    const as = await start()
    const { issuer } = (await (await as.fetch(`${as.issuer}/.well-known/oauth-authorization-server`)).json()) as {
      issuer: string
    }
    expect(issuer).toBe(as.issuer)
    await expect(as.fetch('https://elsewhere.example/')).rejects.toThrow('fetch failed')
    expect(as.requests).toEqual(['/.well-known/oauth-authorization-server'])
  })

  it('listens where that is wanted', async () => {
    const as = await start({ listen: true })
    expect(as.issuer).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await fetch(`${as.issuer}/jwks`)).status).toBe(200)
  })

  it('refuses an issuer of its own where it listens', async () => {
    await expect(start({ listen: true, issuer: 'https://as.example' })).rejects.toThrow(TypeError)
  })

  it.each([-1, Number.NaN, '1 year', '-5m', ''])('refuses to move its clock by %j', async (by) => {
    const { clock } = await start()
    expect(() => clock.advance(by)).toThrow(RangeError)
  })
})
