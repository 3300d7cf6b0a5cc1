import { StoreUnavailable } from '../engine.ts'
import { first, optionalInteger, type Transaction, type Verb } from '../transaction.ts'

/** How far a cut-off may be ahead of the clock, in seconds: guards take tokens from up to 10 s in the future. */
const leadLimitSeconds = 5

/**
 * The cut-off of a revocation: later than the issue time of every token that it has to end. A token is dead iff it was issued
 * before it (PROTOCOL §1). A token issued right after a revocation carries that cut-off, which is a second ahead of the clock:
 * so a second revocation within the same second has to lie behind the former cut-offs too, and not only behind the clock. Those
 * are the principal's own, that of all, and those of the other kind of principal, for a token depends on a client and a user.
 * Whoever revokes so often that the cut-off would run away from the clock has to wait (decision 010).
 *
 * @param before the principal's cut-off so far
 */
export function* cutOff(transaction: Transaction, before: number, others: 'clients' | 'users'): Verb<number> {
  const row = yield* first(`SELECT MAX(not_before) AS latest FROM ${others}`)
  const latest = (row && optionalInteger(row, 'latest')) ?? 0
  const cut = Math.max(transaction.now, transaction.notBefore, before, latest) + 1
  if (cut > transaction.now + leadLimitSeconds) throw new StoreUnavailable('too many revocations within a few seconds')
  return cut
}
