import { describe, expect, it } from 'vitest'
import { user } from './support/servers.ts'
import { loggedIn, ownCall, startSite } from './support/site.ts'
import { createVisitor } from './support/visitor.ts'

describe('logging in', () => {
  it('ends at the page that was asked for, with a session [RFC 10017 §6.1.3.1(a)(b)]', async () => {
    const site = await startSite()
    const { end, session } = await loggedIn(site)
    expect(end.response.status).toBe(200)
    expect(end.text).toContain(`<meta http-equiv="refresh" content="0; url=${site.origin}/notes">`)
    expect(await session()).toMatchObject({ loggedIn: true, scope: ['read', 'offline_access'] })
  })

  it('calls an API in the name of the user', async () => {
    const { call } = await loggedIn(await startSite())
    for (const api of ['notes', 'private']) {
      const answer = await call(`/api/${api}/all?page=2`)
      expect([answer.status, await answer.json()]).toEqual([
        200,
        { of: expect.any(String), method: 'GET', url: '/all?page=2', length: 0 },
      ])
    }
  })

  it('asks with PKCE, state and its own callback [RFC 7636 §4.3, RFC 9700 §2.1.1]', async () => {
    const site = await startSite()
    const response = await createVisitor().go(`${site.origin}/bff/login`)
    const url = new URL(response.headers.get('location') ?? '')
    expect(response.status).toBe(303)
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      state: expect.stringMatching(/^[\w-]{43}$/),
      redirect_uri: `${site.origin}/bff/callback`,
    })
    expect(url.searchParams.getAll('resource')).toEqual([site.notes.origin, site.closed.origin])
  })

  it('asks for the authentication that an API wants, and for nothing that cannot be asked for', async () => {
    const site = await startSite()
    const login = (query: string) => createVisitor().go(`${site.origin}/bff/login?${query}`)
    const asked = new URL((await login('acr_values=gold+silver&max_age=60')).headers.get('location') ?? '').searchParams
    expect([asked.get('acr_values'), asked.get('max_age')]).toEqual(['gold silver', '60'])
    for (const query of [
      'max_age=-1',
      'max_age=1&max_age=2',
      'acr_values=',
      'acr_values=a%22',
      'acr_values=a&acr_values=b',
    ]) {
      expect([query, (await login(query)).status]).toEqual([query, 400])
    }
  })

  it('gives the browser a new session id each time (session fixation)', async () => {
    const site = await startSite()
    const visitor = createVisitor()
    visitor.cookies.set('bff', 'A'.repeat(43))
    const { call } = await loggedIn(site, visitor)
    const first = visitor.cookies.get('bff')
    expect(first).toMatch(/^(?!A{43})[\w-]{43}$/)
    await loggedIn(site, visitor)
    expect(visitor.cookies.get('bff')).not.toBe(first)
    expect((await call('/api/notes/all')).status).toBe(200)
    visitor.cookies.set('bff', first ?? '')
    expect((await call('/api/notes/all')).status).toBe(401)
  })

  it('revokes the session that a new login replaces', async () => {
    const site = await startSite()
    const { visitor, call } = await loggedIn(site)
    await call('/api/private/all')
    const [token] = site.closed.tokens()
    await loggedIn(site, visitor)
    const direct = await fetch(site.closed.origin, { headers: { authorization: `Bearer ${token}` } })
    expect(direct.status).toBe(401)
  })

  it('keeps the id nowhere: the store knows its hash', async () => {
    const site = await startSite()
    const { visitor } = await loggedIn(site)
    const names = await site.store.names()
    const texts = await Promise.all(names.map(async (name) => (await site.store.cell(name).read())?.reveal()))
    expect(names).toHaveLength(2)
    expect(JSON.stringify([names, texts])).not.toContain(visitor.cookies.get('bff'))
  })

  it('tells the page what the application wants it to know, and never a token [RFC 10017 §6.1.2.1]', async () => {
    const site = await startSite({ user: async () => ({ name: user.username }) })
    const { session } = await loggedIn(site)
    expect(await session()).toMatchObject({ user: { name: 'ada' } })
    const leaky = await startSite({
      user: async (granted) => ({ token: (await granted.accessToken({ resource: leaky.notes.origin })).reveal() }),
    })
    const { end, session: none } = await loggedIn(leaky)
    expect([end.response.status, await none()]).toMatchObject([502, { loggedIn: false }])
    expect(leaky.issuer.seen).toContain('/revoke')
  })

  it('says so when the user says no', async () => {
    const site = await startSite()
    const { end, session } = await loggedIn(site, createVisitor('deny'))
    expect([end.response.status, await session()]).toMatchObject([403, { loggedIn: false }])
    expect(site.issuer.seen).not.toContain('/token')
  })

  it('says so when the authorization server is down, at either end', async () => {
    const site = await startSite()
    const visitor = createVisitor()
    const begun = await visitor.go(`${site.origin}/bff/login`)
    site.issuer.isDown = true
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state')
    const query = new URLSearchParams({ state: state ?? '', code: 'code', iss: site.issuer.issuer })
    expect((await visitor.go(`${site.origin}/bff/callback?${query}`)).status).toBe(503)
    const cold = await startSite()
    cold.issuer.isDown = true
    expect((await visitor.go(`${cold.origin}/bff/login`)).status).toBe(503)
  })
})

