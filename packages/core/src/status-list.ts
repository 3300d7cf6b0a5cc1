import { promisify } from 'node:util'
import { deflate, inflate } from 'node:zlib'
import { parseClaims } from './access-token.ts'
import { decodeBase64url } from './base64url.ts'
import { decodeUnverifiedJws, type UnverifiedJws } from './compact-jws.ts'
import { isJsonObject, type JsonObject, type JsonValue, readNumber } from './json.ts'
import type { VerificationKey } from './jwk.ts'
import { Refusal } from './refusal.ts'
import { verifySignature } from './signature.ts'
import { checkTokenKind } from './token-kinds.ts'

// Token Status List, draft-ietf-oauth-status-list-21: JWT form only.

/** The media type of a list, and with `application/` before it what a reader accepts. draft-ietf-oauth-status-list-21 §5.1 */
export const statusListType = 'statuslist+jwt'

/** What a list says of a token; other values are reserved or an application's own. draft-ietf-oauth-status-list-21 §7.1 */
export const statusTypes = { valid: 0, invalid: 1, suspended: 2 } as const

/** Statuses, packed: `bits` of each, from the least significant bit of each byte on. draft-ietf-oauth-status-list-21 §4.1 */
export interface StatusList {
  readonly bits: 1 | 2 | 4 | 8
  readonly bytes: Uint8Array
}

/** Where a token says its status is. draft-ietf-oauth-status-list-21 §6.2 */
export interface StatusReference {
  readonly index: number
  readonly uri: string
}

/** The status at an index; `undefined` beyond the end, where nothing is said. */
export function statusAt({ bits, bytes }: StatusList, index: number): number | undefined {
  // Never with shifts: an index may have more than 32 bits, and would come round to another token's.
  const byte = bytes[Math.floor((index * bits) / 8)]
  return byte === undefined ? undefined : (byte >> ((index * bits) % 8)) & ((1 << bits) - 1)
}

const uriLimit = 512

/**
 * The reference in verified claims: `undefined` where there is none, `malformed` where there is one that nobody can follow.
 * draft-ietf-oauth-status-list-21 §6.2, draft-ietf-oauth-status-list-21 §8.3
 */
export function readStatusReference(claims: JsonObject): StatusReference | 'malformed' | undefined {
  const { status } = claims
  if (status === undefined) return undefined
  if (!isJsonObject(status)) return 'malformed'
  const reference = status['status_list']
  // Another mechanism, of which we know nothing, is no status list.
  if (reference === undefined) return undefined
  if (!isJsonObject(reference)) return 'malformed'
  const { idx: index, uri } = reference
  const isIndex = typeof index === 'number' && Number.isSafeInteger(index) && index >= 0
  return isIndex && typeof uri === 'string' && uri !== '' && uri.length <= uriLimit ? { index, uri } : 'malformed'
}

const deflateBytes = promisify(deflate)

/** Compresses statuses as a list carries them: ZLIB, base64url. In the thread pool. draft-ietf-oauth-status-list-21 §4.1 */
export async function encodeStatusList({ bits, bytes }: StatusList): Promise<{ bits: number; lst: string }> {
  return { bits, lst: (await deflateBytes(bytes, { level: 6 })).toString('base64url') }
}

/**
 * Reads the `status_list` member strictly: a known number of bits, canonical base64url, one whole ZLIB stream and nothing behind it, and
 * no more than `byteLimit` bytes in it. Inflates in the thread pool. Rejects with `status.unavailable`.
 * draft-ietf-oauth-status-list-21 §4.2
 */
export async function decodeStatusList(value: JsonValue | undefined, byteLimit: number): Promise<StatusList> {
  if (!isJsonObject(value)) throw untrusted('status_list', 'an object', typeof value)
  const { bits, lst } = value
  if (bits !== 1 && bits !== 2 && bits !== 4 && bits !== 8)
    throw untrusted('bits', '1, 2, 4 or 8', typeof bits === 'number' ? bits : typeof bits)
  const compressed = typeof lst === 'string' ? decodeBase64url(lst) : undefined
  if (compressed === undefined) throw untrusted('lst', 'canonical base64url', typeof lst)
  const bytes = await inflateBytes(compressed, byteLimit)
  if (bytes.byteLength === 0) throw untrusted('lst', 'at least one status', 'none')
  return { bits, bytes }
}

