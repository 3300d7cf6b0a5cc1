import { defineVerb, first, integer, type Lock, run, type Transaction, type Verb } from '../transaction.ts'

/** An allowance: `count` attempts at once, regained evenly over the window. */
export interface Allowance {
  readonly id: string
  readonly count: number
  readonly windowSeconds: number
}

export type AttemptOutcome =
  | { readonly outcome: 'allowed' }
  | { readonly outcome: 'limited'; readonly retryAfterSeconds: number }

/**
 * Takes one attempt from every allowance, or none when one is used up. Counted in one transaction, so that twenty guesses at once
 * count as twenty (GCRA: the row keeps the time at which the allowance is full again).
 */
export const takeAttempt = defineVerb({
  kind: 'change',
  *run(transaction, allowances: readonly Allowance[]): Verb<AttemptOutcome> {
    const tried = yield* tryAllowances(transaction, allowances)
    if (tried.outcome === 'limited') return { outcome: 'limited', retryAfterSeconds: tried.retryAfterSeconds }
    yield* takeAllowances(tried.charges)
    return { outcome: 'allowed' }
  },
  locks: lockAllowances,
})

/** What one attempt would write into an allowance. */
export interface Charge {
  readonly id: string
  readonly fullAtMs: number
}

export type TriedAllowances =
  | { readonly outcome: 'allowed'; readonly charges: readonly Charge[] }
  | { readonly outcome: 'limited'; readonly retryAfterSeconds: number; readonly limitedBy: string }

/** Whether one attempt more fits into all of these. The caller holds their rows, and takes the attempt or leaves it. */
export function* tryAllowances(transaction: Transaction, allowances: readonly Allowance[]): Verb<TriedAllowances> {
  const charges: Charge[] = []
  for (const { id, count, windowSeconds } of allowances) {
    // The row is made first, so that on every engine two first attempts meet on it.
    yield* run(
      'INSERT INTO attempts (id, full_at_ms, expires_at) VALUES ($1, 0, $2) ON CONFLICT (id) DO NOTHING',
      id,
      transaction.now,
    )
    const row = yield* first('UPDATE attempts SET expires_at = expires_at WHERE id = $1 RETURNING full_at_ms', id)
    const windowMs = windowSeconds * 1_000
    // Whole milliseconds, rounded down, or the last of the attempts would not fit; but never free of charge.
    const costMs = Math.max(1, Math.floor(windowMs / count))
    const fullAtMs = Math.max(transaction.nowMs, row === undefined ? 0 : integer(row, 'full_at_ms')) + costMs
    const waitMs = fullAtMs - windowMs - transaction.nowMs
    if (waitMs > 0) return { outcome: 'limited', retryAfterSeconds: Math.ceil(waitMs / 1_000), limitedBy: id }
    charges.push({ id, fullAtMs })
  }
  return { outcome: 'allowed', charges }
}

/** Takes the attempt that {@link tryAllowances} found to fit. */
export function* takeAllowances(charges: readonly Charge[]): Verb<void> {
  for (const { id, fullAtMs } of charges) {
    yield* run(
      'UPDATE attempts SET full_at_ms = $1, expires_at = $2 WHERE id = $3',
      fullAtMs,
      Math.ceil(fullAtMs / 1_000),
      id,
    )
  }
}

/** The rows of allowances, which are counted by one transaction at a time. */
export function lockAllowances(allowances: readonly Allowance[]): readonly Lock[] {
  return allowances.map(({ id }) => ({ table: 'attempts', key: id, mode: 'update' }))
}

/** Gives an allowance back in full, after a success. */
export const forgetAttempts = defineVerb({
  kind: 'change',
  *run(_transaction, id: string): Verb<void> {
    yield* run('DELETE FROM attempts WHERE id = $1', id)
  },
  locks: (id) => [{ table: 'attempts', key: id, mode: 'update' }],
})
