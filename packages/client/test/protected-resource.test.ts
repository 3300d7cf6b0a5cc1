import type { IncomingHttpHeaders } from 'node:http'
import { type AllowedIssuers, discoverResource, type ProtectedResource } from '@arctos/client'
import { describe, expect, it } from 'vitest'
import { type StrictServer, startAuthorizationServer } from './support/authorization-server.ts'
import { listen, sendJson } from './support/http.ts'
import { startStepUpSite } from './support/step-up-site.ts'
import { createWorld } from './support/world.ts'

type Members = Readonly<Record<string, unknown>>

interface Place {
  readonly server: StrictServer
  readonly origin: string
  readonly resource: string
  /** What the resource was asked for, in order. */
  readonly seen: { readonly path: string; readonly headers: IncomingHttpHeaders }[]
  readonly discover: (changes?: {
    readonly allowIssuer?: AllowedIssuers
    readonly url?: string
    readonly response?: Response
  }) => Promise<ProtectedResource>
}

const wellKnown = '/.well-known/oauth-protected-resource'

interface Answers {
  /** Where the resource begins. */
  readonly path?: string
  /** The challenge, from the origin; `undefined`: the resource is open to all. */
  readonly challenge?: (origin: string) => string | undefined
  /** Members of the document to replace, from what it would be. */
  readonly document?: (origin: string, issuer: string) => Members
  /** Where the document lies. */
  readonly at?: string
  readonly status?: number
  readonly mediaType?: string
}

async function start(answers: Answers = {}): Promise<Place> {
  const { path = '', at = `${wellKnown}${path}`, status = 200, mediaType = 'application/json' } = answers
  const server = await startAuthorizationServer(createWorld())
  const seen: Place['seen'] = []
  const origin = await listen((request, response) => {
    const { url = '', headers } = request
    seen.push({ path: url, headers })
    if (url === at) {
      const resource = `${origin}${path}`
      const document = {
        resource,
        authorization_servers: [server.issuer],
        ...answers.document?.(origin, server.issuer),
      }
      return sendJson(response, status, document, { 'content-type': mediaType, location: '/elsewhere' })
    }
    const challenge = (answers.challenge ?? (() => 'Bearer realm="api"'))(origin)
    if (url.startsWith('/.well-known/')) return sendJson(response, 404, {})
    if (challenge === undefined) return sendJson(response, 200, {})
    return sendJson(response, 401, {}, { 'www-authenticate': challenge })
  })
  const resource = `${origin}${path}`
  return {
    server,
    origin,
    resource,
    seen,
    discover: ({ url = resource, allowIssuer = [server.issuer], ...rest } = {}) =>
      discoverResource(url, { allowIssuer, ...rest }),
  }
}

describe('an Arctos guard', () => {
  it('leads from its 401 to the login that its resource needs', async () => {
    const site = await startStepUpSite()
    const refused = await fetch(`${site.api}/notes`)
    const found = await discoverResource(site.api, { allowIssuer: [site.issuer], response: refused })
    expect(found).toMatchObject({ resource: site.api, issuer: site.issuer, scope: 'read' })
    expect(found.scopesSupported).toContain('write')
    expect((await discoverResource(site.api, { allowIssuer: [site.issuer] })).resource).toBe(site.api)
  })
})

