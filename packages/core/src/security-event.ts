import { parseClaims } from './access-token.ts'
import { decodeUnverifiedJws, type UnverifiedJws } from './compact-jws.ts'
import { isJsonObject, type JsonObject, readNumber, readString, readStrings } from './json.ts'
import type { VerificationKey } from './jwk.ts'
import { Refusal } from './refusal.ts'
import { verifySignature } from './signature.ts'
import { checkTokenKind } from './token-kinds.ts'

/** Why a message of a transmitter is none. A word of a closed list, so that it can be counted. */
export type SecurityEventProblem =
  | 'oversized'
  | 'malformed'
  | 'type'
  | 'key'
  | 'algorithm'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'future'
  | 'claims'

export interface NoSecurityEvent {
  readonly problem: SecurityEventProblem
}

/** A signed message whose form is right; everything in it is still the sender's word. */
export interface UnverifiedSecurityEvent {
  readonly jws: UnverifiedJws
  /** The name of the key that is said to have signed it. */
  readonly kid: string
}

/** Who may have sent a message, and to whom. */
export interface SecurityEventExpectation {
  /** The identifier of the transmitter. */
  readonly issuer: string
  /** The names of the receiver: one of them has to be in `aud`. */
  readonly audiences: readonly string[]
  /** How far the clocks of transmitter and receiver may be apart, in seconds. */
  readonly clockToleranceSeconds: number
}

/** A verified security event token with its one event. RFC 8417 §2.2 */
export interface SecurityEvent {
  readonly jti: string
  /** Epoch seconds. */
  readonly issuedAt: number
  /** Whom or what it is about: `sub_id` (RFC 9493 §4.1). */
  readonly subject: JsonObject
  /** The URI of the type of the event. */
  readonly type: string
  /** The members of the event. */
  readonly members: JsonObject
}

/** What a verified header of a snapshot says about the body that it came with. */
export interface RevocationSnapshot {
  /** Epoch seconds. */
  readonly issuedAt: number
  readonly epoch: number
  /** The sequence number up to which the snapshot is complete. */
  readonly head: number
  /** How many lines the body has. */
  readonly entries: number
  /** SHA-256 of the body as it came, base64url. */
  readonly digest: string
}

/** Messages are longer than tokens: subjects may have several members of 512 characters each. In characters. */
const lengthLimit = 16_384
const jtiLengthLimit = 512

/** Reads a message far enough to know which key to check it with. Never throws. RFC 8417 §2.3 */
export function decodeUnverifiedSecurityEvent(
  text: string,
  kind: 'securityEvent' | 'revocationSnapshot' = 'securityEvent',
): UnverifiedSecurityEvent | NoSecurityEvent {
  if (text.length > lengthLimit) return { problem: 'oversized' }
  return attempt<UnverifiedSecurityEvent>(() => {
    const jws = decodeUnverifiedJws(text, lengthLimit)
    checkTokenKind(jws.header, kind)
    const { kid } = jws.header
    return kid === undefined ? { problem: 'key' } : { jws, kid }
  })
}

/**
 * Verifies a security event token: signature, issuer, audience, that it is not from the future, and that it has one event with a
 * subject. `sub` and `exp` must not be there, so that nobody takes it for another kind of token. RFC 8417 §2.2, RFC 8417 §4
 *
 * @param now epoch seconds
 */
export function verifySecurityEvent(
  unverified: UnverifiedSecurityEvent,
  key: VerificationKey,
  expected: SecurityEventExpectation,
  now: number,
): SecurityEvent | NoSecurityEvent {
  return attempt<SecurityEvent>(() => {
    const { claims, issuedAt, problem } = verifyMessage(unverified, key, expected, now)
    if (problem !== undefined) return { problem }
    const { sub, exp, sub_id: subject, events } = claims
    const jti = readString(claims, 'jti') ?? ''
    const [event, ...others] = isJsonObject(events) ? Object.entries(events) : []
    const isWhole = jti !== '' && jti.length <= jtiLengthLimit && sub === undefined && exp === undefined
    if (!isWhole || !isJsonObject(subject) || event === undefined || others.length > 0) return { problem: 'claims' }
    const [type, members] = event
    return isJsonObject(members) ? { jti, issuedAt, subject, type, members } : { problem: 'claims' }
  })
}

/** Verifies the signed header of a snapshot; its body is the caller's to compare. @param now epoch seconds */
export function verifyRevocationSnapshot(
  unverified: UnverifiedSecurityEvent,
  key: VerificationKey,
  expected: SecurityEventExpectation,
  now: number,
): RevocationSnapshot | NoSecurityEvent {
  return attempt<RevocationSnapshot>(() => {
    const { claims, issuedAt, problem } = verifyMessage(unverified, key, expected, now)
    if (problem !== undefined) return { problem }
    const [epoch, head, entries] = [readCount(claims, 'epoch'), readCount(claims, 'head'), readCount(claims, 'entries')]
    const digest = readString(claims, 'digest')
    const isWhole = epoch !== undefined && head !== undefined && entries !== undefined && digest !== undefined
    return isWhole ? { issuedAt, epoch, head, entries, digest } : { problem: 'claims' }
  })
}

interface Message {
  readonly claims: JsonObject
  readonly issuedAt: number
  readonly problem?: SecurityEventProblem
}

/** Throws the refusals of the token layer. */
function verifyMessage(
  { jws }: UnverifiedSecurityEvent,
  key: VerificationKey,
  { issuer, audiences, clockToleranceSeconds }: SecurityEventExpectation,
  now: number,
): Message {
  verifySignature(jws, key)
  const claims = parseClaims(jws.payload)
  const issuedAt = readNumber(claims, 'iat') ?? Number.NaN
  const message = { claims, issuedAt }
  if (readString(claims, 'iss') !== issuer) return { ...message, problem: 'issuer' }
  const isForUs = readStrings(claims, 'aud')?.some((each) => audiences.includes(each)) === true
  if (!isForUs) return { ...message, problem: 'audience' }
  if (!(issuedAt >= 0)) return { ...message, problem: 'claims' }
  return issuedAt > now + clockToleranceSeconds ? { ...message, problem: 'future' } : message
}

/** A whole number from 0 on. */
function readCount(claims: JsonObject, name: string): number | undefined {
  const value = readNumber(claims, name)
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

/** The refusals of the token layer, as problems: nobody is refused anything here. */
function attempt<Result>(work: () => Result | NoSecurityEvent): Result | NoSecurityEvent {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (error.reason === 'token.type') return { problem: 'type' }
    if (error.reason === 'token.algorithm') return { problem: 'algorithm' }
    return { problem: error.reason === 'token.signature' ? 'signature' : 'malformed' }
  }
}
