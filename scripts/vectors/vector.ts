// One public test vector: what core makes of it, and whether that is what its authors say.
import {
  decodeUnverifiedJws,
  importVerificationKey,
  isAlgorithm,
  isVerificationKey,
  type JsonObject,
  Refusal,
  type UnverifiedJws,
  verifySignature,
} from '@arctos/core'

/** A vector of any source. */
export interface Vector {
  /** As its source names it, unique within the source. */
  readonly id: string
  readonly title: string
  readonly isValid: boolean
  /** A form or algorithm that it needs and that is not on offer. */
  readonly notOffered: string | undefined
  /** Lets core look at it. */
  readonly attempt: () => Attempt
}

/** What core made of a vector: `accepted`, or the layer that refused it. A `fault` is any throw that is no refusal. */
export interface Attempt {
  readonly layer: 'accepted' | 'form' | 'key' | 'signature' | 'fault'
  readonly why: string
}

export type Verdict = 'passed' | 'failed' | 'not offered'

/**
 * Compares with what the authors say. An invalid one that is refused for its form counts, whatever its algorithm: the form is
 * looked at first. One that is refused only because its algorithm is not on offer proves nothing.
 */
export function judge(vector: Vector, { layer }: Attempt): Verdict {
  if (layer === 'fault') return 'failed'
  if (layer === 'accepted') return vector.isValid ? 'passed' : 'failed'
  if (vector.notOffered !== undefined) return 'not offered'
  return vector.isValid ? 'failed' : 'passed'
}

/** Verifies a compact JWS with whichever of the public keys its header allows, as a guard would. */
export function verifyCompact(text: string, jwks: readonly JsonObject[], payload?: string): Attempt {
  let jws: UnverifiedJws
  try {
    jws = decodeUnverifiedJws(text)
  } catch (error) {
    return refusedAt('form', error)
  }
  let last: Attempt = { layer: 'key', why: 'no key has this kid' }
  for (const jwk of jwks) {
    if (jws.header.kid !== undefined && jwk['kid'] !== jws.header.kid) continue
    last = verifyWith(jws, jwk)
    if (last.layer === 'accepted') break
  }
  const isOther = last.layer === 'accepted' && payload !== undefined && jws.payload.toString() !== payload
  return isOther ? { layer: 'fault', why: 'the payload came out changed' } : last
}

function verifyWith(jws: UnverifiedJws, jwk: JsonObject): Attempt {
  try {
    // Core takes keys by name only; a vector with one nameless key means that one.
    const key = importVerificationKey({ ...jwk, kid: jwk['kid'] ?? 'unnamed' }, 'vectors')
    if (!isVerificationKey(key)) return { layer: 'key', why: key.why }
    verifySignature(jws, key)
    return { layer: 'accepted', why: '' }
  } catch (error) {
    return refusedAt('signature', error)
  }
}

function refusedAt(layer: 'form' | 'signature', error: unknown): Attempt {
  if (!(error instanceof Refusal)) return { layer: 'fault', why: String(error) }
  return { layer, why: `${error.reason} (${error.facts['check']})` }
}

/**
 * What a compact JWS needs and cannot have here, or `undefined`. One bad algorithm is not yet a missing offer: an offered key
 * under the header `none` is just what has to be refused.
 */
export function missingOffer(text: string, jwks: readonly JsonObject[], isValid: boolean): string | undefined {
  if (text.trimStart().startsWith('{')) return 'JSON serialization'
  if (!isValid && verifyCompact(text, jwks).layer === 'form') return undefined
  const named = headerAlgorithm(text)
  if (isAlgorithm(named) || (!isValid && jwks.some(isOfferedKey))) return undefined
  return named
}

/** Reads the algorithm out of any header, as leniently as can be: it only decides how a vector is counted. */
function headerAlgorithm(text: string): string {
  try {
    return String(JSON.parse(Buffer.from(text.split('.')[0] ?? '', 'base64url').toString()).alg)
  } catch {
    return 'unreadable header'
  }
}

function isOfferedKey({ alg, kty }: JsonObject): boolean {
  return alg === undefined ? kty !== 'oct' : typeof alg === 'string' && isAlgorithm(alg)
}
