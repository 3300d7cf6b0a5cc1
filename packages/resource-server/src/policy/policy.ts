import { type AccessToken, type Judge, missingScopes } from '@arctos/core'

/**
 * What a route asks of a token beyond being good for this resource. Plain data, so that documentation and tests can read it.
 */
export interface Policy<Scope extends string = string> {
  /** One scope, several that are all needed, or alternatives of which one is enough, the preferred one first. */
  readonly scope?: Scope | readonly Scope[] | { readonly any: readonly Scope[] } | undefined
}

/** A policy, read once. */
export interface ScopeDemand {
  readonly words: readonly string[]
  readonly isAlternative: boolean
  /** The `scope` of challenges: what a client should ask for. */
  readonly challenge: string | undefined
}

/** Throws a TypeError for a scope that the resource does not declare, and for an empty list, which would let everyone in. */
export function readPolicy(policy: Policy, declared: readonly string[]): ScopeDemand {
  const { scope } = policy
  if (scope === undefined) return { words: [], isAlternative: false, challenge: undefined }
  const isAlternative = typeof scope === 'object' && 'any' in scope
  const words = typeof scope === 'string' ? [scope] : isAlternative ? scope.any : scope
  const unknown = words.find((word) => !declared.includes(word))
  if (words.length === 0 || unknown !== undefined) {
    const received = unknown === undefined ? 'an empty list' : JSON.stringify(unknown)
    throw new TypeError(`policy: scope is ${received}; allowed are the scopes of the resource: ${declared.join(', ')}`)
  }
  return { words, isAlternative, challenge: isAlternative ? words[0] : words.join(' ') }
}

/** Whether the token holds what the route needs. RFC 6750 §3.1, RFC 9068 §4(o) */
export function judgeScope(demand: ScopeDemand, access: AccessToken, judge: Judge): void {
  const { words, isAlternative } = demand
  if (words.length === 0) return
  const holds = isAlternative
    ? words.some((word) => access.scopes.includes(word))
    : missingScopes(words, access.scopes).length === 0
  const expected = isAlternative ? `one of ${words.join(' ')}` : words.join(' ')
  judge('scope', holds, 'token.scope', expected, access.scopes.join(' ').slice(0, 120))
}
