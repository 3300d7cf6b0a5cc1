import { oauthClient } from '@arctos/client'
import { describe, expect, it } from 'vitest'
import { publicClientId, startAuthorizationServer } from './support/authorization-server.ts'
import { answers, cutBeforeActing, cutWithinAnswer, unavailable } from './support/faults.ts'
import { createWorld } from './support/world.ts'

const resource = 'https://api.example.com'
const json = { 'content-type': 'application/json' }

async function start() {
  const world = createWorld()
  const server = await startAuthorizationServer(world)
  const client = oauthClient({ issuer: server.issuer, clientId: publicClientId, timeoutMs: 2_000, ...world })
  const obtain = async () => (await client.accessToken({ resource })).reveal()
  return { world, server, obtain }
}

describe('a token answer', () => {
  it.each(['Bearer', 'bearer', 'BEARER'])('may call its type %s [RFC 6749 §5.1(i)]', async (type) => {
    const { server, obtain } = await start()
    server.tokenAnswer['token_type'] = type
    await expect(obtain()).resolves.toMatch(/^at-/)
  })

  it.each(['DPoP', 'mac', 'N_A', '', 7, null, undefined])('of type %j is not used [RFC 6749 §7.1]', async (type) => {
    const { server, obtain } = await start()
    server.tokenAnswer['token_type'] = type
    await expect(obtain()).rejects.toMatchObject({
      code: 'answer_refused',
      message: expect.stringContaining('token_type'),
    })
  })

  it.each([undefined, '', 7, null, ['a'], 'a b', 'a\r\nx-evil: 1', 'tökén', 'a"b', 'a'.repeat(16_385)])(
    'with an access token like %j is refused [RFC 6749 §10.14(b)]',
    async (token) => {
      const { server, obtain } = await start()
      server.tokenAnswer['access_token'] = token
      await expect(obtain()).rejects.toMatchObject({ code: 'answer_refused' })
    },
  )

  it('may hold a token of 16,384 characters', async () => {
    const { server, obtain } = await start()
    server.tokenAnswer['access_token'] = 'a'.repeat(16_384)
    await expect(obtain()).resolves.toHaveLength(16_384)
  })

  it('may have members that nobody knows [RFC 6749 §5.1(f)]', async () => {
    const { server, obtain } = await start()
    server.tokenAnswer['later_invention'] = { nested: [1] }
    await expect(obtain()).resolves.toMatch(/^at-/)
  })

  it('is not looked into: the token may be anything [RFC 9068 §6]', async () => {
    const { server, obtain } = await start()
    // A JWT that ended long ago; when it ends for us is what expires_in says.
    const expired = `eyJhbGciOiJub25lIn0.${Buffer.from('{"exp":1}').toString('base64url')}.`
    server.tokenAnswer['access_token'] = expired
    await obtain()
    await expect(obtain()).resolves.toBe(expired)
    expect(server.seenAt('/token')).toHaveLength(1)
  })

  it.each([undefined, null, '3600', 0, -1, 1e99, true, 366 * 86_400 + 1])(
    'whose expires_in is %j is taken to live for a minute',
    async (lifetime) => {
      const { server, world, obtain } = await start()
      server.tokenAnswer['expires_in'] = lifetime
      const first = await obtain()
      world.advance(40)
      await expect(obtain()).resolves.toBe(first)
      world.advance(21)
      await expect(obtain()).resolves.not.toBe(first)
    },
  )

  it('with a number too large for JSON is refused', async () => {
    const { server, obtain } = await start()
    server.fault('/token', answers(200, '{"access_token":"a","token_type":"Bearer","expires_in":1e999}', json))
    await expect(obtain()).rejects.toMatchObject({ code: 'answer_refused' })
  })

  it.each(['a  b', 'a"b', 'é'])('with the malformed scope %j is refused [RFC 6749 §3.3(d)]', async (scope) => {
    const { server, obtain } = await start()
    server.tokenAnswer['scope'] = scope
    await expect(obtain()).rejects.toMatchObject({ code: 'answer_refused' })
  })

  it.each([
    ['HTML', answers(200, '<!doctype html><title>Sign in</title>', { 'content-type': 'text/html' })],
    ['called HTML', answers(200, '{"access_token":"a","token_type":"Bearer"}', { 'content-type': 'text/html' })],
    ['without a type', answers(200, '{"access_token":"a","token_type":"Bearer"}')],
    ['10 MB', answers(200, Buffer.alloc(10_000_000, 0x20), json)],
    ['no object', answers(200, '"token"', json)],
    ['ambiguous', answers(200, '{"access_token":"a","access_token":"b","token_type":"Bearer"}', json)],
    ['a redirect', answers(307, '', { location: 'https://evil.example/token' })],
    ['a redirect without aim', answers(302, '')],
    ['an error without a code', answers(400, '{}', json)],
    ['an error as HTML', answers(404, '<h1>Not found</h1>', { 'content-type': 'text/html' })],
    ['an error with a code beyond its characters', answers(400, '{"error":"a\\"b"}', json)],
  ])('that is %s is refused at once', async (_, fault) => {
    const { server, obtain } = await start()
    server.fault('/token', fault)
    await expect(obtain()).rejects.toMatchObject({ code: 'answer_refused' })
    expect(server.seenAt('/token')).toHaveLength(1)
  })

  it('takes credentials along no redirect [RFC 6749 §10.14(b)]', async () => {
    const { server, obtain } = await start()
    server.fault('/token', answers(307, '', { location: `${server.issuer}/elsewhere` }))
    await expect(obtain()).rejects.toMatchObject({ code: 'answer_refused' })
    expect(server.seenAt('/elsewhere')).toEqual([])
  })
})

