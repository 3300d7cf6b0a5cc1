import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { secret } from './support/servers.ts'
import { loggedIn, ownCall, startSite } from './support/site.ts'
import { createVisitor } from './support/visitor.ts'

const errorOf = async (response: Response) => [response.status, ((await response.json()) as { error: string }).error]

describe('who may call', () => {
  const own = ownCall
  const foreign = { 'sec-fetch-site': 'cross-site' }
  const sameSite = { 'sec-fetch-site': 'same-site' }
  const nobody: Readonly<Record<string, string>> = { 'arctos-bff': '1' }
  const cases: [string, string, (origin: string) => Record<string, string>, boolean][] = [
    ['a script of the page', 'GET', () => own, true],
    ['a script of the page', 'POST', (origin) => ({ ...own, origin }), true],
    ['a script of the page, with Sec-Fetch-Site alone', 'POST', () => own, true],
    ['a script of the page in a browser without Sec-Fetch-Site', 'POST', (origin) => ({ ...nobody, origin }), true],
    ['a script of the page in a browser without Sec-Fetch-Site', 'GET', () => nobody, true],
    ['something that is no browser', 'POST', () => nobody, false],
    ['a script of the page without the header', 'GET', () => ({ 'sec-fetch-site': 'same-origin' }), false],
    ['a form of the page', 'POST', (origin) => ({ origin, 'sec-fetch-site': 'same-origin' }), false],
    ['a page with another header', 'GET', () => ({ ...own, 'arctos-bff': '0' }), false],
    ['a page of another site', 'GET', () => ({ ...own, ...foreign }), false],
    ['a page of another site', 'POST', () => ({ ...own, ...foreign, origin: 'https://evil.example' }), false],
    [
      'a page of another site, without Sec-Fetch-Site',
      'POST',
      () => ({ ...nobody, origin: 'https://evil.example' }),
      false,
    ],
    ['a page of the same site', 'POST', () => ({ ...own, ...sameSite }), false],
    ['another port of this host', 'POST', () => ({ ...nobody, origin: 'http://127.0.0.1:1' }), false],
    ['a sandboxed frame', 'POST', () => ({ ...own, origin: 'null' }), false],
    ['a page that lies about one of them', 'POST', (origin) => ({ ...own, ...foreign, origin }), false],
    ['a typed address', 'GET', () => ({ ...own, 'sec-fetch-site': 'none' }), false],
    [
      'a preflight',
      'OPTIONS',
      () => ({ origin: 'https://evil.example', 'access-control-request-method': 'POST' }),
      false,
    ],
  ]

  it.each(cases)('%s, %s [RFC 10017 §6.1.3.3, RFC 10017 §6.1.3.3.2(a)(b)]', async (_, method, headers, mayCall) => {
    const site = await startSite()
    const { visitor } = await loggedIn(site)
    const sent = { method, headers: headers(site.origin) }
    const call = await visitor.go(`${site.origin}/api/notes/all`, sent)
    expect([call.status, site.notes.calls.length]).toEqual(mayCall ? [200, 1] : [403, 0])
    expect([...call.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    if (method !== 'GET') return
    expect((await visitor.go(`${site.origin}/bff/session`, sent)).status).toBe(mayCall ? 200 : 403)
  })

  it.each(cases.filter(([, method]) => method === 'POST'))('%s logs out', async (_, method, headers, mayCall) => {
    const site = await startSite()
    const { visitor, session } = await loggedIn(site)
    const answer = await visitor.go(`${site.origin}/bff/logout`, { method, headers: headers(site.origin) })
    expect(answer.status).toBe(mayCall ? 200 : 403)
    expect((await session()).loggedIn).toBe(!mayCall)
  })

  it('needs a session', async () => {
    const site = await startSite()
    const answer = await createVisitor().go(`${site.origin}/api/notes/all`, { headers: ownCall })
    expect([answer.status, await answer.json()]).toMatchObject([401, { error: 'login_required', login: '/bff/login' }])
    expect(site.notes.calls).toEqual([])
  })

  it.each(['', 'A', 'A'.repeat(42), 'A'.repeat(44), '../../etc', `${'A'.repeat(42)}.`])(
    'has no session by the id %j',
    async (id) => {
      const site = await startSite()
      const headers = { ...ownCall, cookie: `bff=${id}` }
      expect((await createVisitor().go(`${site.origin}/api/notes/all`, { headers })).status).toBe(401)
    },
  )

  it('has no session by two ids', async () => {
    const site = await startSite()
    const { visitor } = await loggedIn(site)
    const cookie = `bff=${visitor.cookies.get('bff')}; bff=${'A'.repeat(43)}`
    expect((await createVisitor().go(`${site.origin}/api/notes/all`, { headers: { ...ownCall, cookie } })).status).toBe(
      401,
    )
  })

  it('uses the method that the path is for', async () => {
    const site = await startSite()
    const { call, session } = await loggedIn(site)
    expect((await call('/bff/logout')).status).toBe(405)
    expect((await call('/bff/login', { method: 'POST' })).status).toBe(405)
    const answer = await call('/api/private/all', { method: 'POST' })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    expect((await call('/api/notes/all', { method: 'PATCH' })).status).toBe(405)
    expect((await session()).loggedIn).toBe(true)
  })

  it('leaves everything else to the application', async () => {
    const site = await startSite()
    for (const path of ['/', '/bffx', '/bff', '/bff/login/', '/api/notesx', '/API/notes/all', '/api']) {
      const answer = await createVisitor().go(`${site.origin}${path}`)
      expect([path, answer.status, await answer.text()]).toEqual([path, 404, 'the application'])
    }
  })
})

describe('what reaches the API', () => {
  it.each([
    ['/api/notes', '/'],
    ['/api/notes/', '/'],
    ['/api/notes/a/b?c=d&e', '/a/b?c=d&e'],
    ['/api/notes/a%20b/%C3%A4', '/a%20b/%C3%A4'],
    ['/api/notes/a%2Fb', '/a%2Fb'],
    ['/api/notes//evil.example/x', '//evil.example/x'],
    ['/api/notes/@evil.example/x', '/@evil.example/x'],
    ['/api/notes/..hidden/a..b', '/..hidden/a..b'],
  ])('%s is %s there [RFC 10017 §6.1.3.6(a)]', async (path, url) => {
    const site = await startSite()
    const { call } = await loggedIn(site)
    expect((await call(path)).status).toBe(200)
    expect(site.notes.calls[0]?.url).toBe(url)
  })

  it.each([
    '/api/notes/%2e%2e%2fadmin',
    '/api/notes/a%2f..%2fadmin',
    '/api/notes/..%5cadmin',
    '/api/notes/%252e%252e%252fadmin',
    '/api/notes/%25252e%25252e%25252fadmin',
    '/api/notes/a%00b',
    '/api/notes/a%0d%0ab',
  ])('%s reaches nothing [RFC 10017 §6.1.3.6(b)]', async (path) => {
    const site = await startSite()
    const { call } = await loggedIn(site)
    expect(await errorOf(await call(path))).toEqual([400, 'path_refused'])
    expect(site.notes.calls).toEqual([])
  })

  it('is neither the cookie, nor who the page says it is, nor how it wants to be proxied [RFC 10017 §6.1.1]', async () => {
    const site = await startSite()
    const { call, visitor } = await loggedIn(site)
    const forged = {
      authorization: 'Bearer forged',
      'proxy-authorization': 'Basic forged',
      dpop: 'forged',
      'x-forwarded-for': '10.0.0.1',
      'x-forwarded-user': 'forged',
      forwarded: 'for=10.0.0.1',
      'x-real-ip': '10.0.0.1',
      'x-user-id': 'forged',
      'remote-user': 'forged',
      'x-http-method-override': 'DELETE',
      'x-original-url': '/admin',
      via: '1.1 forged',
      te: 'trailers',
      connection: 'x-secret',
      'x-secret': 'forged',
      origin: site.origin,
      referer: `${site.origin}/notes`,
      'content-type': 'application/json',
      'last-event-id': '1',
      'idempotency-key': 'key-1',
    }
    await call('/api/notes/all', { method: 'POST', headers: forged, body: '{}' })
    const headers = site.notes.calls[0]?.headers ?? {}
    expect(JSON.stringify(headers)).not.toMatch(/forged|10\.0\.0\.1|admin|DELETE/)
    expect(JSON.stringify(headers)).not.toContain(visitor.cookies.get('bff'))
    expect(Object.keys(headers).sort()).toEqual([
      'accept',
      'accept-encoding',
      'accept-language',
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
      'idempotency-key',
      'last-event-id',
      'sec-fetch-mode',
      'user-agent',
    ])
    expect(headers['authorization']).toMatch(/^Bearer eyJ/)
  })

  it('is a body, small or streamed, up to the limit', async () => {
    const site = await startSite({ limits: { requestBytes: 200_000 } })
    const { call } = await loggedIn(site)
    const post = (body: Uint8Array | Readable) => call('/api/notes/all', { method: 'POST', body })
    const streamed = (bytes: number) => Readable.from(Array.from({ length: bytes / 1_000 }, () => Buffer.alloc(1_000)))
    for (const bytes of [1, 65_536, 65_537, 200_000]) {
      expect(await (await post(Buffer.alloc(bytes))).json()).toMatchObject({ length: bytes })
    }
    expect(await (await post(streamed(200_000))).json()).toMatchObject({ length: 200_000 })
    expect(await errorOf(await post(Buffer.alloc(200_001)))).toEqual([413, 'body_too_long'])
    expect(await errorOf(await post(streamed(201_000)))).toEqual([413, 'body_too_long'])
  })
})

describe('what reaches the page', () => {
  it('is the answer, without anything that changes the page’s own state or rights', async () => {
    const site = await startSite()
    const { call } = await loggedIn(site)
    const forged: Record<string, string> = {
      'set-cookie': 'bff=forged',
      'access-control-allow-origin': '*',
      'www-authenticate': 'Basic realm="forged"',
      'clear-site-data': '"*"',
      'service-worker-allowed': '/forged',
      refresh: '0; url=https://forged.example',
      location: 'https://forged.example/',
      'x-powered-by': 'forged',
      'cache-control': 'public, max-age=60',
      etag: '"1"',
    }
    const query = new URLSearchParams(Object.entries(forged).map(([name, value]) => [`h-${name}`, value]))
    const { status, headers } = await call(`/api/notes/all?${query}`)
    expect(status).toBe(200)
    expect(JSON.stringify([...headers])).not.toMatch(/forged|access-control/)
    expect(Object.fromEntries(headers)).toMatchObject({
      etag: '"1"',
      'cache-control': 'no-store',
      'content-type': 'application/json',
      'content-security-policy': expect.stringContaining('sandbox'),
      'x-content-type-options': 'nosniff',
      vary: 'cookie',
    })
  })

  it('comes as it comes: parts of a stream are not waited for', async () => {
    const { call } = await loggedIn(await startSite())
    const reader = (await call('/api/notes/begin')).body?.getReader()
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('data: 1\n\n')
    await reader?.cancel()
  })

  it.each(['notes', 'private'])('never holds the token that the API sends back (%s)', async (api) => {
    const site = await startSite()
    const { call } = await loggedIn(site)
    const text = await call(`/api/${api}/echo-token`)
      .then((echoed) => echoed.text())
      .catch(() => 'broken off')
    const [token = 'none'] = api === 'notes' ? site.notes.tokens() : site.closed.tokens()
    expect(text).toBe('broken off')
    expect(await errorOf(await call(`/api/${api}/echo-header`))).toEqual([502, 'api_answer_refused'])
    expect(site.reports.join()).not.toContain(token)
    expect(site.reports).toHaveLength(2)
  })

  it('is cut off where it is longer than the limit', async () => {
    const { call } = await loggedIn(await startSite({ limits: { answerBytes: 100_000 } }))
    const read = async (bytes: number) => (await (await call(`/api/notes/length?bytes=${bytes}`)).text()).length
    expect(await read(100_000)).toBe(100_000)
    await expect(read(100_001)).rejects.toThrow()
  })

  it.each([204, 304, 400, 403, 404, 409, 429, 500, 503])('is %i where the API says so', async (status) => {
    const { call } = await loggedIn(await startSite())
    expect((await call(`/api/notes/status/${status}`)).status).toBe(status)
  })

  it('is a redirect within the API, at its place, and no other [RFC 6750 §5.3]', async () => {
    const site = await startSite()
    const { call } = await loggedIn(site)
    const moved = await call(`/api/notes/status/302?h-location=${encodeURIComponent('/other?page=2')}`)
    expect([moved.status, moved.headers.get('location')]).toEqual([302, '/api/notes/other?page=2'])
    for (const location of ['https://evil.example/', '//evil.example/', site.closed.origin, 'http://[']) {
      const answer = await call(`/api/notes/status/302?h-location=${encodeURIComponent(location)}`)
      expect(await errorOf(answer)).toEqual([502, 'api_answer_refused'])
    }
    expect(site.closed.calls).toEqual([])
  })

  it('says that the API rejects even new tokens, after one more try', async () => {
    const site = await startSite()
    const { call } = await loggedIn(site)
    site.notes.rejects = true
    expect(await errorOf(await call('/api/notes/all'))).toEqual([502, 'api_refused_token'])
    expect(site.notes.calls).toHaveLength(2)
    site.notes.rejects = false
    expect((await call('/api/notes/all')).status).toBe(200)
  })

  it('tells what authentication the API wants', async () => {
    const { call, session } = await loggedIn(await startSite())
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age="60"'
    const answer = await call(`/api/notes/status/401?h-www-authenticate=${encodeURIComponent(challenge)}`)
    expect([answer.status, await answer.json()]).toMatchObject([
      401,
      { error: 'step_up_required', acr_values: 'gold silver', max_age: 60, login: '/bff/login' },
    ])
    expect((await session()).loggedIn).toBe(true)
  })

  it('says that an API gives no answer', async () => {
    const site = await startSite({ limits: { timeoutMs: 200 } })
    const { call } = await loggedIn(site)
    expect(await errorOf(await call('/api/notes/silent'))).toEqual([504, 'api_timeout'])
    await expect((await call('/api/notes/begin')).text()).rejects.toThrow()
  })

  it('holds no secret in any error', async () => {
    const site = await startSite()
    const { call, visitor } = await loggedIn(site)
    await call('/api/notes/all')
    site.notes.rejects = true
    const answers = [await call('/api/notes/all'), await call('/bff/session'), await call('/api/notes/%2e%2e%2f')]
    const texts = await Promise.all(answers.map((answer) => answer.text()))
    const told = JSON.stringify([texts, answers.map(({ headers }) => [...headers]), site.reports, visitor.visited])
    for (const token of [...site.notes.tokens(), secret, visitor.cookies.get('bff') ?? ''])
      expect(told).not.toContain(token)
  })
})
