import {
  importVerificationKey,
  isJsonObject,
  isVerificationKey,
  type JsonObject,
  readString,
  type VerificationKey,
} from '@arctos/core'

/** The usable keys of one issuer, and why the others are not. */
export interface KeySet {
  readonly keys: ReadonlyMap<string, VerificationKey>
  /** By `kid`: why a published key was not taken. */
  readonly rejected: ReadonlyMap<string, string>
}

const keyLimit = 100

/**
 * Imports a JWK Set strictly. A `kid` that stands for two keys stands for none: which of them verifies would be luck. Returns
 * the reason where the document is no key set, or holds more than 100 keys. RFC 7517 §5
 */
export function readKeySet(document: JsonObject, issuer: string): KeySet | string {
  const { keys: jwks } = document
  if (!Array.isArray(jwks)) return 'no array of keys'
  if (jwks.length > keyLimit) return `more than ${keyLimit} keys`
  const keys = new Map<string, VerificationKey>()
  const rejected = new Map<string, string>()
  const seen = new Set<string>()
  for (const jwk of jwks) {
    const kid = isJsonObject(jwk) ? readString(jwk, 'kid') : undefined
    // RFC 7517 §5: what is not understood is passed over, so that one odd key does not take the others with it.
    if (!isJsonObject(jwk) || kid === undefined) continue
    if (seen.has(kid)) {
      keys.delete(kid)
      rejected.set(kid, 'several keys have this kid')
      continue
    }
    seen.add(kid)
    const key = importVerificationKey(jwk, issuer)
    if (isVerificationKey(key)) keys.set(kid, key)
    else rejected.set(kid, key.why)
  }
  return { keys, rejected }
}

/**
 * How long an answer may be used without asking again, in milliseconds: `max-age` less `Age` where given, within 1 and 30 s.
 * Shorter would let a careless header turn every request into a fetch; longer would leave no time to renew before 60 s, when a
 * withdrawn key has to be gone. RFC 9111 §4.2
 */
export function freshnessMs(headers: Headers): number {
  const control = headers.get('cache-control') ?? ''
  const maxAge = /(?:^|[,\s])max-age="?(\d{1,9})/i.exec(control)?.[1]
  const seconds = /(?:^|[,\s])no-(?:store|cache)/i.test(control) ? 0 : Number(maxAge ?? 30)
  const age = Number(/^\d{1,9}$/.exec(headers.get('age') ?? '')?.[0] ?? 0)
  return Math.min(Math.max(seconds - age, 1), 30) * 1_000
}