describe('the metadata of a resource', () => {
  it.each([
    ['', wellKnown],
    ['/v1/notes', `${wellKnown}/v1/notes`],
    ['/', wellKnown],
  ])('with the path "%s" is looked for at %s where nothing points to it [RFC 9728 §3.1(b)]', async (path, at) => {
    const { discover, resource, seen, server } = await start({ path, at })
    expect(await discover()).toMatchObject({ resource, issuer: server.issuer, scope: undefined })
    expect(seen.map((request) => request.path)).toEqual([path === '' ? '/' : path, at])
  })

  it('is read where the challenge points to, with its scope [RFC 9728 §5.1(b)]', async () => {
    const challenge = (origin: string) =>
      `Basic realm="x", Bearer realm="api", scope="read", resource_metadata="${origin}/described"`
    const { discover, seen } = await start({ at: '/described', challenge })
    expect((await discover()).scope).toBe('read')
    expect(seen.map(({ path }) => path)).toEqual(['/', '/described'])
  })

  it('is found by an answer that is at hand, without asking again [RFC 9728 §5.1(b)]', async () => {
    const { discover, origin, seen } = await start({ at: '/described' })
    const headers = { 'www-authenticate': `Bearer resource_metadata="${origin}/described"` }
    await discover({ response: new Response(null, { status: 401, headers }) })
    expect(seen.map(({ path }) => path)).toEqual(['/described'])
  })

  it.each([
    ['another origin', () => 'https://evil.example/described'],
    ['another port', (origin: string) => origin.replace(/\d+$/, '1/described')],
    ['a name in it', (origin: string) => `${origin.replace('//', '//user@')}/described`],
    ['no URL', () => 'described'],
    ['a script', () => 'javascript:alert(1)'],
    ['a file', () => 'file:///etc/passwd'],
    ['a fragment', (origin: string) => `${origin}/described#x`],
  ])('is not fetched from %s, but where it belongs [RFC 9728 §7.7]', async (_, pointer) => {
    const challenge = (origin: string) => `Bearer resource_metadata="${pointer(origin)}"`
    const { discover, seen } = await start({ challenge })
    await discover()
    expect(seen.map(({ path }) => path)).toEqual(['/', wellKnown])
  })

  it('needs no 401, and no answer at all, of the resource itself [RFC 9728 §3.1(b)]', async () => {
    const { discover, server } = await start({ challenge: () => undefined })
    expect((await discover()).issuer).toBe(server.issuer)
  })

  it('is asked for without any credential, and in JSON [RFC 9728 §3.1(c)]', async () => {
    const { discover, seen } = await start()
    await discover()
    for (const { headers } of seen) expect([headers.authorization, headers.cookie]).toEqual([undefined, undefined])
    expect(seen.at(-1)?.headers.accept).toBe('application/json')
  })

  it('may spell an origin with a slash or without [RFC 9728 §3.3]', async () => {
    const { discover, origin } = await start({ document: (at) => ({ resource: `${at}/` }) })
    expect((await discover()).resource).toBe(`${origin}/`)
  })

  it.each([
    ['another origin', () => 'https://api.example.com'],
    ['a part of itself', (origin: string) => `${origin}/v1/notes`],
    ['what it is part of', (origin: string) => origin],
    ['a slash more', (origin: string) => `${origin}/v1/`],
    ['another case', (origin: string) => `${origin}/V1`],
    ['nothing', () => undefined],
    ['a list', (origin: string) => [`${origin}/v1`]],
    ['a script', () => 'javascript:alert(1)'],
  ])('is not used where it names %s [RFC 9728 §3.3(a)(c), RFC 9728 §6(b)]', async (_, named) => {
    const { discover, server } = await start({ path: '/v1', document: (origin) => ({ resource: named(origin) }) })
    await expect(discover()).rejects.toMatchObject({ code: 'resource_mismatch' })
    expect(server.seen).toHaveLength(0)
  })

  it.each([
    ['what it is part of', wellKnown, (origin: string) => origin],
    ['its neighbour', `${wellKnown}/v2`, (origin: string) => `${origin}/v2`],
  ])('is not used where its challenge points to that of %s [RFC 9728 §3.3(b)(c)]', async (_, at, named) => {
    const { discover, server } = await start({
      path: '/v1',
      at,
      challenge: (origin) => `Bearer resource_metadata="${origin}${at}"`,
      document: (origin) => ({ resource: named(origin) }),
    })
    await expect(discover()).rejects.toMatchObject({ code: 'resource_mismatch' })
    expect(server.seen).toHaveLength(0)
  })

  it.each([
    ['not there', { status: 404 }, 'metadata_refused'],
    ['HTML', { mediaType: 'text/html' }, 'answer_refused'],
    ['a redirect', { status: 302 }, 'answer_refused'],
    ['longer than 256 KB', { document: () => ({ padding: 'a'.repeat(300_000) }) }, 'answer_refused'],
    ['not given now', { status: 503 }, 'unavailable'],
    [
      'that of a resource without header',
      { document: () => ({ bearer_methods_supported: ['query'] }) },
      'metadata_refused',
    ],
  ] as const)('that is %s is named as what is wrong', async (_, answers, code) => {
    const { discover, seen } = await start(answers)
    await expect(discover()).rejects.toMatchObject({ code })
    expect(seen.map(({ path }) => path)).not.toContain('/elsewhere')
  })
})

