import { generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  type ClientSettings,
  createAuthorizationServer,
  hashPassword,
  listen as listenForOAuth,
  openStore,
  type Store,
} from '@arctos/authorization-server'
import type { PrivateJwk } from '@arctos/client'
import { sha256Base64url } from '@arctos/core'
import { resourceServer } from '@arctos/resource-server'
import { protect } from '@arctos/resource-server/node'
import { onTestFinished } from 'vitest'
import { type Browser, createBrowser } from './browser.ts'
import { listen } from './http.ts'

/** An Arctos authorization server and two APIs with Arctos guards, one for JWTs and one for opaque tokens. */
export interface Arctos {
  readonly issuer: string
  readonly jwtApi: string
  readonly opaqueApi: string
  readonly secret: string
  readonly privateJwk: PrivateJwk
  readonly store: Store
  /** Paths of the requests that the authorization server got. */
  readonly seen: string[]
  /** The next answer of this path is made and then lost. */
  loseAnswer(path: string): void
  /** Lets time pass for server and guards. */
  advance(seconds: number): void
  readonly now: () => number
  readonly agreeing: Browser
  readonly refusing: Browser
}

const actor = 'test'
const password = 'correct horse battery staple'

export async function startArctos(): Promise<Arctos> {
  let passedMs = 0
  const now = () => Date.now() + passedMs
  const store = await openStore({ database: ':memory:', now })
  await store.migrate()
  const lost = new Set<string>()
  const seen: string[] = []
  let server: Awaited<ReturnType<typeof createAuthorizationServer>> | undefined
  const listening = await listenForOAuth(
    {
      handle: async (request, peer, target) => {
        const { pathname } = new URL(request.url)
        seen.push(pathname)
        const answer = (await server?.handle(request, peer, target)) ?? new Response(null, { status: 503 })
        return lost.delete(pathname) ? new Response(null, { status: 502 }) : answer
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

  const secret = 'a secret: with + and %'
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicJwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key-1', alg: 'ES256', use: 'sig' }
  const register = (id: string, settings: Partial<ClientSettings>, withSecret = true) =>
    store.createClient({
      id,
      settings: {
        name: id,
        authenticationMethods: ['client_secret_basic', 'client_secret_post'],
        grantTypes: [],
        redirectUris: [],
        ...settings,
      },
      secretHash: withSecret ? sha256Base64url(secret) : undefined,
      actor,
    })
  const jwtApi = await startApi(issuer, now)
  const opaqueApi = await startApi(issuer, now, { clientId: 'opaque-api', clientSecret: secret })
  for (const [identifier, tokenFormat] of [
    [jwtApi, 'jwt'],
    [opaqueApi, 'opaque'],
  ] as const) {
    const settings = {
      identifier,
      tokenFormat,
      tokenType: 'at+jwt',
      scopes: { read: 'Read' },
      accessTokenLifetimeSeconds: 600,
    } as const
    await store.createResource({ settings, actor })
  }
  const redirectUris = ['http://127.0.0.1/callback']
  await register('service', { grantTypes: ['client_credentials', 'authorization_code'], redirectUris })
  await register(
    'program',
    { authenticationMethods: ['none'], grantTypes: ['authorization_code'], redirectUris },
    false,
  )
  await register(
    'television',
    { authenticationMethods: ['none'], grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'] },
    false,
  )
  const keys = [JSON.parse(JSON.stringify(publicJwk))]
  await register(
    'signer',
    { authenticationMethods: ['private_key_jwt'], grantTypes: ['client_credentials'], keys },
    false,
  )
  await register('opaque-api', { resourceServerOf: opaqueApi })
  await store.createUser({ username: 'ada', passwordHash: await hashPassword(password), actor })

  return {
    issuer,
    jwtApi,
    opaqueApi,
    secret,
    store,
    privateJwk: { ...privateKey.export({ format: 'jwk' }), kid: 'key-1' },
    seen,
    loseAnswer: (path) => void lost.add(path),
    advance: (seconds) => {
      passedMs += seconds * 1_000
    },
    now,
    agreeing: createBrowser({ username: 'ada', password, decision: 'approve' }),
    refusing: createBrowser({ username: 'ada', password, decision: 'deny' }),
  }
}

/** An API that a guard protects. Its origin is its identifier, so it listens before the guard is made. */
async function startApi(
  issuer: string,
  now: () => number,
  introspection?: { clientId: string; clientSecret: string },
): Promise<string> {
  let handler: ReturnType<typeof protect> | undefined
  const origin = await listen((request, response) => void handler?.(request, response))
  const api = resourceServer({
    resource: origin,
    authorizationServers: [issuer],
    scopes: { read: 'Read' },
    now,
    introspection,
    journal: () => undefined,
  })
  handler = protect(api, { scope: 'read' }, (request, response) => response.end(request.access.subject))
  return origin
}
