import { getRequestListener } from '@hono/node-server'
import { protect, protectedResourceMetadata } from '../../src/adapters/fetch.ts'
import { type Api, type App, noteOf, serve } from './app.ts'

export function fetchApp(api: Api): Promise<App> {
  const metadata = protectedResourceMetadata(api)
  const guard = (scope: 'read' | 'write') =>
    protect(api, { scope }, async (request: Request, access) =>
      Response.json({ subject: access.subject, ...noteOf(await request.text()) }),
    )
  const routes = new Map([
    ['/read', guard('read')],
    ['/write', guard('write')],
  ])
  const listener = getRequestListener(async (request) => {
    const route = routes.get(new URL(request.url).pathname)
    return metadata(request) ?? route?.(request) ?? new Response(null, { status: 404 })
  })
  return serve(listener)
}

/** As Next calls its route handlers: one for each method, and a promise of the parameters after the request. */
export function nextApp(api: Api): Promise<App> {
  interface Segment {
    readonly params: Promise<{ readonly name: string }>
  }
  const metadata = protectedResourceMetadata(api)
  const answer = async (request: Request, access: { readonly subject: string }, { params }: Segment) =>
    (await params).name === ''
      ? Response.error()
      : Response.json({ subject: access.subject, ...noteOf(await request.text()) })
  const modules = {
    '/read': { GET: protect(api, { scope: 'read' }, answer), POST: protect(api, { scope: 'read' }, answer) },
    '/write': { GET: protect(api, { scope: 'write' }, answer), POST: protect(api, { scope: 'write' }, answer) },
  }
  const listener = getRequestListener(async (request) => {
    const document = metadata(request)
    if (document !== undefined) return document
    const { pathname } = new URL(request.url)
    if (pathname !== '/read' && pathname !== '/write') return new Response(null, { status: 404 })
    const { GET, POST } = modules[pathname]
    if (request.method !== 'GET' && request.method !== 'HEAD' && request.method !== 'POST') {
      return new Response(null, { status: 405 })
    }
    return (request.method === 'POST' ? POST : GET)(request, { params: Promise.resolve({ name: pathname }) })
  })
  return serve(listener)
}
