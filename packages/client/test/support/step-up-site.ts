import { randomBytes } from 'node:crypto'
import {
  authenticationContexts,
  type ClientSettings,
  createAuthorizationServer,
  hashPassword,
  listen as listenForOAuth,
  openStore,
} from '@arctos/authorization-server'
import { clientSecretBasic, type OAuthClient, oauthClient } from '@arctos/client'
import { sha256Base64url } from '@arctos/core'
import { type Policy, resourceServer } from '@arctos/resource-server'
import { protect, protectedResourceMetadata } from '@arctos/resource-server/node'
import { onTestFinished } from 'vitest'
import { type Browser, createBrowser } from './browser.ts'
import { listen } from './http.ts'

/** The policies of the API, one for each path; every other path takes the scope `read`. */
const policies: Readonly<Record<string, Policy>> = {
  '/write': { scope: 'write' },
  '/share': { scope: 'share' },
  '/send': { scope: 'send' },
  '/unknown': { scope: 'unknown' },
  '/recent': { maxAgeSeconds: 300 },
  '/password': { acr: authenticationContexts.password },
  '/hardware': { acr: 'mfa' },
  '/recent-write': { acr: ['mfa', authenticationContexts.password], maxAgeSeconds: 300, scope: 'write' },
}

/** An Arctos authorization server and an API with an Arctos guard whose routes ask for different things. */
export interface StepUpSite {
  readonly issuer: string
  readonly api: string
  readonly mail: string
  /** The program on a user's machine. */
  readonly program: OAuthClient
  /** A client of its own right, which may have every scope. */
  readonly service: OAuthClient
  /** A browser in which the user stays signed in. */
  readonly agreeing: Browser
  readonly other: Browser
  readonly refusing: Browser
  /** Requests that the authorization server got, path and query. */
  readonly seen: URL[]
  /** Paths that the two APIs were called at. */
  readonly hits: string[]
  readonly now: () => number
  advance(seconds: number): void
}

const actor = 'test'
const password = 'correct horse battery staple'
const secret = 'a secret'

export async function startStepUpSite(): Promise<StepUpSite> {
  let passedMs = 0
  const now = () => Date.now() + passedMs
  const store = await openStore({ database: ':memory:', now })
  await store.migrate()
  const seen: URL[] = []
  let server: Awaited<ReturnType<typeof createAuthorizationServer>> | undefined
  const listening = await listenForOAuth(
    {
      handle: async (request, peer, target) => {
        seen.push(new URL(request.url))
        return (await server?.handle(request, peer, target)) ?? new Response(null, { status: 503 })
      },
    },
    { port: 0, hosts: ['127.0.0.1'] },
  )
  const issuer = `http://127.0.0.1:${listening.port}`
  server = await createAuthorizationServer({ issuer, store, kek: randomBytes(32), now })
  onTestFinished(async () => {
    await listening.close(0)
    await store.close()
  })

  const scopes = { read: 'Read', write: 'Write', share: 'Share' }
  const hits: string[] = []
  const api = await startApi(hits, issuer, now, { ...scopes, unknown: 'Nobody grants it' })
  const mail = await startApi(hits, issuer, now, { read: 'Read', send: 'Send' })
  for (const [identifier, declared] of [
    [api, scopes],
    [mail, { read: 'Read', send: 'Send' }],
  ] as const) {
    const rest = { tokenFormat: 'jwt', tokenType: 'at+jwt', accessTokenLifetimeSeconds: 3_600 } as const
    await store.createResource({ settings: { identifier, scopes: declared, ...rest }, actor })
  }
  const register = (id: string, settings: Pick<ClientSettings, 'authenticationMethods' | 'grantTypes'>) =>
    store.createClient({
      id,
      settings: { name: id, redirectUris: ['http://127.0.0.1/callback'], ...settings },
      secretHash: settings.authenticationMethods.includes('none') ? undefined : sha256Base64url(secret),
      actor,
    })
  await register('program', { authenticationMethods: ['none'], grantTypes: ['authorization_code'] })
  await register('service', {
    authenticationMethods: ['client_secret_basic'],
    grantTypes: ['client_credentials'],
  })
  const passwordHash = await hashPassword(password)
  for (const username of ['ada', 'grace']) await store.createUser({ username, passwordHash, actor })

  return {
    issuer,
    api,
    mail,
    program: oauthClient({ issuer, clientId: 'program', now }),
    service: oauthClient({ issuer, clientId: 'service', auth: clientSecretBasic(secret), now }),
    agreeing: createBrowser({ username: 'ada', password, decision: 'approve' }),
    other: createBrowser({ username: 'grace', password, decision: 'approve' }),
    refusing: createBrowser({ username: 'ada', password, decision: 'deny' }),
    seen,
    hits,
    now,
    advance: (seconds) => {
      passedMs += seconds * 1_000
    },
  }
}

async function startApi(
  hits: string[],
  issuer: string,
  now: () => number,
  scopes: Readonly<Record<string, string>>,
): Promise<string> {
  const handlers = new Map<string, ReturnType<typeof protect>>()
  let metadata: ReturnType<typeof protectedResourceMetadata> | undefined
  const origin = await listen(async (request, response) => {
    if (request.url?.startsWith('/.well-known/')) return void metadata?.(request, response)
    hits.push(request.url ?? '')
    await (handlers.get(request.url ?? '') ?? handlers.get('*'))?.(request, response)
  })
  const api = resourceServer({
    resource: origin,
    authorizationServers: [issuer],
    scopes,
    now,
    journal: () => undefined,
  })
  metadata = protectedResourceMetadata(api)
  const guard = (policy: Policy) => protect(api, policy, (request, response) => response.end(request.access.subject))
  handlers.set('*', guard({ scope: 'read' }))
  for (const [path, policy] of Object.entries(policies)) {
    if (!('scope' in policy) || Object.hasOwn(scopes, String(policy.scope))) handlers.set(path, guard(policy))
  }
  return origin
}
