import { describe, expect, it } from 'vitest'
import { unavailable } from './support/faults.ts'
import { listen } from './support/http.ts'
import { type ProtectedApi, startProtectedApi } from './support/protected-api.ts'
import { startScene } from './support/reporter.ts'

/** A service's fetch for a resource, at the root of the origin or below. */
async function start(path = '') {
  const scene = await startScene({ path })
  return { ...scene, notes: scene.client.fetch({ resource: scene.resource, scope: 'read' }) }
}

/** An origin that answers everything and notes what it got. */
async function startForeign(): Promise<ProtectedApi> {
  const calls: ProtectedApi['calls'] = []
  const origin = await listen((request, response) => {
    calls.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: '' })
    response.end('foreign')
  })
  return { origin, calls }
}

describe('where a token goes', () => {
  it('is the Authorization header, and nothing else [RFC 6750 §2, RFC 6750 §2.1(b), RFC 6750 §5.3(h)]', async () => {
    const { notes, api } = await start()
    await notes('/notes?page=2', { method: 'POST', body: 'text' })
    const [call] = api.calls
    expect(call?.headers.authorization).toMatch(/^Bearer at-[\w-]+$/)
    const token = call?.headers.authorization?.slice('Bearer '.length) ?? ''
    expect([call?.url, call?.body, call?.headers.cookie]).toEqual(['/notes?page=2', 'text', undefined])
    expect(call?.url).not.toContain(token)
  })

  it.each([
    ['/notes', '/notes'],
    ['notes', '/notes'],
    ['notes?page=2', '/notes?page=2'],
    ['', '/'],
    ['?page=2', '/?page=2'],
  ])('resolves %j at an origin to %s', async (input, expected) => {
    const { notes, api } = await start()
    await notes(input)
    expect(api.calls[0]?.url).toBe(expected)
  })

  it.each([
    ['notes', '/v1/notes'],
    ['./notes', '/v1/notes'],
    ['/v1/notes', '/v1/notes'],
    ['/v1', '/v1'],
    ['', '/v1'],
    ['a/../b', '/v1/b'],
    ['a%2Fb', '/v1/a%2Fb'],
    ['..b', '/v1/..b'],
  ])('resolves %j at a resource with the path /v1 to %s', async (input, expected) => {
    const { notes, api } = await start('/v1')
    await notes(input)
    expect(api.calls[0]?.url).toBe(expected)
  })

  it('takes whole URLs, URL objects and Requests', async () => {
    const { notes, api, resource } = await start()
    await notes(`${resource}/a`)
    await notes(new URL(`${resource}/b`))
    await notes(new Request(`${resource}/c`, { method: 'PUT', body: 'text', headers: { 'x-own': '1' } }))
    expect(api.calls.map(({ url }) => url)).toEqual(['/a', '/b', '/c'])
    expect(api.calls[2]).toMatchObject({ method: 'PUT', body: 'text', headers: { 'x-own': '1' } })
  })

  it.each([
    'https://evil.example/notes',
    'http://127.0.0.1:9/notes',
    '//evil.example/notes',
    'data:text/plain,hello',
    'http://[bad',
    '\\\\evil.example/notes',
  ])('is no other origin: %s throws, and no token is even asked for [RFC 6750 §5.3(a)]', async (input) => {
    const { notes, server } = await start()
    await expect(notes(input)).rejects.toMatchObject({ code: 'outside_resource' })
    expect(server.seen).toEqual([])
  })

  it.each([
    '/notes',
    '/v10/notes',
    '/v1x',
    '../notes',
    'a/../../notes',
    '/v1/../notes',
    '/v1/%2e%2e/notes',
    '..%2fnotes',
    'a/..%5c..%5cnotes',
    '%2e%2e%2fnotes',
    '//evil.example/v1/',
  ])('is nothing outside the path of the resource: %s throws [RFC 6750 §5.3(a)]', async (input) => {
    const { notes, server } = await start('/v1')
    await expect(notes(input)).rejects.toMatchObject({ code: 'outside_resource' })
    expect(server.seen).toEqual([])
  })

  it('is no URL with a user name', async () => {
    const { notes, resource } = await start()
    await expect(notes(resource.replace('//', '//user:pw@'))).rejects.toMatchObject({ code: 'outside_resource' })
  })

  it.each(['http://api.example.com', 'http://127.0.0.1.evil.example', 'ftp://127.0.0.1', 'https://api.example.com#a'])(
    'is TLS or loopback: the resource %s is refused [RFC 6750 §5.3(c)]',
    async (resource) => {
      const { client } = await start()
      expect(() => client.fetch({ resource })).toThrow(expect.objectContaining({ code: 'invalid_option' }))
    },
  )

  it('replaces an Authorization header of the caller, so that there is one', async () => {
    const { notes, api } = await start()
    await notes('/notes', { headers: { authorization: 'Basic abc' } })
    expect(api.calls[0]?.headers.authorization).toMatch(/^Bearer at-/)
  })
})

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('%i within the resource is followed with the token', async (status) => {
    const { notes, resource, api } = await start()
    const response = await notes(`/redirect?status=${status}&to=/notes`)
    expect([response.status, api.calls.length]).toEqual([200, 2])
    await expect(response.json()).resolves.toMatchObject({ path: '/notes' })
    expect((await notes(`/redirect?status=${status}&to=${encodeURIComponent(`${resource}/notes`)}`)).status).toBe(200)
  })

  it.each([301, 302, 303, 307, 308])(
    "%i to another origin is followed without the token and the caller's headers [RFC 6750 §5.3(a)]",
    async (status) => {
      const { notes } = await start()
      const foreign = await startForeign()
      const response = await notes(`/redirect?status=${status}&to=${encodeURIComponent(`${foreign.origin}/file`)}`, {
        headers: { 'x-api-key': 'secret', cookie: 'a=b', accept: 'image/png' },
      })
      await expect(response.text()).resolves.toBe('foreign')
      const [call] = foreign.calls
      expect([
        call?.url,
        call?.headers.authorization,
        call?.headers.cookie,
        call?.headers['x-api-key'],
        call?.headers.accept,
      ]).toEqual(['/file', undefined, undefined, undefined, 'image/png'])
    },
  )

  it('to the same origin outside the resource is followed without the token [RFC 6750 §5.3(a)]', async () => {
    const { notes, api } = await start('/v1')
    const response = await notes('redirect?status=302&to=/notes')
    expect(response.status).toBe(401)
    expect(api.calls.map(({ headers }) => headers.authorization !== undefined)).toEqual([true, false])
  })

  it('back from another origin does not bring the token back [RFC 6750 §5.3(a)]', async () => {
    const { notes, api } = await start()
    const detour = await listen((_request, response) => {
      response.writeHead(302, { location: `${api.origin}/delete-everything` }).end()
    })
    await notes(`/redirect?status=302&to=${encodeURIComponent(detour)}`)
    expect(api.calls.map(({ url, headers }) => [url.split('?')[0], headers.authorization !== undefined])).toEqual([
      ['/redirect', true],
      ['/delete-everything', false],
    ])
  })

  it.each([
    [303, 'POST', 'GET', ''],
    [302, 'POST', 'GET', ''],
    [301, 'POST', 'GET', ''],
    [307, 'POST', 'POST', 'text'],
    [308, 'PUT', 'PUT', 'text'],
    [302, 'PUT', 'PUT', 'text'],
  ])('%i turns a %s into a %s', async (status, method, expected, body) => {
    const { notes, api } = await start()
    await notes(`/redirect?status=${status}&to=/notes`, {
      method,
      body: 'text',
      headers: { 'content-type': 'text/plain' },
    })
    const call = api.calls[1]
    expect([call?.method, call?.body, call?.headers['content-type']]).toEqual([
      expected,
      body,
      body === '' ? undefined : 'text/plain',
    ])
  })

  it('to a place that got no token cannot make us renew it', async () => {
    const { notes, server, api } = await start()
    const foreign = await listen((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
    })
    expect((await notes(`/redirect?status=302&to=${encodeURIComponent(foreign)}`)).status).toBe(401)
    expect([api.calls.length, server.seenAt('/token').length]).toEqual([1, 1])
  })

  it('takes no body to another origin', async () => {
    const { notes } = await start()
    const foreign = await startForeign()
    const sent = notes(`/redirect?status=307&to=${encodeURIComponent(foreign.origin)}`, {
      method: 'POST',
      body: 'text',
    })
    await expect(sent).rejects.toMatchObject({ code: 'answer_refused' })
    expect(foreign.calls).toEqual([])
  })

  it.each(['http://api.example.com/', 'file:///etc/passwd', 'data:text/plain,a', 'http://[bad'])(
    'to %s is refused',
    async (to) => {
      const { notes } = await start()
      await expect(notes(`/redirect?status=302&to=${encodeURIComponent(to)}`)).rejects.toMatchObject({
        code: 'answer_refused',
      })
    },
  )

  it('is followed ten times and no more', async () => {
    const { notes, api } = await start()
    await expect(notes('/redirect?status=302')).rejects.toMatchObject({ code: 'answer_refused' })
    expect(api.calls).toHaveLength(11)
  })

  it('that would need a stream again is refused', async () => {
    const { notes } = await start()
    const body = new Blob(['text']).stream()
    const sent = notes('/redirect?status=307&to=/notes', { method: 'POST', body, duplex: 'half' })
    await expect(sent).rejects.toMatchObject({ code: 'answer_refused' })
  })

  it('is handed over or refused, as the caller wants', async () => {
    const { notes, api } = await start()
    expect((await notes('/redirect?status=302&to=/notes', { redirect: 'manual' })).status).toBe(302)
    await expect(notes('/redirect?status=302&to=/notes', { redirect: 'error' })).rejects.toThrow(TypeError)
    expect(api.calls).toHaveLength(2)
  })
})