/** A visitor whose answer is on its way: the address of the callback, not yet visited. */
async function withAnswer() {
  const site = await startSite()
  const visitor = createVisitor()
  const begun = await visitor.go(`${site.origin}/bff/login?return_to=/notes`)
  const { url: callback } = await visitor.follow(begun.headers.get('location') ?? '', `${site.origin}/bff/callback`)
  return { site, visitor, callback }
}

describe('the callback', () => {
  const statusOf = async (visitor: ReturnType<typeof createVisitor>, url: string, headers = {}) =>
    (await visitor.go(url, { headers })).status

  it('takes an answer once, however often it comes at once', async () => {
    const { site, visitor, callback } = await withAnswer()
    const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    // Without sockets, so that all of them begin before one has ended.
    const arriving = Array.from({ length: 5 }, () => site.bff.handle(new Request(callback, { headers: { cookie } })))
    const answered = await Promise.all(arriving)
    expect(answered.map((answer) => answer?.status).toSorted()).toEqual([200, 400, 400, 400, 400])
    expect(await statusOf(visitor, callback)).toBe(400)
    expect(site.issuer.seen.filter((path) => path === '/token')).toHaveLength(1)
    const session = answered.flatMap((answer) => answer?.headers.getSetCookie() ?? []).join()
    visitor.cookies.set('bff', /bff=([\w-]{43})/.exec(session)?.[1] ?? '')
    expect((await visitor.go(`${site.origin}/api/notes/all`, { headers: ownCall })).status).toBe(200)
  })

  it("does not log anybody in by another browser's answer (login CSRF) [RFC 6749 §10.12(c)]", async () => {
    const { site, callback } = await withAnswer()
    const victim = createVisitor()
    expect(await statusOf(victim, callback)).toBe(400)
    await victim.go(`${site.origin}/bff/login`)
    expect(await statusOf(victim, callback)).toBe(400)
    expect(victim.cookies.has('bff')).toBe(false)
    expect(site.issuer.seen).not.toContain('/token')
  })

  it.each<[string, (query: URLSearchParams) => void, number]>([
    ['another state', (query) => query.set('state', 'A'.repeat(43)), 400],
    ['no state', (query) => query.delete('state'), 400],
    ['two states', (query) => query.append('state', query.get('state') ?? ''), 400],
    ['another issuer (mix-up)', (query) => query.set('iss', 'https://other.example.com'), 400],
    ['no issuer', (query) => query.delete('iss'), 400],
    ['no code', (query) => query.delete('code'), 400],
  ])('sends no code on for an answer with %s [RFC 9207 §2.4]', async (_, change, status) => {
    const { site, visitor, callback } = await withAnswer()
    const url = new URL(callback)
    change(url.searchParams)
    expect(await statusOf(visitor, url.href)).toBe(status)
    expect(site.issuer.seen).not.toContain('/token')
  })

  it('takes no answer in a frame, an image or a fetch', async () => {
    const { visitor, callback } = await withAnswer()
    for (const headers of [
      { 'sec-fetch-dest': 'iframe' },
      { 'sec-fetch-dest': 'image' },
      { 'sec-fetch-mode': 'cors' },
    ]) {
      expect(await statusOf(visitor, callback, headers)).toBe(400)
    }
    expect(await statusOf(visitor, callback)).toBe(200)
  })

  it('takes no answer after ten minutes', async () => {
    const { site, visitor, callback } = await withAnswer()
    site.time.advance(600)
    expect(await statusOf(visitor, callback)).toBe(400)
  })

  it('finishes in another process what one began', async () => {
    const { site, visitor, callback } = await withAnswer()
    const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const other = await site.another()
    const response = await other.handle(new Request(callback, { headers: { cookie } }))
    expect(response?.status).toBe(200)
  })

  it('finishes the logins of several tabs', async () => {
    const site = await startSite()
    const visitor = createVisitor()
    const tabs = [await visitor.go(`${site.origin}/bff/login`), await visitor.go(`${site.origin}/bff/login`)]
    for (const tab of tabs) {
      expect((await visitor.follow(tab.headers.get('location') ?? '')).response.status).toBe(200)
    }
  })
})

describe('where a login leads', () => {
  const redirectsOf = async (returnTo: string) => {
    const site = await startSite()
    const response = await createVisitor().go(`${site.origin}/bff/login?return_to=${encodeURIComponent(returnTo)}`)
    return response.status
  }

  it.each(['/', '/notes', '/notes?page=2#top', '/a/%2e%2e/b', '/~user/:x@y'])('may be %s', async (path) => {
    expect(await redirectsOf(path)).toBe(303)
  })

  it.each([
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    ' //evil.example',
    '/.//evil.example',
    '/./\\evil.example',
    '/x/..//evil.example',
    'javascript:alert(1)',
    'notes',
    '',
    '@evil.example',
    '/bff/login',
    '/bff/../bff/logout',
    '/ä',
  ])('may not be %j (open redirect) [RFC 9700 §4.11.1]', async (path) => {
    expect(await redirectsOf(path)).toBe(400)
  })

  it('is no longer than 2,000 characters', async () => {
    expect(await redirectsOf(`/${'a'.repeat(1_999)}`)).toBe(303)
    expect(await redirectsOf(`/${'a'.repeat(2_000)}`)).toBe(400)
  })

  it('is said once', async () => {
    const site = await startSite()
    expect((await createVisitor().go(`${site.origin}/bff/login?return_to=/a&return_to=/b`)).status).toBe(400)
  })
})
