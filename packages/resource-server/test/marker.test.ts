import { randomBytes } from 'node:crypto'
import { formatOpaqueToken } from '@arctos/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { mcpGuard, tokenVerifier } from '../src/adapters/mcp.ts'
import { accessOf, type Meter, type ResourceServerOptions, readJournalLine } from '../src/index.ts'
import { apps } from './apps.ts'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, makeKey, sendJson, signAnything, startIssuer } from './issuer.ts'
import { createMarkerNet, formsOf, type MarkerNet } from './marker.ts'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())
beforeEach(() => issuer.answers.clear())

const opaque = formatOpaqueToken('accessToken', randomBytes(36)).reveal()
const clientSecret = `marker-${randomBytes(24).toString('base64url')}`
const sharedSecret = randomBytes(32).toString('base64url')

/** Tokens that pass, that fail at each check, and that are none. */
function tokensOf({ token, claims, key }: Issuer): readonly string[] {
  const good = token()
  const [header = '', payload = '', signature = ''] = good.split('.')
  const none = Buffer.from('{"alg":"none"}').toString('base64url')
  return [
    good,
    token({ exp: 1 }),
    token({ iat: 9_999_999_999 }),
    token({ aud: 'https://other.example' }),
    token({ iss: 'https://other.example' }),
    token({ cnf: { jkt: 'x' } }),
    token({ scope: undefined }),
    token({ exp: 'soon' }),
    token({}, { kid: undefined }),
    token({}, { typ: 'JWT' }),
    token({}, { alg: 'HS256', kid: 'shared' }),
    token({}, { crit: ['x'] }),
    token({}, {}, makeKey('ES256', key.kid)),
    token({}, {}, makeKey('RS256', key.kid)),
    signAnything({ alg: 'ES256', kid: key.kid, typ: 'at+jwt' }, '{"a":1,"a":2}', key),
    signAnything({ alg: 'ES256', kid: key.kid, typ: 'at+jwt' }, `${JSON.stringify(claims())}x`, key),
    `${header}.${payload}.`,
    `${none}.${payload}.`,
    `${header}.${payload}.${signature}==`,
    `${header}.${payload}`,
    `${good}.${good}.${good}`,
    `${good}${'A'.repeat(9_000)}`,
    opaque,
    `${opaque}x`,
    `${opaque}.${opaque}`,
  ]
}

/** The ways in which a client, by mistake or not, may send a token. */
function requestsWith(token: string): readonly Parameters<Guard['authorize']>[0][] {
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const authorizations = [
    `Bearer ${token}`,
    `bearer  ${token}`,
    `Bearer ${token} ${token}`,
    `Bearer ${token}, Bearer ${token}`,
    `Bearer "${token}"`,
    `Basic ${Buffer.from(`client:${token}`).toString('base64')}`,
    `DPoP ${token}`,
    `Token token=${token}`,
    token,
    `Bearer${token}`,
    `${token}, Bearer x`,
  ]
  return [
    ...authorizations.map((authorization) => ({ method: 'GET', url: '/notes', headers: { authorization } })),
    { method: 'GET', url: '/notes', headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] } },
    { method: 'GET', url: `/notes?access_token=${token}`, headers: {} },
    { method: 'GET', url: `/notes?access_token=${token}&access_token=${token}`, headers: {} },
    { method: 'GET', url: `/notes?access_token="${token}"`, headers: {} },
    { method: 'GET', url: `https://api.example.com/notes?access_token=${token}#${token}`, headers: {} },
    { method: 'GET', url: `/notes#access_token=${token}`, headers: {} },
    { method: 'GET', url: `/notes/${token}`, headers: {} },
    { method: 'GET', url: `/notes%3Faccess_token=${token}`, headers: { authorization: 'Bearer x' } },
    { method: token, url: '/notes', headers: { authorization: `Bearer ${token}` } },
    { method: 'POST', url: '/notes', headers: form, form: { access_token: token } },
    { method: 'POST', url: '/notes', headers: form, form: { access_token: [token, token] } },
    { method: 'POST', url: '/notes', headers: form, form: { access_token: `${token}é` } },
    { method: 'POST', url: `/notes?access_token=${token}`, headers: form, form: { access_token: token } },
  ]
}

