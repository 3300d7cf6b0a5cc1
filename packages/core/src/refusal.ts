import { type Reason, refusalRow } from './refusals.ts'

/** Chosen values that explain a refusal: never a token, a secret, or a whole claim set. */
export type Facts = Readonly<Record<string, string | number | boolean | undefined>>

/**
 * Understood, and no. Thrown by whoever decides, caught once at each entry point and turned into the answer of its row.
 * By convention `facts.check` names the check, `facts.expected` and `facts.received` its two sides.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly reason: Reason
  readonly facts: Facts

  constructor(reason: Reason, facts: Facts = {}) {
    // Building a stack costs more than the check that failed, and a refusal is no bug: nobody reads its stack.
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(refusalRow(reason).sentence || reason)
    Error.stackTraceLimit = limit
    this.reason = reason
    this.facts = facts
  }
}
