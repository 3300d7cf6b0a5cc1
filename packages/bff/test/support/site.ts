import { buffer } from 'node:stream/consumers'
import { type Bff, type BffOptions, type BffStore, bff, memoryBffStore } from '@arctos/bff'
import { bffMiddleware } from '@arctos/bff/express'
import { clientSecretBasic, oauthClient } from '@arctos/client'
import {
  type Api,
  type ApiHandler,
  createTime,
  type Issuer,
  registerApp,
  secret,
  serve,
  startApi,
  startIssuer,
  type Time,
} from './servers.ts'
import { createVisitor, type Visitor } from './visitor.ts'
import type { Sent } from './wire.ts'

/** A web application with a BFF, the APIs behind it and the authorization server, all real. */
export interface Site {
  readonly time: Time
  readonly issuer: Issuer
  /** By signed tokens, at `/api/notes`. */
  readonly notes: Api
  /** By introspected tokens, at `/api/private`. */
  readonly closed: Api
  readonly origin: string
  readonly bff: Bff
  readonly store: BffStore
  /** What was reported. */
  readonly reports: string[]
  /** The same application in another process, as far as memory goes. */
  another(store?: BffStore): Promise<Bff>
}

export interface SiteOptions extends Partial<Omit<BffOptions, 'client' | 'origin' | 'apis'>> {
  readonly store?: BffStore
}

export async function startSite(given: SiteOptions = {}): Promise<Site> {
  const time = createTime()
  const issuer = await startIssuer(time)
  const notes = await startApi(issuer, time, 'jwt', answerNotes)
  const closed = await startApi(issuer, time, 'opaque', answerNotes)
  let handle: ReturnType<typeof bffMiddleware> | undefined
  const origin = await serve((request, response) =>
    handle?.(request, response, (error) => {
      response.writeHead(error === undefined ? 404 : 500).end(error === undefined ? 'the application' : 'an error')
    }),
  )
  await registerApp(issuer, origin)
  const { store = memoryBffStore(), ...options } = given
  const reports: string[] = []
  const make = (kept: BffStore): Bff => {
    const auth = clientSecretBasic(secret)
    const client = oauthClient({ issuer: issuer.issuer, clientId: 'web', auth, now: time.now, wait: async () => {} })
    const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']
    return bff({
      client,
      origin,
      scope: 'read offline_access',
      apis: { '/api/notes': { resource: notes.origin, methods }, '/api/private': { resource: closed.origin } },
      store: kept,
      now: time.now,
      report: (what, error) =>
        void reports.push(
          `${what}: ${error instanceof Error ? `${error.stack} ${String((error.cause as Error)?.stack)}` : String(error)}`,
        ),
      ...options,
    })
  }
  const made = make(store)
  handle = bffMiddleware(made)
  return { time, issuer, notes, closed, origin, bff: made, store, reports, another: async (kept = store) => make(kept) }
}

/** What a page's own script says of its calls. */
export const ownCall = { 'arctos-bff': '1', 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' } as const

/** A visitor who has logged in, and their calls. */
export async function loggedIn(site: Site, visitor: Visitor = createVisitor()) {
  const end = await visitor.follow(`${site.origin}/bff/login?return_to=/notes`)
  const call = (path: string, init: Sent = {}) =>
    visitor.go(`${site.origin}${path}`, { ...init, headers: { ...ownCall, ...init.headers } })
  const session = async () => (await (await call('/bff/session')).json()) as { readonly loggedIn: boolean }
  return { visitor, end, call, session }
}

/** An API that does whatever a path says. */
const answerNotes: ApiHandler = async (request, response, subject) => {
  const url = new URL(request.url ?? '', 'http://api')
  const { pathname, searchParams } = url
  const headers = Object.fromEntries(
    [...searchParams].filter(([name]) => name.startsWith('h-')).map(([n, v]) => [n.slice(2), v]),
  )
  if (pathname.startsWith('/status/')) return response.writeHead(Number(pathname.slice(8)), headers).end()
  if (pathname === '/silent') return undefined
  if (pathname === '/echo-token') return response.end(`you sent ${request.headers.authorization}`)
  if (pathname === '/echo-header') {
    return response.writeHead(200, { etag: `"${request.headers.authorization?.slice(7)}"` }).end()
  }
  if (pathname === '/begin') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    return response.write('data: 1\n\n')
  }
  if (pathname === '/length') return response.end(Buffer.alloc(Number(searchParams.get('bytes')), 'x'))
  const body = await buffer(request)
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  return response.end(
    JSON.stringify({ of: subject, method: request.method, url: request.url, length: body.byteLength }),
  )
}
