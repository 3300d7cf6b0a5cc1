import type { Decision, Policy } from '../src/index.ts'
import type { Guard } from './guard.ts'
import type { Issuer, Overrides } from './issuer.ts'

export type TestPolicy = Policy<'read' | 'write'>

/** What a guard decides about a good token with these claims. */
export function decide(guard: Guard, issuer: Issuer, policy: TestPolicy, claims: Overrides): Promise<Decision> {
  const headers = { authorization: `Bearer ${issuer.token(claims)}` }
  return guard.authorize({ method: 'POST', url: '/payments?x=1', headers }, policy)
}

/** `good`, or the reason of the refusal. */
export function reasonOf(decision: Decision): string {
  return decision.ok ? 'good' : decision.reason
}

/** The parameters of the challenge of a refusal, in order. */
export function challengeOf(decision: Decision): Readonly<Record<string, string>> {
  const challenge = decision.ok ? '' : (decision.challenge ?? '')
  return Object.fromEntries(
    [...challenge.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name = '', value = '']) => [name, value]),
  )
}

/** The message of the TypeError that a policy is answered with when a route is set up. */
export function mistakeOf(guard: Guard, policy: unknown): string {
  try {
    guard.guard(policy as TestPolicy)
  } catch (error) {
    if (error instanceof TypeError) return error.message
    throw error
  }
  throw new Error('expected a TypeError')
}