describe('an answer', () => {
  it('that rejects the token is asked for once more with a new one [RFC 6750 §3.1]', async () => {
    const { notes, server, api } = await start()
    await notes('/notes')
    server.killAccessTokens()
    expect((await notes('/notes', { method: 'POST', body: 'text' })).status).toBe(200)
    expect(api.calls.map(({ body }) => body)).toEqual(['', 'text', 'text'])
    expect(server.seenAt('/token')).toHaveLength(2)
  })

  it.each([
    ['a string', () => 'text'],
    ['a form', () => new URLSearchParams({ a: 'b' })],
    ['bytes', () => Buffer.from('text')],
    ['a blob', () => new Blob(['text'])],
    [
      'multipart',
      () => {
        const form = new FormData()
        form.set('a', 'b')
        return form
      },
    ],
  ])('that rejects the token is asked for again with %s as body', async (_, makeBody) => {
    const { notes, server } = await start()
    await notes('/notes')
    server.killAccessTokens()
    expect((await notes('/notes', { method: 'POST', body: makeBody() })).status).toBe(200)
  })

  it.each([
    [
      'a stream',
      (url: string) => ({ input: url, init: { body: new Blob(['text']).stream(), duplex: 'half' as const } }),
    ],
    ['a Request', (url: string) => ({ input: new Request(url, { method: 'POST', body: 'text' }), init: {} })],
  ])(
    'that rejects the token is handed over where the body was %s, and the next call has a new token',
    async (_, make) => {
      const { notes, server, api, resource } = await start()
      await notes('/notes')
      server.killAccessTokens()
      const { input, init } = make(`${resource}/notes`)
      expect((await notes(input, { method: 'POST', ...init })).status).toBe(401)
      expect(api.calls).toHaveLength(2)
      await expect.poll(() => server.seenAt('/token').length).toBe(2)
      expect((await notes('/notes')).status).toBe(200)
    },
  )

  it('that rejects the new token too is handed over: one renewal, one repetition, then no more', async () => {
    const { client, server } = await startScene()
    const calls: string[] = []
    const origin = await listen((request, response) => {
      calls.push(request.headers.authorization ?? '')
      response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
    })
    const notes = client.fetch({ resource: origin })
    expect((await notes('/notes')).status).toBe(401)
    expect([calls.length, server.seenAt('/token').length]).toEqual([2, 2])
    // And a loop of such calls does not become a loop of token requests.
    for (let count = 0; count < 5; count++) expect((await notes('/notes')).status).toBe(401)
    expect([calls.length, server.seenAt('/token').length]).toEqual([7, 2])
  })

  it('that rejects a token makes one token request for 20 calls at once', async () => {
    const { notes, server } = await start()
    await notes('/notes')
    server.killAccessTokens()
    const answered = await Promise.all(Array.from({ length: 20 }, () => notes('/notes')))
    expect(answered.every(({ status }) => status === 200)).toBe(true)
    expect(server.seenAt('/token')).toHaveLength(2)
  })

  it('that comes late does not throw away a token that is newer than the one it rejects', async () => {
    const { client, server } = await startScene()
    const late: (() => void)[] = []
    const origin = await listen((request, response) => {
      const reject = () => response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
      const token = request.headers.authorization?.slice(7) ?? ''
      if (server.inspect(token).active) response.end()
      else if (request.url === '/late') late.push(reject)
      else reject()
    })
    const notes = client.fetch({ resource: origin })
    await notes('/notes')
    server.killAccessTokens()
    const slow = notes('/late')
    await expect.poll(() => late.length).toBe(1)
    expect((await notes('/notes')).status).toBe(200)
    for (const answer of late) answer()
    expect((await slow).status).toBe(200)
    expect(server.seenAt('/token')).toHaveLength(2)
  })

  it.each([
    [401, 'Bearer realm="api"'],
    [401, 'Bearer error="insufficient_user_authentication", max_age="60"'],
    [401, 'DPoP error="invalid_token"'],
    [401, 'Basic realm="Bearer error=\\"invalid_token\\""'],
    [401, undefined],
    [403, 'Bearer error="insufficient_scope", scope="read"'],
    [403, 'Bearer error="insufficient_scope"'],
    [403, 'Bearer error="invalid_token"'],
    [400, 'Bearer error="invalid_request"'],
    [503, 'Bearer error="invalid_token"'],
    [500, undefined],
  ])('%i with %s is handed over as it is', async (status, challenge) => {
    const { client, server } = await startScene()
    let calls = 0
    const origin = await listen((_request, response) => {
      calls++
      response.writeHead(status, challenge === undefined ? {} : { 'www-authenticate': challenge }).end('as it is')
    })
    const response = await client.fetch({ resource: origin })('/notes')
    await expect(response.text()).resolves.toBe('as it is')
    expect([response.status, calls, server.seenAt('/token').length]).toEqual([status, 1, 1])
  })

  it.each([
    'Bearer realm="a", error="invalid_token"',
    'bearer ERROR=invalid_token',
    'Negotiate, Basic realm="x, y", Bearer error="invalid_token"',
    'DPoP algs="ES256", error="use_dpop_nonce", Bearer realm="a \\"b\\"", error="invalid_token", error_description="x"',
    'Negotiate abc==, Bearer error = "invalid_token"',
  ])('401 with %s rejects the token', async (challenge) => {
    const { client, server } = await startScene()
    const origin = await listen((_request, response) => {
      response.writeHead(401, { 'www-authenticate': challenge }).end()
    })
    await client.fetch({ resource: origin })('/notes')
    expect(server.seenAt('/token')).toHaveLength(2)
  })

  it('that rejects the token while no other can be had is an error, not a 401: nobody is logged out for an outage', async () => {
    const { notes, server } = await start()
    await notes('/notes')
    server.killAccessTokens()
    server.fault('/token', ...Array.from({ length: 4 }, () => unavailable()))
    await expect(notes('/notes')).rejects.toMatchObject({ code: 'unavailable' })
    expect((await notes('/notes')).status).toBe(200)
  })

  it('is not waited for when the caller gives up', async () => {
    const { client } = await startScene()
    const giveUp = new AbortController()
    const origin = await listen(() => giveUp.abort(new Error('enough')))
    await expect(client.fetch({ resource: origin })('/notes', { signal: giveUp.signal })).rejects.toThrow('enough')
  })

  it('is not asked for when the caller gave up before', async () => {
    const { notes, server } = await start()
    await expect(notes('/notes', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(server.seen).toEqual([])
  })

  it('from a resource that was not granted is a plain 401', async () => {
    const { client, server } = await startScene()
    const other = await startProtectedApi({ inspect: () => ({ active: false, resource: undefined, scope: '' }) })
    expect((await client.fetch({ resource: other.origin })('/notes')).status).toBe(401)
    expect(server.seenAt('/token')).toHaveLength(2)
  })
})
