import { randomBytes } from 'node:crypto'
import {
  type AuthorizationServer,
  createAuthorizationServer,
  type Listening,
  listen,
  openStore,
  type SigningAlgorithm,
} from '@arctos/authorization-server'
import { type AccessTokens, createAccessTokens } from './access-tokens.ts'
import { strangerOf } from './forge.ts'
import { createOutages, type OutageKind, type OutageOf } from './outage.ts'
import { createReachableFetch, type TestFetch } from './reachable-fetch.ts'
import { createRegistration, type TestCredential, type TestResource } from './registration.ts'
import { type TestKey, testKeyOf } from './signing.ts'
import { createTestClock, type TestClock } from './test-clock.ts'

export interface TestAuthorizationServerOptions {
  /** The APIs that tokens can be for; by default one, `https://api.example.com`, with the scopes `read` and `write`. */
  readonly resources?: readonly TestResource[]
  /** Serve on a free port of 127.0.0.1 as well, for programs that take no `fetch`. Then `close()` is needed. */
  readonly listen?: boolean
  /** By default `https://as.example.com`; with `listen` it is the address. */
  readonly issuer?: string
  /** By default ES256. */
  readonly signingAlgorithm?: SigningAlgorithm
}

/** A real authorization server in this process: real keys, real endpoints, a database in memory, a clock that can be moved. */
export interface TestAuthorizationServer {
  readonly issuer: string
  /** Reaches this server without a socket, and nothing else. */
  readonly fetch: TestFetch
  readonly clock: TestClock
  /** Issues tokens, good ones and wrong ones. */
  readonly accessToken: AccessTokens
  /** The key that signs now, so that a test can sign what no server would. */
  readonly signingKey: () => TestKey
  /** Adds an API. */
  readonly addResource: (resource: TestResource) => Promise<void>
  /** The credential with which the server of an API introspects its tokens (RFC 7662), and is told what is taken back. */
  readonly introspectionCredential: (resource?: string) => Promise<TestCredential>
  /** Signs with a new key from now on; with `withdraw` the old ones are gone. A second passes. Returns the new `kid`. */
  readonly rotateKeys: (options?: { readonly withdraw?: boolean }) => Promise<string>
  /** Puts a part out of order until the function that is returned is called. */
  readonly outage: (of: OutageOf, kind?: OutageKind) => () => void
  /** Takes a token back, as its client would (RFC 7009). */
  readonly revoke: (token: string) => Promise<void>
  /** Paths of the requests that came, in order. */
  readonly requests: readonly string[]
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

const usualResource: TestResource = { identifier: 'https://api.example.com', scopes: ['read', 'write'] }

/** Starts one. Each is a world of its own, so tests can have one each: it takes some milliseconds. */
export async function testAuthorizationServer(
  options: TestAuthorizationServerOptions = {},
): Promise<TestAuthorizationServer> {
  const { resources = [usualResource], signingAlgorithm = 'ES256' } = options
  if (options.listen === true && options.issuer !== undefined) {
    throw new TypeError('testAuthorizationServer: issuer is given with listen; it is then the address')
  }
  const clock = createTestClock()
  const outages = createOutages()
  const requests: string[] = []
  let server: AuthorizationServer | undefined
  const handle: AuthorizationServer['handle'] = async (request, peer, target) => {
    const url = new URL(request.url)
    const { pathname } = url
    requests.push(pathname)
    const broken = outages.answerTo(url)
    if (broken !== undefined) return broken
    if (pathname.includes('/trap/')) return answerTrap(issuer, strangerOf(signingAlgorithm))
    return (await server?.handle(request, peer, target)) ?? new Response(null, { status: 503 })
  }

  const listening: Listening | undefined =
    options.listen === true ? await listen({ handle }, { port: 0, hosts: ['127.0.0.1'] }) : undefined
  const issuer =
    listening === undefined ? (options.issuer ?? 'https://as.example.com') : `http://127.0.0.1:${listening.port}`
  const store = await openStore({ database: ':memory:', now: clock.now, environment: 'test' })
  await store.migrate()
  server = await createAuthorizationServer({ issuer, store, kek: randomBytes(32), signingAlgorithm, now: clock.now })
  // What was taken back is numbered by it, and so told to guards.
  const stopUpkeep = server.startUpkeep()
  const { keys } = server.context
  const registration = createRegistration(store)
  for (const resource of resources) await registration.resource(resource)

  const signingKey = (): TestKey => {
    const { kid, algorithm, key } = keys.signingKey()
    return testKeyOf(kid, algorithm, key)
  }
  const ask = async (request: Request): Promise<Response> => handle(request, { address: '127.0.0.1' })
  const { accessToken, revoke } = createAccessTokens({ server, registration, clock, signingKey })

  const close = async (): Promise<void> => {
    await Promise.all([listening?.close(0), stopUpkeep()])
    await store.close()
  }
  return {
    issuer,
    fetch: createReachableFetch(new URL(issuer).origin, ask),
    clock,
    accessToken,
    signingKey,
    addResource: registration.resource,
    introspectionCredential: (resource) =>
      registration.resourceServer(resource ?? registration.defaultResource().identifier),
    async rotateKeys({ withdraw = false } = {}) {
      // Which key signs goes by the second from which it may.
      clock.advance('1s')
      const old = await store.listKeys(undefined)
      const kid = await keys.rotate({ immediately: true, actor: 'test' })
      if (withdraw) {
        const signing = old.filter(({ purpose, retiredAt }) => purpose === 'signing' && retiredAt === undefined)
        for (const { id } of signing) await store.retireKey({ id, actor: 'test' })
      }
      await keys.maintain()
      return kid
    },
    outage: (of, kind = 'error') => outages.begin(of, kind),
    revoke,
    requests,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** What a guard would find that follows a token's own word: a key set with which the token is good. */
function answerTrap(issuer: string, stranger: TestKey): Response {
  return Response.json({ issuer: `${issuer}/trap/issuer-trap`, jwks_uri: `${issuer}/trap/jwks`, keys: [stranger.jwk] })
}
