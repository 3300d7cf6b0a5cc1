import { ClientError, oauthClient, Unavailable } from '@arctos/client'
import { describe, expect, it } from 'vitest'
import { publicClientId, type StrictServer, startAuthorizationServer } from './support/authorization-server.ts'
import { answers, cutBeforeActing, unavailable } from './support/faults.ts'
import { createWorld, type World } from './support/world.ts'

const wellKnown = '/.well-known/oauth-authorization-server'
const resource = 'https://api.example.com'

async function start({
  path = '',
} = {}): Promise<{ server: StrictServer; world: World; obtain: () => Promise<unknown> }> {
  const world = createWorld()
  const server = await startAuthorizationServer(world, path)
  const client = oauthClient({ issuer: server.issuer, clientId: publicClientId, timeoutMs: 2_000, ...world })
  return { server, world, obtain: () => client.accessToken({ resource }) }
}

describe('discovery', () => {
  it.each([
    ['', wellKnown],
    ['/', wellKnown],
    ['/tenant/one', `${wellKnown}/tenant/one`],
    ['/tenant/', `${wellKnown}/tenant`],
  ])('looks for the metadata of an issuer with the path "%s" at %s [RFC 8414 §3.1]', async (path, expected) => {
    const { server, obtain } = await start({ path })
    await obtain()
    expect(server.seen.map((request) => request.path)).toEqual([expected, '/token'])
  })

  it('goes on to the OpenID document where there is none, and only there [RFC 8414 §5]', async () => {
    const { server, obtain } = await start({ path: '/tenant' })
    const document = JSON.stringify({ issuer: server.issuer, token_endpoint: `${new URL(server.issuer).origin}/token` })
    server.fault(`${wellKnown}/tenant`, answers(404, 'not here'))
    server.fault(
      '/tenant/.well-known/openid-configuration',
      answers(200, document, { 'content-type': 'application/json' }),
    )
    await obtain()
    expect(server.seen.map(({ path }) => path)).toEqual([
      `${wellKnown}/tenant`,
      '/.well-known/openid-configuration/tenant',
      '/tenant/.well-known/openid-configuration',
      '/token',
    ])
  })

  it('says where it looked when there is no metadata', async () => {
    const { server, obtain } = await start()
    server.fault(wellKnown, answers(404, 'not here'))
    await expect(obtain()).rejects.toMatchObject({
      code: 'metadata_refused',
      message: expect.stringContaining(wellKnown),
    })
  })

  it.each([
    ['another issuer', (issuer: string) => `${issuer}.evil.example`],
    ['a slash more', (issuer: string) => `${issuer}/`],
    ['another case', (issuer: string) => issuer.replace('http', 'HTTP')],
    ['a list', (issuer: string) => [issuer]],
    ['nothing', () => undefined],
  ])('refuses metadata that names %s, and sends nothing [RFC 8414 §3.3, RFC 6749 §10.14(b)]', async (_, change) => {
    const { server, obtain } = await start()
    server.metadata['issuer'] = change(server.issuer)
    await expect(obtain()).rejects.toMatchObject({ code: 'issuer_mismatch' })
    expect(server.seenAt('/token')).toEqual([])
  })

  it('refuses metadata that names another issuer even where a second document would be right', async () => {
    const { server, obtain } = await start()
    server.metadata['issuer'] = 'https://evil.example'
    await expect(obtain()).rejects.toMatchObject({ code: 'issuer_mismatch' })
    expect(server.seen).toHaveLength(1)
  })

  it.each([
    'file:///etc/passwd',
    'javascript:alert(1)',
    'ms-settings:display',
    '--version',
    'http://as.example.com/token',
    'http://127.0.0.1.evil.example/token',
    'http://localhost.evil.example/token',
    'http://2130706433.example/token',
    'https://user@as.example.com/token',
    'https://@as.example.com/token',
    'https://as.example.com/token#fragment',
    'https://as.example.com\\@evil.example/token',
    'https://as.example.com/$(touch hacked)',
    'https://as.example.com/`id`',
    'https://as.example.com/token;id',
    'https://as.example.com/token|id',
    'https://as.example.com/a b',
    'https://as.example.com/\nb',
    'https://ás.example.com/token',
    'https://as.example.com/token?grant_type=password',
    `https://as.example.com/${'a'.repeat(2_000)}`,
    'https://',
    '//as.example.com/token',
    '/token',
    '',
    null,
    7,
    ['https://as.example.com/token'],
  ])('sends nothing to the endpoint %j [RFC 6749 §10.9(b), RFC 7009 §2(c), RFC 6749 §10.14(b)]', async (endpoint) => {
    const { server, obtain } = await start()
    for (const name of ['authorization_endpoint', 'token_endpoint', 'revocation_endpoint']) {
      server.metadata[name] = endpoint
      await expect(obtain()).rejects.toMatchObject({ code: 'metadata_refused', message: expect.stringContaining(name) })
      server.metadata[name] = undefined
    }
    expect(server.seenAt('/token')).toEqual([])
  })

  it('lets an https issuer name no http endpoint, not even on loopback', async () => {
    const world = createWorld()
    const issuer = 'https://as.example.com'
    const seen: string[] = []
    const fetch = async (input: string | URL | Request) => {
      seen.push(String(input))
      return Response.json({ issuer, token_endpoint: 'http://127.0.0.1:9/token' })
    }
    const client = oauthClient({ issuer, clientId: publicClientId, ...world, fetch })
    await expect(client.accessToken({ resource })).rejects.toMatchObject({ code: 'metadata_refused' })
    expect(seen).toHaveLength(1)
  })

  it('keeps the query that an endpoint has [RFC 6749 §3.2(b)]', async () => {
    const { server, obtain } = await start()
    server.metadata['token_endpoint'] = `${server.issuer}/token?tenant=a%20b`
    await obtain()
    expect(server.seenAt('/token')[0]?.query.get('tenant')).toBe('a b')
  })

  it('follows no redirect', async () => {
    const { server, obtain } = await start()
    server.fault(wellKnown, answers(302, '', { location: `${server.issuer}/elsewhere` }))
    await expect(obtain()).rejects.toMatchObject({ code: 'answer_refused' })
    expect(server.seenAt('/elsewhere')).toEqual([])
  })

  it.each([
    ['HTML', answers(200, '<!doctype html>', { 'content-type': 'text/html' })],
    ['JSON called HTML', answers(200, '{}', { 'content-type': 'text/html' })],
    ['no object', answers(200, '[]', { 'content-type': 'application/json' })],
    ['broken JSON', answers(200, '{"issuer":', { 'content-type': 'application/json' })],
    ['a repeated member', answers(200, '{"issuer":"a","issuer":"b"}', { 'content-type': 'application/json' })],
    ['more than 256 KB', answers(200, `{"a":"${'a'.repeat(262_144)}"}`, { 'content-type': 'application/json' })],
  ])('refuses metadata that is %s [RFC 6749 §10.14(b)]', async (_, fault) => {
    const { server, obtain } = await start()
    server.fault(wellKnown, fault)
    await expect(obtain()).rejects.toMatchObject({ code: 'answer_refused' })
  })

  it('takes metadata of exactly 256 KB', async () => {
    const { server, obtain } = await start()
    const members = { issuer: server.issuer, token_endpoint: `${server.issuer}/token`, padding: '' }
    const padding = 'a'.repeat(262_144 - JSON.stringify(members).length)
    server.fault(
      wellKnown,
      answers(200, JSON.stringify({ ...members, padding }), { 'content-type': 'application/json' }),
    )
    await obtain()
  })

  it('gives up a server that does not answer in time', async () => {
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    for (let count = 0; count < 4; count++) server.fault(wellKnown, () => {})
    const client = oauthClient({ issuer: server.issuer, clientId: publicClientId, timeoutMs: 50, ...world })
    await expect(client.accessToken({ resource })).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('gives up a server whose answer drips', async () => {
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    for (let count = 0; count < 4; count++) {
      server.fault(wellKnown, ({ response }) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const drip = setInterval(() => response.write(' '), 10)
        response.on('close', () => clearInterval(drip))
      })
    }
    const client = oauthClient({ issuer: server.issuer, clientId: publicClientId, timeoutMs: 80, ...world })
    await expect(client.accessToken({ resource })).rejects.toBeInstanceOf(Unavailable)
  })

  it('reads the metadata once for all calls of an hour', async () => {
    const { server, world } = await start()
    const client = oauthClient({ issuer: server.issuer, clientId: publicClientId, ...world })
    await Promise.all(['a', 'b', 'c'].map((scope) => client.accessToken({ resource, scope })))
    world.advance(3_599)
    await client.accessToken({ resource, scope: 'd' })
    expect(server.seenAt(wellKnown)).toHaveLength(1)
    world.advance(1)
    await client.accessToken({ resource, scope: 'e' })
    expect(server.seenAt(wellKnown)).toHaveLength(2)
  })

  it('does not keep a failure', async () => {
    const { server, obtain } = await start()
    server.fault(wellKnown, answers(404, ''))
    await expect(obtain()).rejects.toBeInstanceOf(ClientError)
    await obtain()
  })

  it('uses what it read before while the server has trouble with its metadata', async () => {
    const { server, world, obtain } = await start()
    await obtain()
    world.advance(4_000)
    server.fault(wellKnown, unavailable())
    await obtain()
    world.advance(4_000)
    server.fault(wellKnown, cutBeforeActing)
    await obtain()
  })
})

describe('oauthClient', () => {
  it.each([
    'http://as.example.com',
    'https://as.example.com?tenant=1',
    'https://as.example.com#top',
    'https://user:pw@as.example.com',
    'as.example.com',
    'ftp://as.example.com',
    '',
  ])('refuses the issuer %j', (issuer) => {
    expect(() => oauthClient({ issuer, clientId: 'a' })).toThrow(expect.objectContaining({ code: 'invalid_option' }))
  })

  it.each([
    'https://as.example.com',
    'https://as.example.com/tenant/',
    'http://localhost:4000',
    'http://[::1]:4000',
    'http://127.8.0.1',
  ])('takes the issuer %j', (issuer) => {
    expect(() => oauthClient({ issuer, clientId: 'a' })).not.toThrow()
  })

  it.each(['', 'é', 'a\nb', 'a'.repeat(2_001)])('refuses the client_id %j', (clientId) => {
    expect(() => oauthClient({ issuer: 'https://as.example.com', clientId })).toThrow(/clientId/)
  })
})
