import { defineVerb, first, integer, run, type Verb } from '../transaction.ts'

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
    const taken: { readonly id: string; readonly fullAtMs: number }[] = []
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
      if (waitMs > 0) return { outcome: 'limited', retryAfterSeconds: Math.ceil(waitMs / 1_000) }
      taken.push({ id, fullAtMs })
    }
    for (const { id, fullAtMs } of taken) {
      yield* run(
        'UPDATE attempts SET full_at_ms = $1, expires_at = $2 WHERE id = $3',
        fullAtMs,
        Math.ceil(fullAtMs / 1_000),
        id,
      )
    }
    return { outcome: 'allowed' }
  },
  locks: (allowances) => allowances.map(({ id }) => ({ table: 'attempts', key: id, mode: 'update' })),
})

/** Gives an allowance back in full, after a success. */
export const forgetAttempts = defineVerb({
  kind: 'change',
  *run(_transaction, id: string): Verb<void> {
    yield* run('DELETE FROM attempts WHERE id = $1', id)
  },
  locks: (id) => [{ table: 'attempts', key: id, mode: 'update' }],
})
