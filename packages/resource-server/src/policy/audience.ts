import type { PolicyCheck } from './demand.ts'
import { policyMistake, readWords } from './mistake.ts'

/**
 * Identifiers that `aud` must contain besides the resource itself: this only ever narrows. Compared as bytes. Identifiers that the
 * resource does not declare are refused at start, for no token would have them. RFC 8707 §2, RFC 9068 §4(c)
 */
export function readAudiencePolicy(policy: unknown, declared: readonly string[]): PolicyCheck {
  const allowed = `are the audiences that the resource declares: ${declared.join(', ') || 'none'}`
  const identifiers = readWords(policy, 'audience', allowed)
  const unknown = identifiers.find((identifier) => !declared.includes(identifier))
  if (unknown !== undefined) throw policyMistake('audience', unknown, allowed)
  const expected = identifiers.join(' ')
  return ({ audience }, judge) => {
    const holds = identifiers.every((identifier) => audience.includes(identifier))
    judge('audience of the route', holds, 'token.audience', expected, audience.join(' ').slice(0, 120))
  }
}
