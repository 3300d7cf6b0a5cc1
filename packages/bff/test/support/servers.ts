import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAuthorizationServer, hashPassword, listen, openStore } from '@arctos/authorization-server'
import { sha256Base64url } from '@arctos/core'
import { resourceServer } from '@arctos/resource-server'
import { protect } from '@arctos/resource-server/node'
import { onTestFinished } from 'vitest'

export const user = { username: 'ada', password: 'correct horse battery staple' } as const
export const secret = 'a secret: with + and %'
const actor = 'test'

/** Listens on a free port of 127.0.0.1 until the test ends. Returns the origin. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface Time {
  readonly now: () => number
  advance(seconds: number): void
}

export function createTime(): Time {
  let passedMs = 0
  return {
    now: () => Date.now() + passedMs,
    advance(seconds) {
      passedMs += seconds * 1_000
    },
  }
}

export interface Issuer {
  readonly issuer: string
  readonly store: Awaited<ReturnType<typeof openStore>>
  /** Paths of the requests that came. */
  readonly seen: string[]
  /** Answers 503 to everything while it is true. */
  isDown: boolean
}

/** An Arctos authorization server with a user. */
export async function startIssuer({ now }: Time): Promise<Issuer> {
  const store = await openStore({ database: ':memory:', now })
  await store.migrate()
  const state = { isDown: false, seen: [] as string[] }
  let server: Awaited<ReturnType<typeof createAuthorizationServer>> | undefined
  const listening = await listen(
    {
      handle: async (request, peer, target) => {
        state.seen.push(new URL(request.url).pathname)
        if (state.isDown || server === undefined) return new Response(null, { status: 503 })
        return await server.handle(request, peer, target)
      },
    },
    { port: 0, hosts: ['127.0.0.1'] },
  )
  const issuer = `http://127.0.0.1:${listening.port}`
  server = await createAuthorizationServer({ issuer, store, kek: randomBytes(32), now })
  const stopUpkeep = server.startUpkeep()
  onTestFinished(async () => {
    await listening.close(0)
    await stopUpkeep()
    await store.close()
  })
  await store.createUser({ username: user.username, passwordHash: await hashPassword(user.password), actor })
  return Object.assign(state, { issuer, store })
}

/** Registers the application at the server. */
export async function registerApp({ store }: Issuer, origin: string, path = '/bff'): Promise<void> {
  const settings = {
    name: 'Notes on the web',
    authenticationMethods: ['client_secret_basic' as const],
    grantTypes: ['authorization_code'],
    redirectUris: [`${origin}${path}/callback`],
  }
  await store.createClient({ id: 'web', settings, secretHash: sha256Base64url(secret), actor })
}

export interface Api {
  readonly origin: string
  /** What came: requests with their headers and, once read, bodies. */
  readonly calls: { readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers'] }[]
  /** Access tokens that came. */
  readonly tokens: () => readonly string[]
  /** How many callers left before they were answered. */
  readonly left: () => number
  /** Refuses every token while it is true. */
  rejects: boolean
}

export type ApiHandler = (request: IncomingMessage, response: ServerResponse, subject: string) => unknown

/** An API behind a guard, by signed tokens or by introspected ones. */
export async function startApi(
  { issuer, store }: Issuer,
  { now }: Time,
  format: 'jwt' | 'opaque',
  handle: ApiHandler,
): Promise<Api> {
  let handler: ((request: IncomingMessage, response: ServerResponse) => unknown) | undefined
  const calls: Api['calls'] = []
  let left = 0
  const state = { calls, rejects: false }
  const origin = await serve((request, response) => {
    const { method = '', url = '', headers } = request
    calls.push({ method, url, headers })
    response.once('close', () => {
      if (!response.writableFinished) left++
    })
    if (!state.rejects) return void handler?.(request, response)
    response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
  })
  const tokens = { tokenFormat: format, tokenType: 'at+jwt', accessTokenLifetimeSeconds: 600 } as const
  await store.createResource({ settings: { identifier: origin, scopes: { read: 'Read' }, ...tokens }, actor })
  const clientId = `api-${format}`
  const authenticationMethods = ['client_secret_basic' as const]
  const settings = { name: clientId, authenticationMethods, grantTypes: [], redirectUris: [] }
  await store.createClient({
    id: clientId,
    settings: { ...settings, resourceServerOf: origin },
    secretHash: sha256Base64url(secret),
    actor,
  })
  const api = resourceServer({
    resource: origin,
    authorizationServers: [issuer],
    scopes: { read: 'Read' },
    now,
    introspection: format === 'opaque' ? { clientId, clientSecret: secret } : undefined,
    journal: () => undefined,
  })
  handler = protect<'read', IncomingMessage, ServerResponse>(api, { scope: 'read' }, (request, response) =>
    handle(request, response, request.access.subject ?? ''),
  )
  const tokensSeen = () => calls.flatMap(({ headers }) => headers.authorization?.slice('Bearer '.length) ?? [])
  return Object.assign(state, { origin, tokens: tokensSeen, left: () => left })
}