/** Everything that the guard says, to whomever, about every request with every token. */
async function pushThrough(guard: Guard, tokens: readonly string[], net: MarkerNet): Promise<void> {
  const verify = guard.verifier({ scope: 'write' })
  for (const token of tokens) {
    for (const request of requestsWith(token)) {
      const decision = await guard.authorize(request, { scope: 'write' })
      net.keep(decision)
      if (!decision.ok) net.keep(guard.findRefusal(decision.receipt ?? ''))
      net.keep(await guard.explain(request, { scope: 'write' }).catch((error: unknown) => error))
    }
    net.keep(await guard.authorize({ method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } }))
    net.keep(await guard.explain(token).catch((error: unknown) => error))
    net.keep(await new Promise((resolve) => resolve(verify(token))).catch((error: unknown) => error))
  }
  net.keep(guard.metrics())
  net.keep(guard)
}

/** A guard with everything switched on, each line and report of which falls into the net. */
function openGuard(
  net: MarkerNet,
  options: Partial<ResourceServerOptions<{ read: string; write: string }>> = {},
): Guard {
  const keepAll = (value: unknown): void => net.keep(value)
  const instrument = {
    addCallback: (read: (result: { observe: (value: number, attributes: object) => void }) => void) =>
      read({ observe: (_, attributes) => net.keep(attributes) }),
    record: (_: number, attributes: object) => net.keep(attributes),
  }
  const meter: Meter = {
    createObservableCounter: () => instrument,
    createObservableGauge: () => instrument,
    createHistogram: () => instrument,
  }
  return guardOf(issuer, {
    introspection: { clientId: 'rs', clientSecret, maxAgeSeconds: 5 },
    sharedSecret: { kid: 'shared', secret: sharedSecret },
    transports: { form: true, query: true },
    meter,
    onRefusal: keepAll,
    journal(line) {
      net.keep(line)
      net.keep(readJournalLine(line))
    },
    receipts: { seal: (content) => void net.keep(content) },
    ...options,
  })
}

describe('the net', () => {
  it.each(formsOf(opaque).map((form, index) => [index, form] as const))(
    'catches twelve characters of a token in form %i',
    (_, form) => {
      const net = createMarkerNet([opaque])
      net.keep({ deep: { inside: new Error(`broken: ${form.slice(20, 32)}`) } })
      expect(net.found()).toHaveLength(1)
    },
  )

  it('lets eleven through, and words of ours', () => {
    const net = createMarkerNet([opaque])
    net.keep(`${opaque.slice(20, 31)} token.expired`)
    expect(net.found()).toEqual([])
  })
})

