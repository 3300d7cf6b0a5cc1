import { type BffStore, memoryBffStore } from '@arctos/bff'
import { Secret } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { secret } from './support/servers.ts'
import { loggedIn, ownCall, type Site, startSite } from './support/site.ts'

const statuses = (answers: readonly Response[]) => answers.map(({ status }) => status)
const twenty = Array.from({ length: 20 }, () => 200)

/** Asks a BFF without a socket, as this visitor. */
const ask = (site: Site, handle: (request: Request) => Promise<Response | undefined>, cookies: Map<string, string>) => {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  return (path: string, method = 'GET') => {
    return handle(new Request(`${site.origin}${path}`, { method, headers: { ...ownCall, cookie } }))
  }
}
const tokenRequests = (site: Site) => site.issuer.seen.filter((path) => path === '/token').length

describe('renewal', () => {
  it('happens once for twenty calls with an ended token, and sets no cookie', async () => {
    const site = await startSite()
    const { call, visitor } = await loggedIn(site)
    site.time.advance(700)
    const before = tokenRequests(site)
    const set = visitor.setCookies.length
    const answers = await Promise.all(Array.from({ length: 20 }, () => call('/api/notes/all')))
    expect(statuses(answers)).toEqual(twenty)
    expect(tokenRequests(site) - before).toBe(1)
    expect(visitor.setCookies).toHaveLength(set)
    expect(new Set(site.notes.tokens()).size).toBe(1)
  })

  it('happens once for two processes', async () => {
    const site = await startSite()
    const { visitor } = await loggedIn(site)
    const asks = [site.bff, await site.another()].map(({ handle }) => ask(site, handle, visitor.cookies))
    site.time.advance(700)
    const before = tokenRequests(site)
    const answers = await Promise.all(asks.flatMap((each) => Array.from({ length: 10 }, () => each('/api/notes/all'))))
    expect(answers.map((answer) => answer?.status)).toEqual(twenty)
    expect(tokenRequests(site) - before).toBe(1)
  })

  it('waits while the authorization server is down, and the session stays', async () => {
    const site = await startSite()
    const { call, session } = await loggedIn(site)
    site.time.advance(700)
    site.issuer.isDown = true
    const answer = await call('/api/notes/all')
    expect([answer.status, await answer.json()]).toMatchObject([503, { error: 'unavailable' }])
    expect(answer.headers.has('retry-after')).toBe(true)
    expect(answer.headers.has('set-cookie')).toBe(false)
    expect((await session()).loggedIn).toBe(true)
    site.issuer.isDown = false
    expect((await call('/api/notes/all')).status).toBe(200)
  })

  it('ends with the grant, and the page is told to log in', async () => {
    const site = await startSite()
    const { call, session } = await loggedIn(site)
    const tokens = (await site.store.names()).find((name) => name.startsWith('tokens.')) ?? ''
    const kept = JSON.parse((await site.store.cell(tokens).read())?.reveal() ?? '')
    const body = new URLSearchParams({ token: kept.refresh_token })
    const authorization = `Basic ${btoa(`web:${encodeURIComponent(secret).replaceAll('%20', '+')}`)}`
    await fetch(`${site.issuer.issuer}/revoke`, { method: 'POST', body, headers: { authorization } })
    site.time.advance(700)
    const answer = await call('/api/notes/all')
    expect([answer.status, await answer.json()]).toMatchObject([401, { error: 'login_required' }])
    expect((await session()).loggedIn).toBe(false)
  })
})

