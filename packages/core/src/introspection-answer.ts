import { parseClaims } from './access-token.ts'
import { decodeUnverifiedJws, type UnverifiedJws } from './compact-jws.ts'
import { isJsonObject, type JsonObject, readNumber, readString, readStrings } from './json.ts'
import type { VerificationKey } from './jwk.ts'
import { Refusal } from './refusal.ts'
import { verifySignature } from './signature.ts'
import { checkTokenKind } from './token-kinds.ts'

/** The media type of a signed answer, and with `application/` before it what a caller accepts. RFC 9701 §4 */
export const introspectionAnswerType = 'token-introspection+jwt'

/** A signed introspection answer whose form is right; everything in it is still the sender's word. */
export interface UnverifiedIntrospectionAnswer {
  readonly jws: UnverifiedJws
  /** The name of the key that is said to have signed it. */
  readonly kid: string
}

/** The question that an answer has to be the answer to. */
export interface IntrospectionQuestion {
  readonly issuer: string
  /** The names of whoever asked: its client id, its resource identifier. One of them has to be in `aud`. */
  readonly audiences: readonly string[]
  /** SHA-256 of the token, base64url. */
  readonly tokenHash: string
  /** When it was asked, in epoch seconds: an answer from before is a copy of another one. */
  readonly askedAt: number
  /** How far the clocks of issuer and resource server may be apart, in seconds. */
  readonly clockToleranceSeconds: number
}

/** Answers may be longer than tokens: they hold claims that the token only stands for. In characters. */
const lengthLimit = 262_144

/** Reads a signed answer far enough to know which key to check it with. Throws `introspection.unavailable`. */
export function decodeUnverifiedIntrospectionAnswer(text: string): UnverifiedIntrospectionAnswer {
  try {
    const jws = decodeUnverifiedJws(text, lengthLimit)
    checkTokenKind(jws.header, 'introspectionAnswer')
    const { kid } = jws.header
    if (kid === undefined) throw untrusted('kid', 'a key of the issuer', 'none')
    return { jws, kid }
  } catch (error) {
    throw asAnswerRefusal(error)
  }
}

/**
 * Verifies a signed answer and gives what it says of the token: signature, issuer, audience, and that it was made for this
 * question. RFC 9701 binds an answer to nobody's question, so two things do: `iat` must not lie before the question, and `ath`
 * (as in RFC 9449 §4.2), where the issuer sends it, must be the hash of the token. Throws `introspection.unavailable`, for an
 * answer that cannot be trusted says nothing of the token. RFC 9701 §5
 *
 * @param now epoch seconds
 */
export function verifyIntrospectionAnswer(
  { jws }: UnverifiedIntrospectionAnswer,
  key: VerificationKey,
  question: IntrospectionQuestion,
  now: number,
): JsonObject {
  try {
    verifySignature(jws, key)
    const claims = parseClaims(jws.payload)
    checkParties(claims, question)
    checkTimes(claims, question, now)
    const { ath, token_introspection: answer } = claims
    if (ath !== undefined && ath !== question.tokenHash) throw untrusted('ath', 'the hash of this token', 'another')
    if (!isJsonObject(answer)) throw untrusted('token_introspection', 'an object', typeof answer)
    return answer
  } catch (error) {
    throw asAnswerRefusal(error)
  }
}

function checkParties(claims: JsonObject, { issuer, audiences }: IntrospectionQuestion): void {
  const received = readString(claims, 'iss')
  if (received !== issuer) throw untrusted('iss', issuer, received?.slice(0, 120))
  const audience = readStrings(claims, 'aud')
  if (audience?.some((each) => audiences.includes(each)) !== true)
    throw untrusted('aud', audiences.join(' or '), audience?.join(' ').slice(0, 120))
}

function checkTimes(
  claims: JsonObject,
  { askedAt, clockToleranceSeconds: tolerance }: IntrospectionQuestion,
  now: number,
): void {
  const issuedAt = readNumber(claims, 'iat')
  if (issuedAt === undefined || issuedAt < askedAt - tolerance || issuedAt > now + tolerance)
    throw untrusted('iat', `${askedAt} to ${now}`, issuedAt)
  const end = claims['exp']
  // RFC 9701 §5 has no exp in an answer; one that names its end is held to it.
  if (end !== undefined && !(typeof end === 'number' && now < end + tolerance))
    throw untrusted('exp', `after ${now}`, readNumber(claims, 'exp'))
}

function untrusted(check: string, expected: string, received: string | number | undefined): Refusal {
  return new Refusal('introspection.unavailable', { check: `introspection answer: ${check}`, expected, received })
}

/** The token layer's refusals speak of access tokens; here they mean that the answer is not the issuer's. */
function asAnswerRefusal(error: unknown): unknown {
  if (!(error instanceof Refusal) || error.reason === 'introspection.unavailable') return error
  const { check, expected, received } = error.facts
  return new Refusal('introspection.unavailable', { check: `introspection answer: ${check}`, expected, received })
}
