import { type Answer, askServer, errorOfAnswer } from './answer.ts'
import type { ClientAuthentication } from './client-authentication.ts'
import { type Environment, randomFraction } from './environment.ts'
import { ClientError, Unavailable } from './errors.ts'
import { createMetadataSource, type ServerMetadata } from './metadata.ts'

/** One client at one authorization server: what every request to it needs. */
export interface Registration {
  readonly issuer: string
  readonly clientId: string
  readonly authenticate: ClientAuthentication
  readonly environment: Environment
  readonly metadata: () => Promise<ServerMetadata>
  /** How long an answer to a POST may take before it counts as lost. */
  readonly timeoutMs: number
}

/** Endpoints that forms are posted to, and what the metadata calls them. */
const endpointNames = {
  tokenEndpoint: 'token_endpoint',
  revocationEndpoint: 'revocation_endpoint',
  deviceAuthorizationEndpoint: 'device_authorization_endpoint',
} as const

export type EndpointName = keyof typeof endpointNames
/** A form's fields; a list repeats one (RFC 8707 §2). */
export type FormParameters = Readonly<Record<string, string | readonly string[] | undefined>>

// Three attempts that hang and one more still begin within the 30 s for which a server accepts a retried refresh token.
const defaultTimeoutMs = 8_000
const attemptLimit = 4
const waitLimitMs = 15_000

export function createRegistration(
  client: { readonly issuer: string; readonly clientId: string; readonly auth: ClientAuthentication },
  environment: Environment,
  timeoutMs: number | undefined,
): Registration {
  const { issuer, clientId, auth } = client
  const metadata = createMetadataSource(issuer, environment, timeoutMs)
  return { issuer, clientId, authenticate: auth, environment, metadata, timeoutMs: timeoutMs ?? defaultTimeoutMs }
}

export interface PostOptions {
  readonly attempts: 'one' | 'several'
  readonly secrets: readonly string[]
  readonly beforeEach?: (() => Promise<void>) | undefined
}

/**
 * Posts a form to an endpoint and returns the answer with status 200 (RFC 6749 §3.2). No signal of the caller reaches the
 * request: once it is sent the server may act on it, and whoever gives up then has lost what the server answers.
 *
 * @param attempts `several` repeats after a lost answer or "not now", for requests that may arrive twice
 * @param secrets values among the parameters that no error may quote
 * @param beforeEach the last thing before each attempt is sent; what it throws is thrown
 */
export async function postForm(
  registration: Registration,
  endpoint: EndpointName,
  parameters: FormParameters,
  { attempts, secrets, beforeEach }: PostOptions,
): Promise<Answer> {
  const once = (): Promise<Answer> => postOnce(registration, endpoint, parameters, secrets, beforeEach)
  return attempts === 'one' ? await once() : await withRetries(once, registration.environment)
}

async function postOnce(
  registration: Registration,
  endpoint: EndpointName,
  parameters: FormParameters,
  secrets: readonly string[],
  beforeEach: PostOptions['beforeEach'],
): Promise<Answer> {
  const { environment, timeoutMs } = registration
  const url = await endpointUrl(registration, endpoint)
  // Made for this attempt: an assertion is good for one request.
  const credentials = await registration.authenticate(registration, environment)
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...parameters, ...credentials.parameters })) {
    for (const each of [value ?? []].flat()) form.append(name, each)
  }
  const headers = new Headers({ accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' })
  if (credentials.authorization !== undefined) headers.set('authorization', credentials.authorization)
  await beforeEach?.()
  const answer = await askServer(environment, url, { method: 'POST', headers, body: form.toString() }, timeoutMs)
  if (answer.status === 200) return answer
  throw errorOfAnswer(answer, url, [...secrets, ...credentials.secrets], environment.nowSeconds())
}

async function endpointUrl({ metadata, issuer }: Registration, endpoint: EndpointName): Promise<string> {
  const url = (await metadata())[endpoint]
  if (url !== undefined) return url
  throw new ClientError('metadata_refused', `the metadata of ${issuer} has no ${endpointNames[endpoint]}`)
}

/** Repeats after `unavailable`, as long as the server asks for and no longer than is bearable for who is waiting. */
async function withRetries<Result>(attempt: () => Promise<Result>, environment: Environment): Promise<Result> {
  let waitedMs = 0
  for (let count = 1; ; count++) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      const pauseMs = pauseBeforeRetry(error, count, randomFraction(environment.random))
      waitedMs += pauseMs
      if (count === attemptLimit || waitedMs > waitLimitMs) throw error
      await environment.wait(pauseMs)
    }
  }
}

/** What the server asked for, or 250 ms doubled each time; stretched by chance, so that not all clients come back at once. */
function pauseBeforeRetry({ retryAfterSeconds }: Unavailable, count: number, fraction: number): number {
  const askedMs = retryAfterSeconds === undefined ? 250 * 2 ** (count - 1) : retryAfterSeconds * 1_000
  return askedMs * (1 + fraction / 4)
}
