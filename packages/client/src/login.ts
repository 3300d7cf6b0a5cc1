import {
  codeChallengeOf,
  encodeBase64url,
  equalInConstantTime,
  formatScope,
  isScopeWord,
  resourceKey,
} from '@arctos/core'
import { describe, readErrorCode } from './answer.ts'
import type { Registration } from './endpoint.ts'
import { ClientError, OAuthError } from './errors.ts'
import { listenOnLoopback } from './loopback.ts'
import type { ServerMetadata } from './metadata.ts'
import { readResourceOption, readScopeOption } from './options.ts'
import type { SessionState } from './session-state.ts'
import { requestToken } from './token-answer.ts'

export interface LoginOptions {
  /** What the tokens are for (RFC 8707 §2). The first one gets its token at once, others when they are first called. */
  readonly resource: string | readonly string[]
  /** With `offline_access` the session outlives its first access token. */
  readonly scope?: string
  /** Classes of authentication of which one is needed, the preferred one first (RFC 9470 §4). */
  readonly acrValues?: readonly string[]
  /** How long ago the user may have signed in at the most; 0 asks to sign in now (RFC 9470 §4). */
  readonly maxAgeSeconds?: number
  /**
   * Shows the URL to the user, in the browser of the system. It is an http(s) URL without characters that a shell reads; give
   * it to a program as an argument all the same, never as part of a command line. Prints it when absent.
   */
  readonly openBrowser?: (url: string) => unknown
  /** Default `http://127.0.0.1/callback`. Without a port any free one is taken (RFC 8252 §7.3). */
  readonly redirectUri?: string
  /** How long to wait for the user; five minutes by default. */
  readonly timeoutMs?: number
  /** Gives up waiting for the user. */
  readonly signal?: AbortSignal
}

const defaultRedirectUri = 'http://127.0.0.1/callback'
const defaultTimeoutMs = 300_000
const secretBytes = 32

/** Logs a user in through the browser by code and PKCE, with an answer on a loopback port (RFC 8252, RFC 7636). */
export async function logIn(registration: Registration, options: LoginOptions): Promise<SessionState> {
  const { random } = registration.environment
  options.signal?.throwIfAborted()
  const resources = readResources(options.resource)
  const scope = readScopeOption(options.scope)
  const authentication = readAuthenticationOptions(options)
  const metadata = await registration.metadata()
  const secrets = { verifier: encodeBase64url(random(secretBytes)), state: encodeBase64url(random(secretBytes)) }
  authorizationEndpointOf(metadata)

  const listener = await listenOnLoopback(options.redirectUri ?? defaultRedirectUri, (query) =>
    isAnswerTo(query, secrets.state),
  )
  const { redirectUri } = listener
  const stopWaiting = limitWaiting(options, (error) => listener.close(error))
  try {
    const begun: BegunLogin = { ...secrets, redirectUri, resources, scope, authentication }
    const url = authorizationUrl(registration, metadata, begun)
    await (options.openBrowser ?? printUrl)(url)
    const code = readCode(await listener.callback, metadata)
    return await redeemCode(registration, code, begun)
  } finally {
    stopWaiting()
    listener.close()
  }
}

/** A login that was begun: what has to be known when its answer comes. */
export interface BegunLogin {
  readonly state: string
  readonly verifier: string
  readonly redirectUri: string
  readonly resources: readonly [string, ...string[]]
  readonly scope: readonly string[]
  /** What the request says about how and when the user has to sign in; not needed any more when the answer comes. */
  readonly authentication?: AuthenticationParameters | undefined
}

/** Parameters of the request, by their names on the wire. */
export type AuthenticationParameters = readonly (readonly ['acr_values' | 'max_age', string])[]

const contextLimit = 20
const longestAgeSeconds = 999_999_999

/** The options about how and when the user has to sign in. Throws `invalid_option`. RFC 9470 §4 */
export function readAuthenticationOptions({
  acrValues = [],
  maxAgeSeconds,
}: Pick<LoginOptions, 'acrValues' | 'maxAgeSeconds'>): AuthenticationParameters {
  if (acrValues.length > contextLimit || !acrValues.every(isScopeWord)) {
    throw new ClientError('invalid_option', 'acrValues must be at most 20 words of printable ASCII without " and \\')
  }
  const isAge = (age: number): boolean => Number.isInteger(age) && age >= 0 && age <= longestAgeSeconds
  if (maxAgeSeconds !== undefined && !isAge(maxAgeSeconds))
    throw new ClientError('invalid_option', `maxAgeSeconds must be a whole number from 0 to ${longestAgeSeconds}`)
  return [
    ...(acrValues.length === 0 ? [] : [['acr_values', acrValues.join(' ')] as const]),
    ...(maxAgeSeconds === undefined ? [] : [['max_age', String(maxAgeSeconds)] as const]),
  ]
}

