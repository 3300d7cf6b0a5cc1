import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AuthorizationServerOption, type GuardRequest, resourceServer } from '../src/index.ts'
import { type Guard, guardOf, verdict } from './guard.ts'
import { hang, type Issuer, makeKey, resource, startIssuer } from './issuer.ts'

let ours: Issuer
let theirs: Issuer

beforeEach(async () => {
  ours = await startIssuer()
  theirs = await startIssuer()
})
afterEach(async () => {
  await ours.close()
  await theirs.close()
})

const requestTo = (host: string, token: string): GuardRequest => ({
  method: 'GET',
  url: '/notes',
  headers: { host, authorization: `Bearer ${token}` },
})

async function verdictAt(guard: Guard, host: string, token: string): Promise<string> {
  const decision = await guard.authorize(requestTo(host, token))
  return decision.ok ? 'good' : decision.reason
}

/** A guard whose tenants are told apart by the host of the request. */
function tenants(issuersOf: Readonly<Record<string, readonly AuthorizationServerOption[]>>): Guard {
  return guardOf(ours, {
    authorizationServers: ({ headers }) => {
      const host = (headers as Readonly<Record<string, string>>)['host'] ?? ''
      return issuersOf[host] ?? []
    },
  })
}

describe('a list of issuers', () => {
  it('takes the tokens of each, and of no other', async () => {
    const guard = guardOf(ours, { authorizationServers: [ours.issuer, theirs.issuer] })
    const stranger = await startIssuer()
    const verdicts = await Promise.all([ours, theirs, stranger].map((each) => verdict(guard, each.token())))
    expect(verdicts).toEqual(['good', 'good', 'token.issuer'])
    expect(stranger.hits.size).toBe(0)
    await stranger.close()
  })

  it('keeps keys of one kid apart [RFC 9068 §4(f)]', async () => {
    const [mine, other] = [makeKey('ES256', 'same'), makeKey('ES256', 'same')]
    ours.published = [mine.jwk]
    theirs.published = [other.jwk]
    const guard = guardOf(ours, { authorizationServers: [ours.issuer, theirs.issuer] })
    expect(await verdict(guard, ours.token({}, {}, mine))).toBe('good')
    expect(await verdict(guard, theirs.token({}, {}, other))).toBe('good')
    expect(await verdict(guard, ours.token({}, {}, other))).toBe('token.signature')
    expect(await verdict(guard, theirs.token({}, {}, mine))).toBe('token.signature')
  })

  it('may say where the keys of each are, and then no metadata is read', async () => {
    const guard = guardOf(ours, {
      authorizationServers: [ours, theirs].map(({ issuer, jwksUri }) => ({ issuer, jwksUri })),
    })
    expect(await verdict(guard, theirs.token())).toBe('good')
    expect([...theirs.hits.keys()]).toEqual(['/jwks'])
    expect(guard.metadata.authorization_servers).toEqual([ours.issuer, theirs.issuer])
  })

  it('keeps the tokens of one good while another does not answer', async () => {
    const guard = guardOf(ours, { authorizationServers: [ours.issuer, theirs.issuer] })
    const { listener, open, release } = hang()
    theirs.answers.set('/jwks', listener)
    const waiting = verdict(guard, theirs.token())
    await expect.poll(open).toBe(1)
    expect(await verdict(guard, ours.token())).toBe('good')
    release()
    expect(await waiting).toBe('keys.unavailable')
  })
})

it('writes down some of many issuers where a token is of none of them', async () => {
  const lines: string[] = []
  const authorizationServers = Array.from({ length: 1_000 }, (_, index) => `https://as-${index}.example`)
  const guard = guardOf(ours, { authorizationServers, journal: (line) => void lines.push(line) })
  expect(await verdict(guard, ours.token())).toBe('token.issuer')
  expect(lines.map((line) => line.length < 1_000)).toEqual([true])
})

