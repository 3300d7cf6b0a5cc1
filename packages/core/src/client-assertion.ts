import { parseClaims } from './access-token.ts'
import { decodeUnverifiedJws, type UnverifiedJws } from './compact-jws.ts'
import { type JsonObject, readNumber, readString } from './json.ts'
import type { VerificationKey } from './jwk.ts'
import { Refusal } from './refusal.ts'
import { verifySignature } from './signature.ts'
import { checkTokenKind } from './token-kinds.ts'

/** A client assertion whose form is right; everything in it is still the sender's word. */
export interface UnverifiedClientAssertion {
  readonly jws: UnverifiedJws
  readonly claims: JsonObject
  /** The client that it speaks of. */
  readonly clientId: string
}

/** What a verified assertion leaves to do: its `jti` has to be spent, once, by the store. */
export interface ClientAssertion {
  readonly jti: string
  /** Epoch seconds; the spent `jti` must be remembered until then. */
  readonly expiresAt: number
}

const lifetimeLimitSeconds = 300
const clockToleranceSeconds = 10
const jtiLengthLimit = 256

/** Reads an assertion far enough to know which client's keys to check it with. Throws `client.assertion_invalid`. */
export function decodeUnverifiedClientAssertion(text: string): UnverifiedClientAssertion {
  try {
    const jws = decodeUnverifiedJws(text)
    checkTokenKind(jws.header, 'clientAssertion')
    const claims = parseClaims(jws.payload)
    const clientId = readString(claims, 'sub')
    if (clientId === undefined || clientId !== readString(claims, 'iss'))
      throw invalid('iss and sub', 'both the client_id', undefined)
    return { jws, claims, clientId }
  } catch (error) {
    throw asAssertionRefusal(error)
  }
}

/**
 * Verifies an assertion for client authentication: signature by one of the client's keys, audience exactly the issuer as a
 * single string, short life. Throws `client.assertion_invalid` or `client.assertion_audience`. RFC 7523 §3, RFC 10070
 *
 * @param now epoch seconds
 */
export function verifyClientAssertion(
  assertion: UnverifiedClientAssertion,
  keys: readonly VerificationKey[],
  issuer: string,
  now: number,
): ClientAssertion {
  const { jws, claims } = assertion
  verifyWithOneOf(keys, jws)
  const { aud } = claims
  if (aud !== issuer) {
    throw new Refusal('client.assertion_audience', { check: 'aud', expected: issuer, received: describeAudience(aud) })
  }
  return { jti: readJti(claims), expiresAt: checkTimes(claims, now) }
}

/** `kid` is only a hint (RFC 7515 §4.1.4): without one, every key of the client's may have made the signature. */
function verifyWithOneOf(keys: readonly VerificationKey[], jws: UnverifiedJws): void {
  const { kid } = jws.header
  let refusal: unknown = invalid('kid', 'a registered key', kid?.slice(0, 40))
  for (const key of keys) {
    if (kid !== undefined && key.kid !== kid) continue
    try {
      verifySignature(jws, key)
      return
    } catch (error) {
      refusal = asAssertionRefusal(error)
    }
  }
  throw refusal
}

function checkTimes(claims: JsonObject, now: number): number {
  const expiresAt = readNumber(claims, 'exp')
  if (expiresAt === undefined || now >= expiresAt + clockToleranceSeconds)
    throw invalid('exp', `after ${now}`, expiresAt)
  if (expiresAt > now + lifetimeLimitSeconds + clockToleranceSeconds)
    throw invalid('exp', `within ${lifetimeLimitSeconds} s`, expiresAt)
  for (const name of ['iat', 'nbf']) {
    const time = claims[name]
    if (time === undefined) continue
    if (typeof time !== 'number' || time > now + clockToleranceSeconds)
      throw invalid(name, `not after ${now}`, typeof time)
  }
  // Remembered to the end of its tolerance: forgotten at exp, it would be good once more (a classic off by one).
  return Math.ceil(expiresAt) + clockToleranceSeconds
}

function readJti(claims: JsonObject): string {
  const jti = readString(claims, 'jti')
  if (jti === undefined || jti === '' || jti.length > jtiLengthLimit)
    throw invalid('jti', `1 to ${jtiLengthLimit} characters`, jti?.length)
  return jti
}

function describeAudience(aud: unknown): string {
  return typeof aud === 'string' ? aud.slice(0, 120) : Array.isArray(aud) ? 'a list' : 'nothing'
}

function invalid(check: string, expected: string, received: string | number | undefined): Refusal {
  return new Refusal('client.assertion_invalid', { check, expected, received })
}

/** The token layer's refusals speak of access tokens; here they mean that the client failed to authenticate. */
function asAssertionRefusal(error: unknown): unknown {
  if (!(error instanceof Refusal) || error.reason.startsWith('client.')) return error
  return new Refusal('client.assertion_invalid', error.facts)
}