function inflateBytes(compressed: Buffer, byteLimit: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    // `info` tells how much of the input was read: what stands behind the stream is somebody's attempt at two readings.
    inflate(compressed, { maxOutputLength: byteLimit, info: true }, (error, result) => {
      if (error !== null) {
        const isTooLong = 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
        return reject(
          isTooLong
            ? untrusted('size', `at most ${byteLimit} bytes`, 'more')
            : untrusted('lst', 'ZLIB data', 'other data'),
        )
      }
      const { buffer, engine } = result as unknown as {
        readonly buffer: Buffer
        readonly engine: { bytesWritten: number }
      }
      if (engine.bytesWritten !== compressed.byteLength) return reject(untrusted('lst', 'one ZLIB stream', 'more data'))
      resolve(buffer)
    })
  })
}

/** A list whose form is right; everything in it is still the sender's word. */
export interface UnverifiedStatusList {
  readonly jws: UnverifiedJws
  /** The name of the key that is said to have signed it. */
  readonly kid: string
}

/** What a list has to be, to be the one that was asked for. */
export interface StatusListExpectation {
  readonly issuer: string
  /** Where it was asked for, and what tokens call it. */
  readonly uri: string
  /** `iat` of the list held so far: an older one is a replay (epoch seconds). */
  readonly notOlderThan: number
  readonly clockToleranceSeconds: number
  /** How long the statuses may be, unpacked. */
  readonly byteLimit: number
}

/** A list that its issuer signed. */
export interface VerifiedStatusList {
  readonly list: StatusList
  readonly issuedAt: number
  /** Epoch seconds; a list without one names no end. */
  readonly expiresAt: number | undefined
  readonly ttlSeconds: number | undefined
}

/** Reads a list far enough to know which key to check it with. Throws `status.unavailable`. */
export function decodeUnverifiedStatusList(text: string, lengthLimit: number): UnverifiedStatusList {
  try {
    const jws = decodeUnverifiedJws(text, lengthLimit)
    checkTokenKind(jws.header, 'statusList')
    const { kid } = jws.header
    if (kid === undefined) throw untrusted('kid', 'a key of the issuer', 'none')
    return { jws, kid }
  } catch (error) {
    throw asListRefusal(error)
  }
}

/**
 * Verifies a list and unpacks it: signature, issuer (where it names one: the key is the issuer's in any case), that it is the list
 * asked for, and that it is neither from the future, nor older than the last, nor over. Rejects with `status.unavailable`, for a list
 * that cannot be trusted says nothing of any token. draft-ietf-oauth-status-list-21 §5.1, draft-ietf-oauth-status-list-21 §8.3
 *
 * @param now epoch seconds
 */
export async function verifyStatusList(
  { jws }: UnverifiedStatusList,
  key: VerificationKey,
  expected: StatusListExpectation,
  now: number,
): Promise<VerifiedStatusList> {
  try {
    verifySignature(jws, key)
    const claims = parseClaims(jws.payload)
    const { iss, sub } = claims
    if (iss !== undefined && iss !== expected.issuer) throw untrusted('iss', expected.issuer, brief(iss))
    if (sub !== expected.uri) throw untrusted('sub', expected.uri, brief(sub))
    const times = checkTimes(claims, expected, now)
    return { list: await decodeStatusList(claims['status_list'], expected.byteLimit), ...times }
  } catch (error) {
    throw asListRefusal(error)
  }
}

function checkTimes(
  claims: JsonObject,
  { notOlderThan, clockToleranceSeconds: tolerance }: StatusListExpectation,
  now: number,
): Omit<VerifiedStatusList, 'list'> {
  const [issuedAt, expiresAt, ttlSeconds] = ['iat', 'exp', 'ttl'].map((name) => readNumber(claims, name))
  if (issuedAt === undefined || issuedAt < 0 || issuedAt > now + tolerance)
    throw untrusted('iat', `at most ${now}`, issuedAt)
  if (issuedAt < notOlderThan) throw untrusted('iat', `at least ${notOlderThan}`, issuedAt)
  const isOver = expiresAt === undefined ? claims['exp'] !== undefined : now >= expiresAt + tolerance
  if (isOver) throw untrusted('exp', `after ${now}`, expiresAt)
  const isDuration = ttlSeconds === undefined ? claims['ttl'] === undefined : ttlSeconds > 0
  if (!isDuration) throw untrusted('ttl', 'a positive number', ttlSeconds)
  return { issuedAt, expiresAt, ttlSeconds }
}

function brief(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value.slice(0, 120) : typeof value
}

function untrusted(check: string, expected: string, received: string | number | undefined): Refusal {
  return new Refusal('status.unavailable', { check: `status list: ${check}`, expected, received })
}

/** The token layer's refusals speak of access tokens; here they mean that the list is not the issuer's. */
function asListRefusal(error: unknown): unknown {
  if (!(error instanceof Refusal) || error.reason === 'status.unavailable') return error
  const { check, expected, received } = error.facts
  return new Refusal('status.unavailable', { check: `status list: ${check}`, expected, received })
}