describe('the authorization server of a resource', () => {
  const evil = 'https://evil.example'

  it.each([
    ['no list', undefined],
    ['an empty list', []],
    ['a text', 'https://evil.example'],
    ['only others', [evil, 'https://as.example.com']],
    ['the allowed one with a slash more', 'slash'],
  ])('is none where the metadata names %s [RFC 9728 §7.6]', async (_, named) => {
    const document = (_origin: string, issuer: string) => ({
      authorization_servers: named === 'slash' ? [`${issuer}/`] : named,
    })
    const { discover, server } = await start({ document })
    await expect(discover()).rejects.toMatchObject({ code: 'issuer_not_allowed' })
    expect(server.seen).toHaveLength(0)
  })

  it('is the first that is allowed [RFC 9728 §7.6]', async () => {
    const document = (_origin: string, issuer: string) => ({ authorization_servers: [evil, issuer] })
    const { discover, server } = await start({ document })
    expect((await discover()).issuer).toBe(server.issuer)
  })

  it('is decided upon by the program, which is told of the resource [RFC 9728 §7.6]', async () => {
    const { discover, server, resource } = await start()
    const asked: unknown[] = []
    const allowIssuer = async (...given: unknown[]) => asked.push(given) > 0
    expect((await discover({ allowIssuer })).issuer).toBe(server.issuer)
    expect(asked).toEqual([[server.issuer, resource]])
    await expect(discover({ allowIssuer: () => false })).rejects.toMatchObject({ code: 'issuer_not_allowed' })
  })

  it.each([
    'http://as.example.com',
    'https://as.example.com?x=1',
    'https://user@as.example.com',
    'https://as.example.com/$(reboot)',
    'javascript:alert(1)',
    '',
    7,
  ])('is never %j, whatever the program would allow', async (issuer) => {
    const { discover } = await start({ document: () => ({ authorization_servers: [issuer] }) })
    const asked: string[] = []
    const allowIssuer = (given: string) => asked.push(given) > 0
    await expect(discover({ allowIssuer })).rejects.toMatchObject({ code: 'issuer_not_allowed' })
    expect(asked).toEqual([])
  })

  it('of a resource elsewhere is never one on this machine', async () => {
    const resource = 'https://api.example.com'
    const document = { resource, authorization_servers: ['http://127.0.0.1:9', 'http://localhost:9'] }
    const asked: string[] = []
    const allowIssuer = (given: string) => asked.push(given) > 0
    const found = discoverResource(resource, { allowIssuer, fetch: async () => Response.json(document) })
    await expect(found).rejects.toMatchObject({ code: 'issuer_not_allowed' })
    expect(asked).toEqual([])
  })

  it('has to name itself as the resource named it [RFC 8414 §3.3]', async () => {
    const { discover, server } = await start()
    server.metadata['issuer'] = evil
    await expect(discover()).rejects.toMatchObject({ code: 'issuer_mismatch' })
  })
})

it.each([
  'http://api.example.com',
  'https://api.example.com?x=1',
  'https://api.example.com#x',
  'https://user@api.example.com',
  'ftp://api.example.com',
  'notes',
])('asks nobody about %s', async (url) => {
  const { discover, seen } = await start()
  await expect(discover({ url })).rejects.toMatchObject({ code: 'invalid_option' })
  expect(seen).toEqual([])
})