describe('an error answer', () => {
  it('keeps code, sentence, status and receipt', async () => {
    const { server, obtain } = await start()
    const body = JSON.stringify({ error: 'invalid_target', error_description: 'No such resource.' })
    server.fault('/token', answers(400, body, { ...json, 'arctos-receipt': 'AbC-_123' }))
    await expect(obtain()).rejects.toMatchObject({
      name: 'OAuthError',
      code: 'oauth_error',
      error: 'invalid_target',
      description: 'No such resource.',
      status: 400,
      receipt: 'AbC-_123',
      message: 'invalid_target: No such resource.',
    })
  })

  it('is made fit to print', async () => {
    const { server, obtain } = await start()
    const body = JSON.stringify({ error: 'invalid_request', error_description: `\u001b[31m${'x'.repeat(400)}` })
    server.fault('/token', answers(400, body, { ...json, 'arctos-receipt': 'no receipt!' }))
    await expect(obtain()).rejects.toMatchObject({
      description: `?[31m${'x'.repeat(295)}`,
      receipt: undefined,
    })
  })

  it('is not repeated', async () => {
    const { server, obtain } = await start()
    server.fault('/token', answers(400, '{"error":"invalid_scope"}', json))
    await expect(obtain()).rejects.toMatchObject({ error: 'invalid_scope' })
    expect(server.seenAt('/token')).toHaveLength(1)
  })

  it('is not remembered', async () => {
    const { server, obtain } = await start()
    server.fault('/token', answers(401, '{"error":"invalid_client"}', json))
    await expect(obtain()).rejects.toMatchObject({ error: 'invalid_client', status: 401 })
    await obtain()
  })
})

describe('"not now"', () => {
  it.each([
    ['a cut connection', cutBeforeActing],
    ['half an answer', cutWithinAnswer],
    ['503', unavailable()],
    ['502 in HTML', answers(502, '<h1>Bad gateway</h1>', { 'content-type': 'text/html' })],
    ['500', answers(500, '{"error":"server_error"}', json)],
    ['429', answers(429, '')],
  ])('is tried again after %s', async (_, fault) => {
    const { server, world, obtain } = await start()
    server.fault('/token', fault)
    await expect(obtain()).resolves.toMatch(/^at-/)
    expect(world.waits).toHaveLength(1)
  })

  it('is tried four times, each pause longer than the one before', async () => {
    const { server, world, obtain } = await start()
    server.fault('/token', ...Array.from({ length: 9 }, () => unavailable()))
    await expect(obtain()).rejects.toMatchObject({ code: 'unavailable', status: 503 })
    expect(server.seenAt('/token')).toHaveLength(4)
    const [first = 0, second = 0, third = 0] = world.waits
    expect([first >= 250, second >= 500, third >= 1_000, third <= 1_250]).toEqual([true, true, true, true])
  })

  it('is tried again no sooner than Retry-After says [RFC 9110 §10.2.3]', async () => {
    const { server, world, obtain } = await start()
    server.fault('/token', unavailable({ 'retry-after': '7' }))
    await obtain()
    expect(world.waits[0]).toBeGreaterThanOrEqual(7_000)
  })

  it('reads Retry-After as a date too [RFC 9110 §10.2.3]', async () => {
    const { server, world, obtain } = await start()
    const date = new Date((world.nowSeconds() + 5) * 1_000).toUTCString()
    server.fault('/token', unavailable({ 'retry-after': date }))
    await obtain()
    expect(world.waits[0]).toBeGreaterThanOrEqual(5_000)
    expect(world.waits[0]).toBeLessThan(6_500)
  })

  it('is not waited for longer than is bearable, and nobody asks again before the time', async () => {
    const { server, world, obtain } = await start()
    server.fault('/token', unavailable({ 'retry-after': '120' }))
    await expect(obtain()).rejects.toMatchObject({ code: 'unavailable', retryAfterSeconds: 120 })
    await expect(obtain()).rejects.toMatchObject({ code: 'unavailable' })
    expect([world.waits.length, server.seenAt('/token').length]).toEqual([0, 1])
    world.advance(120)
    await expect(obtain()).resolves.toMatch(/^at-/)
  })

  it('does not shut a client out for more than five minutes', async () => {
    const { server, world, obtain } = await start()
    server.fault('/token', unavailable({ 'retry-after': '9999999999' }))
    await expect(obtain()).rejects.toMatchObject({ retryAfterSeconds: 300 })
    world.advance(300)
    await expect(obtain()).resolves.toMatch(/^at-/)
  })

  it('takes a Retry-After that means nothing for none', async () => {
    const { server, world, obtain } = await start()
    server.fault('/token', unavailable({ 'retry-after': 'soon' }))
    await obtain()
    expect(world.waits[0]).toBeLessThan(320)
  })
})
