import { first, type Moment, optionalInteger, type Transaction, type Verb } from '../transaction.ts'

/**
 * The cut-off of a revocation: later than the issue time of every token that it has to end. A token is dead iff it was issued
 * before it (PROTOCOL §1). A token issued right after a revocation carries that cut-off, which is a second ahead of the clock:
 * so a second revocation within the same second has to lie behind the former cut-offs too, and not only behind the clock. Those
 * are the principal's own, that of all, and those of the other kind of principal, for a token depends on a client and a user.
 *
 * @param before the principal's cut-off so far
 */
export function* cutOff(transaction: Transaction, before: number, others: 'clients' | 'users'): Verb<number> {
  const row = yield* first(`SELECT MAX(not_before) AS latest FROM ${others}`)
  const latest = (row && optionalInteger(row, 'latest')) ?? 0
  return Math.max(transaction.now, transaction.notBefore, before, latest) + 1
}

/** A number for a new version of a row, drawn so that no two rows or stores ever share one. */
export function newVersion(moment: Moment): number {
  return moment.random(6).readUIntBE(0, 6)
}