describe('the end of a session', () => {
  it('comes when nobody uses it, and asking for it is no use', async () => {
    const site = await startSite({ idleSeconds: 1_000 })
    const { call, session } = await loggedIn(site)
    site.time.advance(900)
    expect((await call('/api/notes/all')).status).toBe(200)
    site.time.advance(900)
    expect((await session()).loggedIn).toBe(true)
    site.time.advance(101)
    expect((await session()).loggedIn).toBe(false)
    expect((await call('/api/notes/all')).status).toBe(401)
  })

  it('comes after its time, however much it is used', async () => {
    const site = await startSite({ idleSeconds: 1_000, absoluteSeconds: 2_000 })
    const { call } = await loggedIn(site)
    for (const seconds of [900, 900]) {
      site.time.advance(seconds)
      expect((await call('/api/notes/all')).status).toBe(200)
    }
    site.time.advance(200)
    expect((await call('/api/notes/all')).status).toBe(401)
  })

  it('is logging out: the tokens are revoked, the cookie is gone, nothing is kept', async () => {
    const site = await startSite()
    const { call, visitor, session } = await loggedIn(site)
    await call('/api/private/all')
    const id = visitor.cookies.get('bff') ?? ''
    const answer = await call('/bff/logout', { method: 'POST' })
    expect([answer.status, await answer.json()]).toEqual([200, { loggedIn: false, revoked: true }])
    expect(visitor.cookies.has('bff')).toBe(false)
    const headers = { authorization: `Bearer ${site.closed.tokens()[0]}` }
    expect((await fetch(site.closed.origin, { headers })).status).toBe(401)
    visitor.cookies.set('bff', id)
    expect([(await session()).loggedIn, (await call('/api/notes/all')).status]).toEqual([false, 401])
    expect(await site.store.names()).toEqual([])
  })

  it('counts in every process at once', async () => {
    const site = await startSite()
    const { visitor } = await loggedIn(site)
    const [here, there] = [site.bff, await site.another()].map(({ handle }) => ask(site, handle, visitor.cookies))
    expect([(await here?.('/api/notes/all'))?.status, (await there?.('/api/notes/all'))?.status]).toEqual([200, 200])
    await here?.('/bff/logout', 'POST')
    expect((await there?.('/api/notes/all'))?.status).toBe(401)
  })

  it('counts at once while the authorization server is down, which is told later', async () => {
    const site = await startSite()
    const { call, visitor } = await loggedIn(site)
    const id = visitor.cookies.get('bff') ?? ''
    site.issuer.isDown = true
    expect(await (await call('/bff/logout', { method: 'POST' })).json()).toEqual({ loggedIn: false, revoked: false })
    visitor.cookies.set('bff', id)
    expect((await call('/api/notes/all')).status).toBe(401)
    await site.bff.sweep()
    expect(await site.store.names()).toHaveLength(2)
    site.issuer.isDown = false
    site.issuer.seen.length = 0
    await site.bff.sweep()
    expect([site.issuer.seen.filter((path) => path === '/revoke'), await site.store.names()]).toEqual([['/revoke'], []])
  })

  it('is harmless twice', async () => {
    const site = await startSite()
    const { call, visitor } = await loggedIn(site)
    const cookies = new Map(visitor.cookies)
    const logOut = ask(site, site.bff.handle, cookies)
    const answers = await Promise.all([logOut('/bff/logout', 'POST'), logOut('/bff/logout', 'POST')])
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200])
    expect((await call('/bff/logout', { method: 'POST' })).status).toBe(200)
  })

  it('is swept away with its tokens, and begun logins with it', async () => {
    const site = await startSite()
    const { visitor } = await loggedIn(site)
    await visitor.go(`${site.origin}/bff/login`)
    expect(await site.store.names()).toHaveLength(3)
    site.time.advance(601)
    await site.bff.sweep()
    expect(await site.store.names()).toHaveLength(2)
    site.time.advance(3_600)
    site.issuer.seen.length = 0
    await site.bff.sweep()
    expect([site.issuer.seen.filter((path) => path === '/revoke'), await site.store.names()]).toEqual([['/revoke'], []])
  })
})

describe('what is kept', () => {
  it('is taken up by another process', async () => {
    const site = await startSite()
    const { visitor } = await loggedIn(site)
    const { handle } = await site.another()
    site.time.advance(700)
    expect((await ask(site, handle, visitor.cookies)('/api/notes/all'))?.status).toBe(200)
  })

  it('is not taken for no session where it is damaged', async () => {
    const store = memoryBffStore()
    const damaged: BffStore = {
      ...store,
      cell: (name) => ({
        ...store.cell(name),
        read: async () => {
          return name.startsWith('session.') && isDamaged ? new Secret('{') : await store.cell(name).read()
        },
      }),
    }
    let isDamaged = false
    const site = await startSite({ store: damaged })
    const { call, visitor } = await loggedIn(site)
    isDamaged = true
    const answer = await call('/api/notes/all')
    expect([answer.status, await answer.json()]).toMatchObject([500, { error: 'fault' }])
    expect(visitor.cookies.has('bff')).toBe(true)
    isDamaged = false
    expect((await call('/api/notes/all')).status).toBe(200)
  })

  it('leads nowhere where the process died in the middle of a login, and is swept away', async () => {
    const store = memoryBffStore()
    let dies = false
    const site = await startSite({
      store,
      user: async () => {
        if (dies) await new Promise(() => undefined)
        return {}
      },
    })
    dies = true
    const login = loggedIn(site)
    login.catch(() => undefined)
    await expect.poll(async () => (await store.names()).filter((name) => name.startsWith('tokens.'))).toHaveLength(1)
    site.time.advance(601)
    site.issuer.seen.length = 0
    await (await site.another()).sweep()
    expect(site.issuer.seen).toContain('/revoke')
    expect(await store.names()).toEqual([])
  })
})