describe('a token, and the secrets of the guard', () => {
  const netFor = (tokens: readonly string[]): MarkerNet => createMarkerNet([...tokens, clientSecret, sharedSecret])

  it.each([
    ['says that it is active', 200, { active: true, client_id: 'client-1', sub: 'user-1' }],
    ['says that it is not', 200, { active: false }],
    ['repeats it in an error', 400, { error: 'invalid_request', error_description: `what is ${opaque}?` }],
    ['repeats it as its type', 200, { active: true, token_type: opaque }],
  ])('appear in nothing that the guard says while introspection %s [RFC 6749 §10.3(a)]', async (_, status, body) => {
    issuer.answers.set('/introspect', (_request, response) => sendJson(response, body, {}, status))
    const tokens = tokensOf(issuer)
    const net = netFor(tokens)
    await pushThrough(openGuard(net), tokens, net)
    expect(net.found()).toEqual([])
    expect(net.size()).toBeGreaterThan(100_000)
  })

  it('appear nowhere when fetching fails with an error that repeats all that was sent', async () => {
    const net = netFor([opaque])
    const guard = openGuard(net, {
      fetch: async (url, init) => {
        throw new TypeError(`${url} ${JSON.stringify(init)}`, { cause: new Error(String(init.body)) })
      },
    })
    await pushThrough(guard, [opaque], net)
    net.keep(await guard.reload().catch((error: unknown) => error))
    expect(net.found()).toEqual([])
  })

  it('appear nowhere when a function of the application fails with an error that repeats them', async () => {
    const tokens = [issuer.token(), opaque]
    const net = netFor(tokens)
    const guard = openGuard(net, {
      authorizationServers: ({ url, headers }) => {
        throw new RangeError(`no tenant for ${url} ${JSON.stringify(headers)}`)
      },
      introspection: undefined,
      sharedSecret: undefined,
    })
    for (const token of tokens) {
      for (const request of requestsWith(token)) net.keep(await guard.authorize(request))
    }
    expect(net.found()).toEqual([])
  })

  it('appear nowhere on standard error, where lines go without a journal, or when it fails', async () => {
    const tokens = tokensOf(issuer)
    const net = netFor(tokens)
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      net.keep(String(text))
      return true
    })
    try {
      await pushThrough(guardOf(issuer, { journal: undefined }), tokens, net)
      const failing = (told: unknown): never => {
        throw new Error(`disk full: ${JSON.stringify(told)}`)
      }
      await pushThrough(guardOf(issuer, { journal: failing, onRefusal: failing }), tokens, net)
      expect(write.mock.calls.length).toBeGreaterThan(tokens.length)
    } finally {
      write.mockRestore()
    }
    expect(net.found()).toEqual([])
  })
})

describe.each(Object.entries(apps))('a token in %s', (_, start) => {
  it('appears in no answer and in nothing that is written down', async () => {
    const tokens = tokensOf(issuer).filter((token) => token.length < 2_000)
    const net = createMarkerNet([...tokens, clientSecret, sharedSecret])
    issuer.answers.set('/introspect', (_request, response) => sendJson(response, { active: false }))
    const guard = openGuard(net)
    const app = await start(guard)
    try {
      for (const token of tokens) {
        const form = `note=hello&access_token=${token}`
        for (const sent of [
          { authorization: [`Bearer ${token}`] },
          { authorization: [`Bearer ${token}`, `Bearer ${token}`] },
          { authorization: [`Basic ${token}`], path: `/write?access_token=${token}` },
          { path: `/read?access_token=${token}` },
          { method: 'POST', body: form },
          { method: 'POST', body: `${form}&access_token=${token}`, authorization: [`Bearer ${token}`] },
        ]) {
          net.keep(await app.ask({ path: '/write', ...sent }))
        }
      }
    } finally {
      await app.close()
    }
    net.keep(guard.metrics())
    expect(net.found()).toEqual([])
    expect(net.size()).toBeGreaterThan(10_000)
  })
})

describe('a token at an MCP server', () => {
  it('appears in no answer, in nothing that its handlers are given, and in no error', async () => {
    const tokens = tokensOf(issuer)
    const net = createMarkerNet(tokens)
    const guard = openGuard(net, { transports: undefined, introspection: undefined })
    const register = (): never => {
      throw new Error('nothing is registered')
    }
    const server = { registerTool: register, registerPrompt: register, registerResource: register }
    const { protect } = mcpGuard(
      guard,
      () => server,
      () => {},
    )
    const call = protect((_request, options) => {
      net.keep(options)
      net.keep(accessOf({ access: options.authInfo.extra.access }))
      return new Response('done')
    })
    const { verifyAccessToken } = tokenVerifier(guard, (sentence) => new Error(sentence))
    for (const token of tokens) {
      for (const authorization of [`Bearer ${token}`, `Bearer ${token} ${token}`, `Basic ${token}`]) {
        const headers = { authorization, 'content-type': 'application/json', 'mcp-method': 'ping' }
        const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping', params: {} })
        const response = await call(new Request('https://api.example.com/mcp', { method: 'POST', headers, body }))
        net.keep([response.status, [...response.headers], await response.text()])
      }
      net.keep(await verifyAccessToken(token).catch((error: unknown) => error))
    }
    expect(net.found()).toEqual([])
    expect(net.size()).toBeGreaterThan(10_000)
  })
})
