import type { FeedPolicy } from '../feed/rule.ts'
import { type ActorPolicy, readActorPolicy } from './actor.ts'
import { readAudiencePolicy } from './audience.ts'
import { readAgePolicy, readContextPolicy } from './authentication-context.ts'
import { type DetailsPolicy, readDetailsPolicy } from './authorization-details.ts'
import type { Demand, PolicyContext } from './demand.ts'
import { checkMembers, isPlain, policyMistake } from './mistake.ts'
import { readRevocationsPolicy } from './revocations.ts'
import { readScopePolicy, type ScopePolicy } from './scope.ts'

/**
 * What a route asks of a token beyond being good for this resource. Plain data, so that documentation and tests can read it; all
 * that it says must hold. `{}` takes every good token.
 */
export interface Policy<Scope extends string = string> {
  readonly scope?: ScopePolicy<Scope>
  /** Identifiers that the token must be for besides the resource: some of the `audiences` that the resource declares. */
  readonly audience?: string | readonly string[]
  /** Authentication contexts of which the token must have one, the preferred one first (RFC 9470). */
  readonly acr?: string | readonly string[]
  /** How many seconds ago the user was authenticated at the most (RFC 9470). */
  readonly maxAgeSeconds?: number
  /** What must have been granted: one demand, or several that are all made (RFC 9396). */
  readonly authorizationDetails?: DetailsPolicy | readonly DetailsPolicy[]
  /** Who may act for the subject (RFC 8693 §4.1); without it anybody whom the issuer let act. */
  readonly actor?: ActorPolicy
  /** Asks the issuer about the token on every request, whatever was verified or remembered before (RFC 7662). */
  readonly fresh?: boolean
  /**
   * How old the knowledge of what was taken back may be here, and what then: `strict` answers 503 as soon as the feed is stale. What
   * is left out, the guard says.
   */
  readonly revocations?: FeedPolicy
}

const names = ['scope', 'audience', 'acr', 'maxAgeSeconds', 'authorizationDetails', 'actor', 'fresh', 'revocations']

/**
 * Reads a policy once. Throws a TypeError that names the member, what it is and what is allowed: unknown members too, for a typo
 * must not open a route, and empty lists, which would let everyone in.
 */
export function readPolicy(policy: Policy, context: PolicyContext): Demand {
  if (!isPlain(policy as unknown)) throw new TypeError(`policy: allowed is an object with ${names.join(', ')}`)
  checkMembers(policy, names, '')
  const { maxAgeSeconds, fresh = false } = policy
  if (typeof fresh !== 'boolean') throw policyMistake('fresh', fresh, 'are true and false')
  if (fresh && !context.canAsk) throw policyMistake('fresh', fresh, 'only where introspection is configured')
  const scope = has(policy, 'scope') ? readScopePolicy(policy.scope, context.scopes) : undefined
  const acr = has(policy, 'acr') ? readContextPolicy(policy.acr) : undefined
  const checks = [
    has(policy, 'audience') ? readAudiencePolicy(policy.audience, context.audiences) : [],
    // Authentication before scope: one challenge may then ask for both, and the user is disturbed once (RFC 9470 §3).
    acr?.check ?? [],
    has(policy, 'maxAgeSeconds') ? readAgePolicy(maxAgeSeconds, context.clockToleranceSeconds) : [],
    scope?.check ?? [],
    has(policy, 'authorizationDetails') ? readDetailsPolicy(policy.authorizationDetails) : [],
    has(policy, 'actor') ? readActorPolicy(policy.actor) : [],
  ]
  return {
    checks: checks.flat(),
    challenge: { scope: scope?.challenge, acrValues: acr?.challenge, maxAgeSeconds },
    fresh,
    revocations: has(policy, 'revocations') ? readRevocationsPolicy(policy.revocations, context) : undefined,
  }
}

function has(policy: Policy, name: keyof Policy): boolean {
  return policy[name] !== undefined
}
