import { type KeyObject, verify } from 'node:crypto'
import { createRecentCache, Refusal, sha256Base64url } from '@arctos/core'
import { defaultKeyIdentifierHeader, defaultSignatureHeader, type LeakReporter, reporterProblem } from './reporter.ts'
import { createReporterKeys, type ReporterKeys } from './reporter-keys.ts'

/** Who may report leaks here, and how their word is told from anybody's. */
export interface LeakDesk {
  /**
   * Finds who may have signed a request, by its headers alone: nothing of its body is read before. Mostly one, but identifiers are
   * chosen by those who publish keys. Throws `leak.unsigned`, `leak.key_unknown` or `leak.keys_unavailable`.
   */
  readonly claim: (headers: { readonly get: (name: string) => string | null }) => Promise<readonly LeakClaim[]>
  /**
   * Whether a body whose signature was checked comes for the first time, as far as that is remembered. Anybody who has seen a report
   * can send it again, and must not use up what its reporter may send.
   */
  readonly isNew: (body: Buffer) => boolean
  /** Remembers a body that counted. */
  readonly remember: (body: Buffer) => void
}

/** Bodies that are remembered, by their hash. */
const bodyLimit = 1_000

/** A reporter that a request names, with what proves it. */
export interface LeakClaim {
  readonly reporter: string
  readonly key: KeyObject
  /** ECDSA, DER. */
  readonly signature: Buffer
}

/** @param now milliseconds of a clock that never goes back */
export function createLeakDesk(reporters: readonly LeakReporter[], now: () => number): LeakDesk {
  const problem = reporterProblem(reporters)
  if (problem !== undefined) throw new Error(`leakReporters: ${problem}`)
  const known = reporters.map((reporter) => ({
    name: reporter.name,
    identifierHeader: (reporter.keyIdentifierHeader ?? defaultKeyIdentifierHeader).toLowerCase(),
    signatureHeader: (reporter.signatureHeader ?? defaultSignatureHeader).toLowerCase(),
    keys: createReporterKeys(reporter.keysUrl, now),
  }))
  const seen = createRecentCache<string, true>(bodyLimit)
  return {
    isNew: (body) => seen.get(sha256Base64url(body)) === undefined,
    remember: (body) => seen.set(sha256Base64url(body), true),
    async claim(headers) {
      const shown = known.flatMap(({ name, keys, identifierHeader, signatureHeader }) => {
        const [identifier, text] = [headers.get(identifierHeader), headers.get(signatureHeader)]
        const signature = text === null ? undefined : decodeSignature(text)
        return identifier === null || signature === undefined ? [] : [{ name, keys, identifier, signature }]
      })
      if (shown.length === 0)
        throw new Refusal('leak.unsigned', {
          check: 'headers',
          expected: 'key identifier and signature',
          received: 'none',
        })
      return await chooseClaims(shown)
    },
  }
}

interface Shown {
  readonly name: string
  readonly keys: ReporterKeys
  readonly identifier: string
  readonly signature: Buffer
}

/** Reporters may share the names of their headers; their keys tell them apart. */
async function chooseClaims(shown: readonly Shown[]): Promise<readonly LeakClaim[]> {
  const claims: LeakClaim[] = []
  let isUnavailable = false
  for (const { name, keys, identifier, signature } of shown) {
    const key = identifier.length > 200 ? 'unknown' : await keys.find(identifier)
    if (typeof key !== 'string') claims.push({ reporter: name, key, signature })
    isUnavailable ||= key === 'unavailable'
  }
  if (claims.length > 0) return claims
  const reporters = shown.map(({ name }) => name).join(', ')
  if (isUnavailable)
    throw new Refusal('leak.keys_unavailable', {
      check: 'keys',
      expected: `keys of ${reporters}`,
      retryAfterSeconds: 30,
    })
  throw new Refusal('leak.key_unknown', {
    check: 'key identifier',
    expected: `a key of ${reporters}`,
    received: 'another',
  })
}

/** Who signed the body as it came, before anything reads it. Throws `leak.signature`. */
export function checkSignature(claims: readonly LeakClaim[], body: Buffer): LeakClaim {
  const claim = claims.find(({ key, signature }) => verify('sha256', body, key, signature))
  if (claim !== undefined) return claim
  const reporters = claims.map(({ reporter }) => reporter).join(', ')
  throw new Refusal('leak.signature', { check: 'signature', expected: `by a key of ${reporters}`, received: 'another' })
}

/** A signature of P-256 has 72 bytes at the most. */
function decodeSignature(text: string): Buffer | undefined {
  return /^[A-Za-z0-9+/]{40,200}={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined
}