describe('issuers by request', () => {
  it('are those that the function names for it, whatever the token says [RFC 9068 §4(b)]', async () => {
    const guard = tenants({ 'a.example': [ours.issuer], 'b.example': [theirs.issuer] })
    const verdicts = []
    for (const host of ['a.example', 'b.example', 'c.example']) {
      for (const token of [ours.token(), theirs.token()]) verdicts.push(await verdictAt(guard, host, token))
    }
    const no = 'token.issuer'
    expect(verdicts).toEqual(['good', no, no, 'good', no, no])
  })

  it('may be found out by asking', async () => {
    const guard = guardOf(ours, { authorizationServers: async () => [ours.issuer] })
    expect(await verdict(guard, ours.token())).toBe('good')
    expect(await verdict(guard, theirs.token())).toBe('token.issuer')
  })

  it('share nothing where two tenants name other keys for one issuer', async () => {
    const key = makeKey()
    theirs.published = [key.jwk]
    const { issuer } = ours
    const guard = tenants({
      'a.example': [{ issuer, jwksUri: ours.jwksUri }],
      'b.example': [{ issuer, jwksUri: theirs.jwksUri }],
    })
    const token = ours.token({}, {}, key)
    expect(await verdictAt(guard, 'b.example', token)).toBe('good')
    expect(await verdictAt(guard, 'a.example', token)).toBe('token.key_unknown')
  })

  it('keep their keys from one request to the next', async () => {
    const guard = tenants({ 'a.example': [ours.issuer], 'b.example': [ours.issuer] })
    for (const host of ['a.example', 'b.example', 'a.example']) await verdictAt(guard, host, ours.token())
    expect(ours.hitsOf('/jwks')).toBe(1)
  })

  it.each([
    ['no list', () => 'https://as.example' as never],
    ['nothing', () => undefined as never],
    ['an issuer without TLS', () => ['http://as.example']],
    ['an issuer with a query', () => ['https://as.example?tenant=1']],
    ['one issuer twice', () => ['https://as.example', 'https://as.example']],
    ['keys without TLS', () => [{ issuer: 'https://as.example', jwksUri: 'http://as.example/jwks' }]],
    ['1,001 issuers', () => Array.from({ length: 1_001 }, (_, index) => `https://as-${index}.example`)],
    ['a promise of no list', async () => null as never],
    [
      'nothing, for it throws',
      () => {
        throw new Error('no tenant')
      },
    ],
  ])('answer 500, a fault of ours, when the function returns %s', async (_name, authorizationServers) => {
    const guard = guardOf(ours, { authorizationServers, journal: () => {} })
    expect(await verdict(guard, ours.token())).toBe('server.fault')
    expect(ours.hits.size).toBe(0)
  })

  it('are named in no metadata: they cannot be enumerated [RFC 9728 §2]', () => {
    expect(tenants({}).metadata).toEqual({
      resource,
      scopes_supported: ['read', 'write'],
      bearer_methods_supported: ['header'],
    })
  })

  it('are not known for a bare token', async () => {
    const guard = tenants({ 'a.example': [ours.issuer] })
    await expect(guard.explain(ours.token())).rejects.toThrow(/^authorizationServers is a function: give the request/)
    const steps = await guard.explain(requestTo('a.example', ours.token()))
    expect(steps.every((step) => step.passed)).toBe(true)
  })

  it('are asked about opaque tokens only where they are trusted [RFC 7662 §2.1(a)]', async () => {
    ours.answers.set('/introspect', (_request, response) => response.end('{"active":true,"client_id":"client-1"}'))
    const guard = guardOf(ours, {
      authorizationServers: ({ headers }) =>
        (headers as Readonly<Record<string, string>>)['host'] === 'a.example' ? [ours.issuer] : [theirs.issuer],
      introspection: { issuer: ours.issuer, clientId: 'rs', clientSecret: 's' },
    })
    expect(await verdictAt(guard, 'b.example', 'opaque')).toBe('token.issuer')
    expect(ours.hits.size).toBe(0)
    expect(await verdictAt(guard, 'a.example', 'opaque')).toBe('good')
  })

  it('need their issuer of opaque tokens named at start', () => {
    const introspection = { clientId: 'rs', clientSecret: 's' }
    expect(() => guardOf(ours, { authorizationServers: () => [], introspection })).toThrow(
      /^resourceServer: introspection\.issuer is undefined; allowed is /,
    )
  })

  it('keep the keys of 1,000, and forget those not used for longest', async () => {
    const { jwksUri } = ours
    const guard = resourceServer({
      resource,
      scopes: {},
      journal: () => {},
      authorizationServers: ({ url }) => [{ issuer: `https://as.example${url}`, jwksUri }],
    })
    const visit = async (tenant: number): Promise<boolean> => {
      const before = ours.hitsOf('/jwks')
      const token = ours.token({ iss: `https://as.example/${tenant}` })
      const headers = { authorization: `Bearer ${token}` }
      const { ok } = await guard.authorize({ method: 'GET', url: `/${tenant}`, headers })
      expect(ok).toBe(true)
      return ours.hitsOf('/jwks') > before
    }
    for (let tenant = 0; tenant < 1_000; tenant++) await visit(tenant)
    expect(await visit(0)).toBe(false)
    await visit(1_000)
    expect(await visit(0)).toBe(false)
    expect(await visit(1)).toBe(true)
  })
})

it('gives no decision of one audience to another, however warm [RFC 9068 §4(c)]', async () => {
  const token = ours.token()
  const here = guardOf(ours)
  const elsewhere = guardOf(ours, { resource: 'https://other.example.com' })
  expect(await verdict(here, token)).toBe('good')
  expect(await verdict(elsewhere, token)).toBe('token.audience')
  expect(await verdict(here, token)).toBe('good')
})
