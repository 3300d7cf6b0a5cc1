import { isScopeWord } from '@arctos/core'
import type { PolicyCheck } from './demand.ts'
import { policyMistake, readWords } from './mistake.ts'

/** Authentication contexts of which a token must have one, the preferred one first. RFC 9470 §3, RFC 9470 §6.1 */
export function readContextPolicy(policy: unknown): { readonly check: PolicyCheck; readonly challenge: string } {
  const allowed = 'are values of acr in printable ASCII, without space, " and \\'
  const contexts = readWords(policy, 'acr', allowed)
  // They share one parameter of the challenge, with a space between.
  const unsayable = contexts.find((context) => !isScopeWord(context))
  if (unsayable !== undefined) throw policyMistake('acr', unsayable, allowed)
  const challenge = contexts.join(' ')
  const expected = contexts.length === 1 ? challenge : `one of ${challenge}`
  return {
    challenge,
    check: ({ acr }, judge) => {
      const holds = acr !== undefined && contexts.includes(acr)
      const received = acr === undefined ? 'no acr' : acr.slice(0, 120)
      judge('authentication context', holds, 'token.authentication_context', expected, received)
    },
  }
}

const longestSeconds = 2_147_483_647

/**
 * How long ago the user was authenticated at the most, widened by the tolerance between clocks as every bound is: without it a
 * user whose authorization server runs behind would be sent to sign in for ever. A token without `auth_time` cannot say, and
 * fails; one from the future is no proof of anything. RFC 9470 §3, RFC 9470 §6.1
 */
export function readAgePolicy(policy: unknown, toleranceSeconds: number): PolicyCheck {
  if (typeof policy !== 'number' || !Number.isInteger(policy) || policy < 0 || policy > longestSeconds) {
    throw policyMistake('maxAgeSeconds', policy, `is a whole number of seconds from 0 to ${longestSeconds}`)
  }
  return ({ authenticatedAt }, judge, now) => {
    const age = authenticatedAt === undefined ? undefined : now - authenticatedAt
    const holds = age !== undefined && age <= policy + toleranceSeconds && age >= -toleranceSeconds
    const received = age === undefined ? 'no auth_time' : `${age} s`
    judge('authentication age', holds, 'token.authentication_age', `at most ${policy} s`, received)
  }
}
