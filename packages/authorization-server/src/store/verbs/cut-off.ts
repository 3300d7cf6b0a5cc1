import type { Moment } from '../transaction.ts'

/**
 * The cut-off of a revocation at this moment: later than the issue time of every token so far, and never earlier than before.
 * A token is dead iff it was issued before it (PROTOCOL §1).
 */
export function cutOff(moment: Moment, before: number): number {
  return Math.max(moment.now + 1, before)
}

/** A number for a new version of a row, drawn so that no two rows or stores ever share one. */
export function newVersion(moment: Moment): number {
  return moment.random(6).readUIntBE(0, 6)
}