/** Where the browser goes to be asked (RFC 6749 §4.1.1, RFC 7636 §4.3). */
export function authorizationUrl({ clientId }: Registration, metadata: ServerMetadata, begun: BegunLogin): string {
  const { state, verifier, redirectUri, resources, scope, authentication = [] } = begun
  return withQuery(authorizationEndpointOf(metadata), [
    ['response_type', 'code'],
    ['client_id', clientId],
    ['redirect_uri', redirectUri],
    ['state', state],
    ['code_challenge', codeChallengeOf(verifier)],
    ['code_challenge_method', 'S256'],
    ...(scope.length === 0 ? [] : [['scope', formatScope(scope)] as const]),
    ...resources.map((resource) => ['resource', resource] as const),
    ...authentication,
  ])
}

/** The `resource` option of a login. Throws `invalid_option`. */
export function readResources(given: LoginOptions['resource']): readonly [string, ...string[]] {
  const [first, ...others] = typeof given === 'string' ? [given] : given
  return [readResourceOption(first ?? ''), ...others.map(readResourceOption)]
}

function authorizationEndpointOf({ authorizationEndpoint, codeChallengeMethods, issuer }: ServerMetadata): string {
  if (authorizationEndpoint === undefined) {
    throw new ClientError('metadata_refused', `the metadata of ${issuer} has no authorization_endpoint`)
  }
  // A server that says nothing gets S256 all the same; one that only knows plain is no server for us (RFC 7636 §7.2).
  if (codeChallengeMethods !== undefined && !codeChallengeMethods.includes('S256')) {
    throw new ClientError('metadata_refused', `${issuer} does not support code_challenge_method S256`)
  }
  return authorizationEndpoint
}

/** Appends parameters; a query that the endpoint already has stays as it is (RFC 6749 §3.1). */
function withQuery(endpoint: string, parameters: readonly (readonly [string, string])[]): string {
  const query = new URLSearchParams(parameters.map(([name, value]) => [name, value])).toString()
  return `${endpoint}${endpoint.includes('?') ? '&' : '?'}${query}`
}

function printUrl(url: string): void {
  // On stderr, so that a program whose output is piped on can still ask its user.
  console.error(`Open this page in a browser to log in:\n${url}`)
}

/** Whether a query carries the state of this login, once (RFC 6749 §10.12). Anyone may send requests to the port. */
export function isAnswerTo(query: URLSearchParams, state: string): boolean {
  const [received, ...repeated] = query.getAll('state')
  return (
    received !== undefined && repeated.length === 0 && equalInConstantTime(Buffer.from(received), Buffer.from(state))
  )
}

/** The code in an answer to this login. Throws before the code can go to a server it is not from, or if there is none. */
export function readCode(query: URLSearchParams, { issuer, sendsIssuer }: ServerMetadata): string {
  for (const name of ['code', 'iss', 'error', 'error_description']) {
    if (query.getAll(name).length > 1)
      throw new ClientError('callback_refused', `the answer of the browser repeats ${name}`)
  }
  // Compared as it stands. A code of another server must not be sent to this one (RFC 9207 §2.4).
  const received = query.get('iss')
  if (received === null ? sendsIssuer : received !== issuer) {
    const how = received === null ? 'lacks the issuer' : 'names another issuer'
    throw new ClientError('callback_refused', `the answer of the browser ${how}; nothing was sent to ${issuer}`)
  }
  const code = query.get('code')
  if (query.has('error')) throw deniedBy(query, code)
  if (code === null || !/^[\x20-\x7e]{1,4096}$/.test(code)) {
    throw new ClientError('callback_refused', 'the answer of the browser has no code')
  }
  return code
}

function deniedBy(query: URLSearchParams, code: string | null): ClientError {
  const error = readErrorCode({ error: query.get('error') ?? '' })
  if (error === undefined) return new ClientError('callback_refused', 'the answer of the browser has a malformed error')
  const description = describe(query.get('error_description') ?? undefined, code === null ? [] : [code])
  return new OAuthError(error, description, { status: undefined, receipt: undefined })
}

export async function redeemCode(registration: Registration, code: string, begun: BegunLogin): Promise<SessionState> {
  const { verifier, redirectUri, resources, scope } = begun
  const [resource] = resources
  const answer = await requestToken(registration, {
    parameters: {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
      resource,
    },
    secretParameters: ['code', 'code_verifier'],
    // A code that arrives twice ends the grant, so a lost answer means a new login (RFC 6749 §4.1.2).
    attempts: 'one',
    scope,
  })
  return {
    issuer: registration.issuer,
    clientId: registration.clientId,
    scope: answer.accessToken.scope,
    refreshToken: answer.refreshToken,
    accessTokens: { [resourceKey(resource)]: answer.accessToken },
    asked: { resources, scope },
    ended: undefined,
  }
}

/** Ends the waiting when time is up or the caller gives up. Returns what takes the limits away again. */
function limitWaiting(
  { timeoutMs = defaultTimeoutMs, signal }: LoginOptions,
  stop: (error: unknown) => void,
): () => void {
  const timer = setTimeout(
    () => stop(new ClientError('login_timeout', `nobody finished the login within ${timeoutMs} ms`)),
    timeoutMs,
  )
  const abort = (): void => stop(signal?.reason)
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  return () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
