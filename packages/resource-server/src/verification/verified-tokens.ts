import { type AccessToken, createRecentCache, freezeClaims, sha256Base64url } from '@arctos/core'
import type { AccessTokenKey, TrustedIssuer } from '../keys/trusted-issuers.ts'
import type { RevocationState } from './revocation-state.ts'
import type { TokenCheck } from './token-check.ts'

/** What was verified lately, so that a token that comes again needs no signature check. Refusals are not kept. */
export interface VerifiedTokens {
  /** Under which a token is kept: its SHA-256, so that nobody reads live tokens out of memory. */
  nameOf(token: string): string
  /** The access of a token, if it would be verified now, too. */
  find(name: string, check: TokenCheck): AccessToken | undefined
  /** Keeps what was verified with a key; frozen, for requests share it. */
  keep(name: string, access: AccessToken, issuer: TrustedIssuer, key: AccessTokenKey): void
}

export interface VerifiedTokensOptions {
  /** At least so many are kept, and at most twice as many. */
  readonly size: number
  readonly clockToleranceSeconds: number
  readonly revocations: RevocationState
  readonly counts: { hits: number; misses: number }
}

interface Verified {
  readonly name: string
  readonly access: AccessToken
  /** Copied out of the access: a look at it then touches less memory. */
  readonly expiresAt: number
  readonly issuer: TrustedIssuer
  /** The key as its issuer held it last. */
  key: AccessTokenKey
  /** The state of revocations at which nothing ended the token. */
  seq: number
}

/**
 * One cache for one resource server, so that no decision is ever one for another audience, issuer or configuration. What may end
 * between two requests is looked at in each: expiry, the key (it has to be held and usable now), and revocation. The signature
 * and all other claims cannot change.
 */
export function createVerifiedTokens(options: VerifiedTokensOptions): VerifiedTokens {
  const { clockToleranceSeconds, revocations, counts } = options
  // A map finds a number in half the time that it takes for a text. Two tokens that share one only push each other out.
  const tokens = createRecentCache<number, Verified>(options.size)

  // Most tokens have one of a few lists of scopes; one copy of each stays in the processor's cache.
  const scopeLists = createRecentCache<string, readonly string[]>(256)
  const sharedScopes = (scopes: readonly string[]): readonly string[] => {
    const text = JSON.stringify(scopes)
    const known = scopeLists.get(text)
    if (known !== undefined) return known
    scopeLists.set(text, Object.freeze(scopes))
    return scopes
  }

  const isGood = (entry: Verified, now: number): boolean => {
    if (now >= entry.expiresAt + clockToleranceSeconds || !isHeld(entry)) return false
    if (entry.seq === revocations.seq) return true
    if (!revocations.isGood(entry.access)) return false
    entry.seq = revocations.seq
    return true
  }

  return {
    nameOf: sha256Base64url,
    find(name, { now, issuers, proven }) {
      const entry = tokens.get(slotOf(name))
      // With issuers by request, another request may trust another key source under the same name.
      if (entry === undefined || entry.name !== name || issuers.get(entry.issuer.issuer) !== entry.issuer) {
        counts.misses += 1
        return undefined
      }
      if (!isGood(entry, now)) {
        tokens.delete(slotOf(name))
        counts.misses += 1
        return undefined
      }
      counts.hits += 1
      proven(entry.access.clientId)
      return entry.access
    },
    keep(name, access, issuer, key) {
      freezeClaims(access.claims)
      Object.freeze(access.audience)
      Object.freeze(Object.assign(access, { scopes: sharedScopes(access.scopes) }))
      tokens.set(slotOf(name), { name, access, expiresAt: access.expiresAt, issuer, key, seq: revocations.seq })
    },
  }
}

/** 30 bits of a hash: five of its characters have six each, whatever the letters are. */
function slotOf(name: string): number {
  let slot = 0
  for (let at = 0; at < 5; at++) slot = (slot << 6) ^ name.charCodeAt(at)
  return slot & 0x3fffffff
}

/** Whether the issuer still has the key. A key set that was loaded again has new objects, for the same keys. */
function isHeld(entry: Verified): boolean {
  const { key, issuer } = entry
  const held = issuer.held(key.kid)
  if (held === key) return true
  if (held === undefined || !isSameKey(held, key)) return false
  entry.key = held
  return true
}

function isSameKey(held: AccessTokenKey, key: AccessTokenKey): boolean {
  if ('secret' in held || 'secret' in key) return false
  return held.algorithm === key.algorithm && held.key.equals(key.key)
}
