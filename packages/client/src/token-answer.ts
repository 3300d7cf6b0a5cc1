import { type JsonObject, parseScope, Refusal, readString, Secret } from '@arctos/core'
import { readJson } from './answer.ts'
import { type FormParameters, postForm, type Registration } from './endpoint.ts'
import { ClientError } from './errors.ts'

/** An access token as it is held, with what is known about it. Its content is for the resource server (RFC 9068 §6). */
export interface HeldToken {
  readonly token: Secret
  readonly scope: readonly string[]
  /** Epoch seconds. */
  readonly obtainedAt: number
  /** Epoch seconds; `undefined` where the server did not say it in a form that makes sense. */
  readonly expiresAt: number | undefined
}

export interface TokenAnswer {
  readonly accessToken: HeldToken
  readonly refreshToken: Secret | undefined
}

/** A token request (RFC 6749 §3.2): what makes it, and how it may be treated. */
export interface TokenRequest {
  readonly parameters: FormParameters
  /** Names of the parameters that no error may quote. */
  readonly secretParameters: readonly string[]
  /** A refresh token may be presented again after a lost answer; a code never is. */
  readonly attempts: 'one' | 'several'
  /** What the token may do where the answer does not say (RFC 6749 §5.1). */
  readonly scope: readonly string[]
  /** The last thing before each attempt is sent; what it throws is thrown. */
  readonly beforeEach?: () => Promise<void>
}

/** Asks for a token and reads the answer. Throws `oauth_error`, `unavailable`, `answer_refused` or what discovery throws. */
export async function requestToken(registration: Registration, request: TokenRequest): Promise<TokenAnswer> {
  const { parameters, attempts, beforeEach } = request
  const secrets = request.secretParameters.flatMap((name) => parameters[name] ?? [])
  const answer = await postForm(registration, 'tokenEndpoint', parameters, { attempts, secrets, beforeEach })
  const json = readJson(answer)
  if (json === undefined) throw refused(registration, 'it is not a JSON object sent as application/json')
  return readTokenAnswer(json, registration, request.scope, answer.sentAt)
}

const tokenLimit = 16_384
// What fits behind "Bearer " (RFC 6750 §2.1), and what a refresh token is made of (RFC 6749 §A.17).
const bearerToken = /^[A-Za-z0-9\-._~+/]+=*$/
const printable = /^[\x20-\x7e]+$/

function readTokenAnswer(
  json: JsonObject,
  registration: Registration,
  askedScope: readonly string[],
  obtainedAt: number,
): TokenAnswer {
  // A token of a kind that we do not know must not be used, or it may go out without the protection it needs (RFC 6749 §7.1).
  if (readString(json, 'token_type')?.toLowerCase() !== 'bearer')
    throw refused(registration, 'its token_type is not Bearer')
  const accessToken = readString(json, 'access_token') ?? ''
  if (accessToken.length > tokenLimit || !bearerToken.test(accessToken)) {
    throw refused(registration, 'its access_token cannot be sent as a Bearer token')
  }
  // Some servers answer null or '' for "none".
  const refreshToken = readString(json, 'refresh_token') || undefined
  if (refreshToken !== undefined && (refreshToken.length > tokenLimit || !printable.test(refreshToken))) {
    throw refused(registration, 'its refresh_token has characters that none may have')
  }
  const lifetimeSeconds = readLifetime(json)
  return {
    accessToken: {
      token: new Secret(accessToken),
      scope: readScope(json, askedScope, registration),
      obtainedAt,
      expiresAt: lifetimeSeconds === undefined ? undefined : obtainedAt + lifetimeSeconds,
    },
    refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
  }
}

const longestLifetimeSeconds = 366 * 86_400

/** Seconds, or `undefined` for what is missing, not a number, not positive or beyond a year: nothing is built on it then. */
function readLifetime(json: JsonObject): number | undefined {
  const seconds = json['expires_in']
  return typeof seconds === 'number' && seconds > 0 && seconds <= longestLifetimeSeconds ? seconds : undefined
}

function readScope(json: JsonObject, asked: readonly string[], registration: Registration): readonly string[] {
  const scope = readString(json, 'scope')
  if (scope === undefined) return asked
  try {
    return scope === '' ? [] : parseScope(scope)
  } catch (error) {
    if (error instanceof Refusal) throw refused(registration, 'its scope is malformed')
    throw error
  }
}

function refused({ issuer }: Registration, why: string): ClientError {
  return new ClientError('answer_refused', `the token answer of ${issuer} is refused: ${why}`)
}
