// An authorization server and an API with a guard, whose clock can be moved on, so that tokens end when they are wanted to.
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAuthorizationServer, listen, openStore } from '@arctos/authorization-server'
import { type OAuthClient, oauthClient, type Session, type SessionStore } from '@arctos/client'
import { formatOpaqueToken, resourceKey, sha256Base64url } from '@arctos/core'
import { resourceServer } from '@arctos/resource-server'
import { protect, protectedResourceMetadata } from '@arctos/resource-server/node'

export const programId = 'bench-program'
export const service = { id: 'bench-service', secret: 'arctos_cs_made_for_the_bench_and_nothing_else_0123456789' }
const scope = 'read offline_access'
const actor = 'bench'
const lifetimeSeconds = 600

/** Tokens as an answer of the token endpoint has them. */
export interface PlainTokens {
  readonly access_token: string
  readonly refresh_token: string
}

export interface World {
  readonly issuer: string
  /** The identifier of the API, which is where it listens. */
  readonly resource: string
  /** How far the clock is ahead of the machine's, in milliseconds. */
  shiftMs(): number
  /** Lets every access token end. */
  expireTokens(): void
  /** Requests that the token endpoint has had so far. */
  tokenRequests(): number
  /** A public client, with this world's clock. */
  client(): OAuthClient
  logIn(client: OAuthClient, store: SessionStore): Promise<Session>
  /** The same login, for who is no client of ours. */
  plainTokens(): Promise<PlainTokens>
  /** A code for what an authorization request asks. */
  mintCode(request: URLSearchParams): Promise<string>
  close(): Promise<void>
}

export interface WorldOptions {
  readonly database?: string
  /** How long a public client may repeat a refresh; 0 is strict. */
  readonly retryWindowSeconds?: number
}

export async function startWorld({
  database = ':memory:',
  retryWindowSeconds = 30,
}: WorldOptions = {}): Promise<World> {
  let shiftMs = 0
  const now = (): number => Date.now() + shiftMs
  const store = await openStore({ database, now })
  await store.migrate()
  let tokenRequests = 0
  let server: Awaited<ReturnType<typeof createAuthorizationServer>> | undefined
  const listening = await listen(
    {
      handle: (request, peer, target) => server?.handle(request, peer, target) ?? new Response(null, { status: 503 }),
      answerProgram: (request, peer, target) => {
        if (target === '/token') tokenRequests++
        return server?.answerProgram(request, peer, target)
      },
    },
    { port: 0, hosts: ['127.0.0.1'] },
  )
  const issuer = `http://127.0.0.1:${listening.port}`
  const lifetimes = { retryWindowSeconds }
  server = await createAuthorizationServer({ issuer, store, kek: randomBytes(32), now, lifetimes })
  const stopUpkeep = server.startUpkeep()

  let handler: ((...exchange: Parameters<ReturnType<typeof protect>>) => unknown) | undefined
  const api = createServer((request, response) => void handler?.(request, response))
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
  const resource = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
  const guard = resourceServer({
    resource,
    authorizationServers: [issuer],
    scopes: { read: 'Read' },
    now,
    journal: () => undefined,
  })
  const metadata = protectedResourceMetadata(guard)
  const notes = protect(guard, { scope: 'read' }, (request, response) => response.end(request.access.subject))
  handler = (request, response) => (metadata(request, response) ? undefined : notes(request, response))

  await store.createResource({
    settings: {
      identifier: resource,
      scopes: { read: 'Read' },
      tokenFormat: 'jwt',
      tokenType: 'at+jwt',
      accessTokenLifetimeSeconds: lifetimeSeconds,
    },
    actor,
  })
  await store.createClient({
    id: programId,
    settings: {
      name: 'Bench program',
      authenticationMethods: ['none'],
      grantTypes: ['authorization_code'],
      redirectUris: ['http://127.0.0.1/callback'],
    },
    secretHash: undefined,
    actor,
  })
  await store.createClient({
    id: service.id,
    settings: {
      name: 'Bench service',
      authenticationMethods: ['client_secret_basic'],
      grantTypes: ['client_credentials'],
      redirectUris: [],
    },
    secretHash: sha256Base64url(service.secret),
    actor,
  })
  const user = await store.createUser({ username: 'bench-user', passwordHash: '-', actor })
  if (user.outcome !== 'created') throw new Error(`the user was not created: ${user.outcome}`)

  const mintCode = async (request: URLSearchParams): Promise<string> => {
    const code = formatOpaqueToken('authorizationCode', randomBytes(32)).reveal()
    const issued = await store.issueCode({
      codeHash: sha256Base64url(code),
      form: undefined,
      clientId: programId,
      userId: user.id,
      authenticatedAt: Math.floor(now() / 1_000),
      scopes: scope.split(' '),
      resourceKeys: [resourceKey(resource)],
      redirectUri: request.get('redirect_uri') ?? '',
      redirectUriSent: true,
      codeChallenge: request.get('code_challenge') ?? '',
      remember: false,
    })
    if (issued.outcome !== 'issued') throw new Error(`the code was not issued: ${issued.outcome}`)
    return code
  }

  return {
    issuer,
    resource,
    shiftMs: () => shiftMs,
    expireTokens: () => {
      shiftMs += (lifetimeSeconds + 100) * 1_000
    },
    tokenRequests: () => tokenRequests,
    client: () => oauthClient({ issuer, clientId: programId, now }),
    logIn: (client, store) => logInBy(client, { store, resource, mintCode }),
    async plainTokens() {
      const verifier = randomBytes(32).toString('base64url')
      const redirect_uri = 'http://127.0.0.1:1/callback'
      const code_challenge = createHash('sha256').update(verifier).digest('base64url')
      const code = await mintCode(new URLSearchParams({ redirect_uri, code_challenge }))
      const body = new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: programId,
        code,
        code_verifier: verifier,
        redirect_uri,
        resource,
      })
      const answer = await fetch(`${issuer}/token`, { method: 'POST', body })
      if (answer.status !== 200) throw new Error(`no tokens: ${answer.status} ${await answer.text()}`)
      return (await answer.json()) as PlainTokens
    },
    mintCode,
    async close() {
      api.closeAllConnections()
      await new Promise((resolve) => api.close(resolve))
      await listening.close(0)
      await stopUpkeep()
      await store.close()
    },
  }
}

/** Logs in by a browser that agrees to everything. */
export async function logInBy(
  client: OAuthClient,
  given: { store: SessionStore; resource: string; mintCode: (request: URLSearchParams) => Promise<string> },
): Promise<Session> {
  const openBrowser = async (url: string): Promise<void> => {
    const { origin, searchParams } = new URL(url)
    const answer = { code: await given.mintCode(searchParams), state: searchParams.get('state') ?? '', iss: origin }
    await (await fetch(`${searchParams.get('redirect_uri')}?${new URLSearchParams(answer)}`)).text()
  }
  return await client.login({ resource: given.resource, scope, openBrowser, store: given.store })
}
