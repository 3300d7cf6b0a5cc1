import { sha256Base64url } from '@arctos/core'
import { defineVerb, run, type Transaction, type Verb } from '../transaction.ts'

/**
 * How much longer than it is good for something is remembered, in seconds: a node's clock judges it, the store's forgets it, and
 * they may differ.
 */
export const clockMarginSeconds = 3_600

/** Something that may be used once. The kind keeps uses apart: an assertion's id is no form's id. */
export interface Spending {
  readonly kind: 'assertion' | 'consent_form'
  /** Whose id it is, so that one client cannot burn another's. */
  readonly owner: string
  readonly id: string
  /** Epoch seconds; until then it is remembered. */
  readonly expiresAt: number
}

/** Spends it, in the transaction of what it is spent for. Returns false when it was spent before. */
export function* spend(_transaction: Transaction, spending: Spending | undefined): Verb<boolean> {
  if (spending === undefined) return true
  const { changes } = yield* run(
    'INSERT INTO spent (kind, id, expires_at) VALUES ($1, $2, $3) ON CONFLICT (kind, id) DO NOTHING',
    spending.kind,
    sha256Base64url(`${spending.owner}\n${spending.id}`),
    spending.expiresAt,
  )
  return changes === 1
}

/** Spends something by itself, for endpoints that issue nothing. */
export const spendOnce = defineVerb({
  kind: 'change',
  *run(transaction, spending: Spending): Verb<{ readonly outcome: 'spent' | 'replayed' }> {
    return { outcome: (yield* spend(transaction, spending)) ? 'spent' : 'replayed' }
  },
})
