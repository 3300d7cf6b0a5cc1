import { createRecentCache, type JsonObject, readNumber } from '@arctos/core'

/** What the issuer said of a token. */
export interface Told {
  /** What it says of an active token; `undefined` for any other. */
  readonly claims: JsonObject | undefined
  /** The name of the key that signed the answer, where answers have to be signed. */
  readonly signedBy: string | undefined
}

export interface Remembered extends Told {
  readonly ageMs: number
  /** False for what counts only while the issuer does not answer. */
  readonly isFresh: boolean
}

/** What the issuer said lately, by the hash of the token: tokens themselves are not kept. */
export interface IntrospectionMemory {
  recall(hash: string): Remembered | undefined
  /** Begins a question; what is returned takes the answer. An answer to an older question than the last one is not kept. */
  asking(hash: string): (told: Told) => void
}

export interface IntrospectionMemoryOptions {
  readonly maxAgeSeconds: number
  readonly inactiveSeconds: number
  readonly staleSeconds: number
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
}

interface Kept extends Told {
  /** Counts questions. */
  readonly order: number
  readonly askedAt: number
}

const activeLimit = 5_000
const inactiveLimit = 1_000

/**
 * "Active" is kept for the configured times and never beyond `exp` (RFC 7662 §4(h)), "not active" for a few seconds. That one can
 * do no more than keep a token out for so long: what has expired or was taken back stays so, and only a token that its issuer's
 * replicas did not know yet, or whose client was enabled again, comes to life later. The two are kept apart, so that whoever
 * invents tokens cannot push the good ones out.
 */
export function createIntrospectionMemory(options: IntrospectionMemoryOptions): IntrospectionMemory {
  const { now, elapsed } = options
  const [freshMs, inactiveMs] = [options.maxAgeSeconds * 1_000, options.inactiveSeconds * 1_000]
  const keptMs = Math.max(freshMs, options.staleSeconds * 1_000)
  const active = createRecentCache<string, Kept>(activeLimit)
  const inactive = createRecentCache<string, Kept>(inactiveLimit)
  let questions = 0

  return {
    recall(hash) {
      const kept = inactive.get(hash) ?? active.get(hash)
      if (kept === undefined) return undefined
      const { claims, signedBy } = kept
      const ageMs = elapsed() - kept.askedAt
      if (ageMs >= (claims === undefined ? inactiveMs : keptMs)) return undefined
      if (claims === undefined) return { claims, signedBy, ageMs, isFresh: true }
      const end = readNumber(claims, 'exp')
      if (end !== undefined && now() >= end * 1_000) return undefined
      return { claims, signedBy, ageMs, isFresh: ageMs < freshMs }
    },
    asking(hash) {
      questions += 1
      const [order, askedAt] = [questions, elapsed()]
      return ({ claims, signedBy }) => {
        const last = inactive.get(hash) ?? active.get(hash)
        if (last !== undefined && last.order > order) return
        const [into, other, ms] = claims === undefined ? [inactive, active, inactiveMs] : [active, inactive, keptMs]
        other.delete(hash)
        if (ms > 0) into.set(hash, { claims, signedBy, order, askedAt })
      }
    },
  }
}
