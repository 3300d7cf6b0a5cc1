import {
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import * as express from '../src/adapters/express.ts'
import * as fastify from '../src/adapters/fastify.ts'
import * as fetchAdapter from '../src/adapters/fetch.ts'
import * as hono from '../src/adapters/hono.ts'
import * as node from '../src/adapters/node.ts'
import { accessOf, type ResourceServer } from '../src/index.ts'
import { listen } from './issuer.ts'

export interface Sent {
  readonly path: string
  readonly authorization?: readonly string[]
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

export interface App {
  ask(sent: Sent): Promise<Received>
  close(): Promise<void>
}

type Api = ResourceServer<'read' | 'write'>

/** `/read` and `/write` are guarded, each in its framework's own way, and answer with the subject. */
export const apps: Readonly<Record<string, (api: Api) => Promise<App>>> = {
  'plain data': async (api) => ({ ask: (sent) => askPlainly(api, sent), close: async () => {} }),
  'node:http': (api) => serve(nodeApp(api)),
  Fetch: (api) => serve(getRequestListener(fetchApp(api))),
  Hono: (api) => serve(getRequestListener(honoApp(api).fetch)),
  Express: (api) => serve(expressApp(api)),
  Fastify: (api) => serve(fastifyApp(api)),
}

const guardedPaths = { '/read': 'read', '/write': 'write' } as const

async function askPlainly(api: Api, { path, authorization, method = 'GET', headers }: Sent): Promise<Received> {
  const scope = path.startsWith('/write') ? 'write' : 'read'
  const request = { method, url: path, headers: { ...headers, Authorization: authorization } }
  const decision = await api.authorize(request, { scope })
  if (!decision.ok) return decision.response
  return { status: 200, headers: {}, body: JSON.stringify({ subject: decision.access.subject }) }
}

function nodeApp(api: Api): RequestListener {
  const metadata = node.protectedResourceMetadata(api)
  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ subject: accessOf(request).subject }))
  }
  const read = node.protect(api, { scope: 'read' }, handler)
  const write = node.protect(api, { scope: 'write' }, handler)
  return (request, response) => {
    if (metadata(request, response)) return
    const path = request.url?.split('?')[0]
    if (path === '/read') return void read(request, response)
    if (path === '/write') return void write(request, response)
    response.writeHead(404).end()
  }
}

function fetchApp(api: Api): (request: Request) => Promise<Response> {
  const metadata = fetchAdapter.protectedResourceMetadata(api)
  const guard = (scope: 'read' | 'write') =>
    fetchAdapter.protect(api, { scope }, (_request, access) => Response.json({ subject: access.subject }))
  const routes = new Map([
    ['/read', guard('read')],
    ['/write', guard('write')],
  ])
  return async (request) => {
    const route = routes.get(new URL(request.url).pathname)
    return metadata(request) ?? route?.(request) ?? new Response(null, { status: 404 })
  }
}

function honoApp(api: Api): Hono<{ Variables: hono.AccessVariables }> {
  const app = new Hono<{ Variables: hono.AccessVariables }>()
  app.use(hono.protectedResourceMetadata(api))
  for (const [path, scope] of Object.entries(guardedPaths)) {
    app.all(path, hono.protect(api, { scope }), (context) => context.json({ subject: context.var.access.subject }))
  }
  return app
}

/** As Express runs middleware: in order, each by `next`, an error ends it. The framework itself is tried in `interop/`. */
function expressApp(api: Api): RequestListener {
  const metadata = express.protectedResourceMetadata(api)
  const guards = {
    '/read': express.protect(api, { scope: 'read' }),
    '/write': express.protect(api, { scope: 'write' }),
  }
  return (message, response) => {
    const request: IncomingMessage & Express.Request & { originalUrl?: string } = message
    request.originalUrl = request.url ?? ''
    const path = request.originalUrl.split('?')[0]
    const guard = path === '/read' || path === '/write' ? guards[path] : undefined
    metadata(request, response, () => {
      if (guard === undefined) return void response.writeHead(404).end()
      // A mounted router shows its handlers only the rest of the path.
      request.url = '/'
      guard(request, response, (error) => {
        if (error !== undefined) return void response.writeHead(500).end()
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ subject: request.access?.subject }))
      })
    })
  }
}

/** As Fastify runs a route: `onRequest` hooks, and the handler unless a hook has replied. */
function fastifyApp(api: Api): RequestListener {
  type Hook = ReturnType<typeof fastify.protect>
  const routes = new Map<string, Hook>()
  const handler: Hook = async (request, reply) => {
    reply.headers({ 'content-type': 'application/json' })
    return reply.send(JSON.stringify({ subject: accessOf(request).subject }))
  }
  for (const [path, scope] of Object.entries(guardedPaths)) {
    const onRequest = fastify.protect(api, { scope })
    routes.set(path, async (request, reply) => (await onRequest(request, reply)) ?? handler(request, reply))
  }
  const plugin = fastify.protectedResourceMetadata(api)
  const registered = plugin({ get: (path, hook) => routes.set(path, hook) })
  return async (raw, response) => {
    await registered
    const route = routes.get(raw.url?.split('?')[0] ?? '')
    if (route === undefined) return void response.writeHead(404).end()
    const reply = {
      code: (status: number) => Object.assign(response, { statusCode: status }),
      headers: (values: Record<string, string>) => response.setHeaders(new Map(Object.entries(values))),
      send: (body: string) => response.end(body),
    }
    await route({ raw }, reply)
  }
}

async function serve(listener: RequestListener): Promise<App> {
  const { origin, close } = await listen(listener)
  return { ask: (sent) => askOverHttp(origin, sent), close }
}

/** Sends header lines and path as they are given: `fetch` would join two of one name, and tidy the path. */
export function askOverHttp(
  origin: string,
  { path, authorization = [], method = 'GET', headers: given, body }: Sent,
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const headers: OutgoingHttpHeaders = { ...given }
    if (body !== undefined) headers['content-type'] = 'application/x-www-form-urlencoded'
    const request = httpRequest(origin, { path, method, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers as Record<string, string>, body: text })
      })
    })
    if (authorization.length > 0) request.setHeader('authorization', authorization)
    request.on('error', reject)
    request.end(body)
  })
}
