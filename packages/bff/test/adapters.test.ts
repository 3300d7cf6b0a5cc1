import { request } from 'node:http'
import type { Bff } from '@arctos/bff'
import { bffMiddleware as expressMiddleware } from '@arctos/bff/express'
import { bffMiddleware as honoMiddleware } from '@arctos/bff/hono'
import { routeHandlers } from '@arctos/bff/next'
import express from 'express'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { serve } from './support/servers.ts'
import { loggedIn, ownCall, type Site, startSite } from './support/site.ts'
import { send } from './support/wire.ts'

type Ask = (path: string, init?: { method?: string; body?: string }) => Promise<Response>
type Start = (made: Bff, cookie: string) => Promise<Ask>

const byFetch = (handle: (request: Request) => Response | Promise<Response>, cookie: string): Ask => {
  const headers = { ...ownCall, cookie }
  return async (path, init = {}) => await handle(new Request(`http://anything${path}`, { headers, ...init }))
}

const apps: Readonly<Record<string, Start>> = {
  hono: async (made, cookie) => {
    const app = new Hono()
    app.use(honoMiddleware(made))
    app.get('/', (context) => context.text('the application'))
    return byFetch((request) => app.fetch(request), cookie)
  },
  express: async (made, cookie) => {
    const app = express()
    app.use(expressMiddleware(made))
    app.get('/', (_request, response) => void response.send('the application'))
    const origin = await serve(app)
    return (path, init) => {
      const type = init?.body === undefined ? {} : { 'content-type': 'application/json' }
      return send(`${origin}${path}`, { ...init, headers: { ...ownCall, ...type, cookie } })
    }
  },
  next: async (made, cookie) => {
    const handlers: Readonly<Record<string, (request: Request) => Promise<Response>>> = routeHandlers(made)
    return byFetch(async (request) => {
      if (new URL(request.url).pathname === '/') return new Response('the application')
      return (await handlers[request.method]?.(request)) ?? new Response(null, { status: 405 })
    }, cookie)
  },
}

describe.each(Object.entries(apps))('in %s', (_, start) => {
  const started = async (): Promise<{ site: Site; ask: Ask }> => {
    const site = await startSite()
    const { visitor } = await loggedIn(site)
    return { site, ask: await start(site.bff, `bff=${visitor.cookies.get('bff')}`) }
  }

  it('answers for itself and leaves the rest', async () => {
    const { ask } = await started()
    expect(await (await ask('/')).text()).toBe('the application')
    expect(await (await ask('/bff/session')).json()).toMatchObject({ loggedIn: true })
    expect((await ask('/elsewhere')).status).toBe(404)
  })

  it('hands calls with bodies on, and their answers back', async () => {
    const { ask } = await started()
    const body = JSON.stringify({ text: 'x'.repeat(100_000) })
    for (const method of ['POST', 'PUT']) {
      const answer = await ask('/api/notes/all', { method, body })
      expect(await answer.json()).toMatchObject({ method, length: body.length })
    }
    expect((await ask('/api/notes/all', { method: 'HEAD' })).status).toBe(200)
    expect((await ask('/api/notes/all', { method: 'DELETE' })).status).toBe(200)
  })

  it('logs out', async () => {
    const { ask } = await started()
    const answer = await ask('/bff/logout', { method: 'POST' })
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([200, [expect.stringContaining('Max-Age=0')]])
    expect(await (await ask('/bff/session')).json()).toMatchObject({ loggedIn: false })
  })
})

describe('Express', () => {
  it('keeps bodies that are not for the BFF', async () => {
    const app = express()
    app.use(expressMiddleware((await startSite()).bff), express.json())
    app.post('/own', (incoming, response) => void response.json(incoming.body))
    const headers = { 'content-type': 'application/json' }
    const answer = await send(`${await serve(app)}/own`, { method: 'POST', headers, body: '{"a":1}' })
    expect(await answer.json()).toEqual({ a: 1 })
  })

  it('is told that a body parser came first', async () => {
    const site = await startSite()
    const { visitor } = await loggedIn(site)
    const app = express()
    app.use(express.json(), expressMiddleware(site.bff))
    const headers = { ...ownCall, cookie: `bff=${visitor.cookies.get('bff')}`, 'content-type': 'application/json' }
    const answer = await send(`${await serve(app)}/api/notes/all`, { method: 'POST', headers, body: '{}' })
    expect(answer.status).toBe(502)
    expect(site.reports.join()).toContain('mount it before body parsers')
  })

  it('takes no target that is no path for one', async () => {
    const site = await startSite()
    const origin = new URL(site.origin)
    const status = await new Promise((resolve) => {
      const target = {
        host: origin.hostname,
        port: origin.port,
        path: 'http://evil.example/bff/session',
        headers: ownCall,
      }
      request(target, (response) => resolve(response.resume().statusCode)).end()
    })
    expect(status).toBe(404)
  })

  it('stops asking the API when the page has left', async () => {
    const site = await startSite()
    const { visitor } = await loggedIn(site)
    const abort = new AbortController()
    const headers = { ...ownCall, cookie: `bff=${visitor.cookies.get('bff')}` }
    const gone = send(`${site.origin}/api/notes/silent`, { headers, signal: abort.signal })
    await expect.poll(() => site.notes.calls.length).toBe(1)
    abort.abort()
    await expect(gone).rejects.toThrow()
    await expect.poll(() => site.notes.left()).toBe(1)
  })
})
