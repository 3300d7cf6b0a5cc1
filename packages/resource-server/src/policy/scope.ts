import { missingScopes, strictJudge } from '@arctos/core'
import type { PolicyCheck } from './demand.ts'
import { checkMembers, isPlain, policyMistake, readWords } from './mistake.ts'

/** One scope, several that are all needed, or alternatives of which one is enough, the preferred one first. */
export type ScopePolicy<Scope extends string = string> = Scope | readonly Scope[] | { readonly any: readonly Scope[] }

/** What a route asks of the scopes of a token, and what a client should ask for. RFC 6750 §3.1, RFC 9068 §4(o) */
export function readScopePolicy(
  policy: unknown,
  declared: readonly string[],
): { readonly check: PolicyCheck; readonly challenge: string } {
  const allowed = `are the scopes of the resource: ${declared.join(', ')}`
  const isAlternative = isPlain(policy)
  if (isAlternative) checkMembers(policy, ['any'], 'scope')
  const words = readWords(isAlternative ? policy['any'] : policy, 'scope', allowed)
  const [unknown] = missingScopes(words, declared)
  if (unknown !== undefined) throw policyMistake('scope', unknown, allowed)
  const enough = isAlternative ? words.length - 1 : 0
  const expected = isAlternative ? `one of ${words.join(' ')}` : words.join(' ')
  return {
    challenge: isAlternative ? (words[0] ?? '') : expected,
    check: ({ scopes }, judge) => {
      const holds = missingScopes(words, scopes).length <= enough
      // Whoever only decides does not read what was received, and most tokens hold what they need.
      const received = holds && judge === strictJudge ? undefined : scopes.join(' ').slice(0, 120)
      judge('scope', holds, 'token.scope', expected, received)
    },
  }
}
