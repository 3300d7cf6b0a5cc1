import { randomBytes } from 'node:crypto'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import {
  type AuthorizationServer,
  createAuthorizationServer,
  hashPassword,
  listen,
  openStore,
} from '@arctos/authorization-server'
import { bff, memoryBffStore } from '@arctos/bff'
import { bffMiddleware } from '@arctos/bff/express'
import { clientSecretPost, oauthClient } from '@arctos/client'
import { sha256Base64url } from '@arctos/core'
import { resourceServer } from '@arctos/resource-server'
import { protect } from '@arctos/resource-server/node'
import { makeSelfSignedCertificate } from '../../packages/client/test/support/self-signed-certificate.ts'
import { user } from './site.ts'

const secret = 'a secret of the application'
const actor = 'browser'

/** A web application with a BFF over TLS, an API, an authorization server, and somebody else's page on two other origins. */
export interface AppSite {
  readonly origin: string
  /** Of another host (cross-site) and of another port (the same site, where cookies go along). */
  readonly foreign: readonly string[]
  /** Every access token that came to the API, and every refresh token in the store. */
  tokens(): Promise<readonly string[]>
  /** How many calls came to the API with a token. */
  readonly calls: () => number
  /** Paths of the requests to the authorization server. */
  readonly asked: readonly string[]
  advance(seconds: number): void
  close(): Promise<void>
}

const page = `<!doctype html><title>Notes</title><link rel="icon" href="data:,"><a href="/bff/login?return_to=/notes">Log in</a>
<p id="answer"></p><button onclick="run()">Call</button><script>
const call = (path, init = {}) => fetch(path, { ...init, headers: { 'arctos-bff': '1', ...init.headers } })
const run = async () => {
  const response = await call('/api/notes/mine')
  answer.textContent = response.status + ' ' + await response.text()
}
</script>`

export async function openAppSite(): Promise<AppSite> {
  let passedMs = 0
  const now = (): number => Date.now() + passedMs
  const servers: Server[] = []
  const serve = async (server: Server): Promise<number> => {
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }

  let authorizationServer: AuthorizationServer | undefined
  const asked: string[] = []
  const handle: AuthorizationServer['handle'] = async (request, ...rest) => {
    asked.push(new URL(request.url).pathname)
    return (await authorizationServer?.handle(request, ...rest)) ?? new Response(null, { status: 503 })
  }
  const listening = await listen({ handle } as AuthorizationServer, { port: 0, hosts: ['127.0.0.1'] })
  const issuer = `http://127.0.0.1:${listening.port}`
  const store = await openStore({ database: ':memory:', now })
  await store.migrate()
  authorizationServer = await createAuthorizationServer({ issuer, store, kek: randomBytes(32), now })

  let answerCall: RequestListener | undefined
  const seen: string[] = []
  const apiPort = await serve(createHttpServer((request, response) => answerCall?.(request, response)))
  const resource = `http://127.0.0.1:${apiPort}`
  const tokens = { tokenFormat: 'jwt', tokenType: 'at+jwt', accessTokenLifetimeSeconds: 600 } as const
  await store.createResource({
    settings: { identifier: resource, scopes: { read: 'Read your notes' }, ...tokens },
    actor,
  })
  const api = resourceServer({ resource, authorizationServers: [issuer], scopes: { read: 'Read' }, now })
  const guarded = protect(api, { scope: 'read' }, (request, response) => {
    if (request.url === '/echo') response.end(`you sent ${seen.at(-1)}`)
    else response.end(`notes of ${request.access.subject}`)
  })
  answerCall = (request, response) => {
    seen.push(request.headers.authorization?.slice('Bearer '.length) ?? '')
    void guarded(request, response)
  }

  let answerPage: RequestListener | undefined
  const certificate = makeSelfSignedCertificate()
  const appPort = await serve(createHttpsServer(certificate, (request, response) => answerPage?.(request, response)))
  const origin = `https://127.0.0.1:${appPort}`
  const settings = {
    name: 'Notes on the web',
    authenticationMethods: ['client_secret_post' as const],
    grantTypes: ['authorization_code'],
    redirectUris: [`${origin}/bff/callback`],
  }
  await store.createClient({ id: 'web', settings, secretHash: sha256Base64url(secret), actor })
  await store.createUser({ username: user.name, passwordHash: await hashPassword(user.password), actor })
  const kept = memoryBffStore()
  const app = bff({
    client: oauthClient({ issuer, clientId: 'web', auth: clientSecretPost(secret), now }),
    origin,
    scope: 'read offline_access',
    apis: { '/api/notes': { resource, methods: ['GET', 'POST'] } },
    store: kept,
    now,
    report: () => undefined,
  })
  const mounted = bffMiddleware(app)
  answerPage = (request, response) =>
    mounted(request, response, () => response.writeHead(200, { 'content-type': 'text/html' }).end(page))

  const elsewhere: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Elsewhere</title>')
  }
  const foreignPort = await serve(createHttpsServer(certificate, elsewhere))

  return {
    origin,
    foreign: [`https://localhost:${foreignPort}`, `https://127.0.0.1:${foreignPort}`],
    async tokens() {
      const cells = await Promise.all(
        (await kept.names()).map(async (name) => (await kept.cell(name).read())?.reveal()),
      )
      const texts = cells.flatMap((text) => [...(text ?? '').matchAll(/"(?:refresh_token|token)":"([^"]+)"/g)])
      return [...new Set([...seen.filter((token) => token !== ''), ...texts.map(([, token = '']) => token)])]
    },
    calls: () => seen.length,
    asked,
    advance: (seconds) => {
      passedMs += seconds * 1_000
    },
    close: async () => {
      await listening.close(1_000)
      for (const server of servers) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
      await store.close()
    },
  }
}
