import { newId } from '../identifiers.ts'
import { defineVerb, first, integer, type Lock, run, type Transaction, text, type Verb } from '../transaction.ts'

/** How long a notice is kept that nobody took, in seconds. */
const keptSeconds = 3 * 86_400

/** Keeps a notice for whoever sends it, in the transaction of what it tells of. */
export function* keepNotice(transaction: Transaction, content: object): Verb<void> {
  yield* run(
    'INSERT INTO leak_notices (id, at_ms, content, due_ms, attempts, expires_at) VALUES ($1, $2, $3, $2, 0, $4)',
    newId(transaction),
    transaction.nowMs,
    JSON.stringify(content),
    transaction.now + keptSeconds,
  )
}

/** A notice that has to be sent now. */
export interface LeakNotice {
  readonly id: string
  /** When what it tells of happened (epoch milliseconds). */
  readonly atMs: number
  /** JSON. */
  readonly content: string
  /** How often it was tried, this time included. */
  readonly attempts: number
}

/** Whether a notice waits to be sent; a look, so that idle nodes write nothing. */
export const hasDueNotice = defineVerb({
  kind: 'read',
  *run(moment, _all: undefined): Verb<boolean> {
    const row = yield* first('SELECT 1 AS due FROM leak_notices WHERE due_ms <= $1 LIMIT 1', moment.nowMs)
    return row !== undefined
  },
})

/**
 * Takes notices that are due, oldest first, for as long as a lease: until it runs out no other node takes them, and then they are
 * due again, for the node may have died. So each is sent at least once.
 */
export const takeNotices = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { limit, leaseMs }: { readonly limit: number; readonly leaseMs: number },
  ): Verb<readonly LeakNotice[]> {
    const { rows } = yield* run(
      `UPDATE leak_notices SET due_ms = $1, attempts = attempts + 1
       WHERE id IN (SELECT id FROM leak_notices WHERE due_ms <= $2 ORDER BY due_ms, id LIMIT $3)
       RETURNING id, at_ms, content, attempts`,
      transaction.nowMs + leaseMs,
      transaction.nowMs,
      limit,
    )
    return rows.map((row) => ({
      id: text(row, 'id'),
      atMs: integer(row, 'at_ms'),
      content: text(row, 'content'),
      attempts: integer(row, 'attempts'),
    }))
  },
  locks: (): readonly Lock[] => [{ table: 'leases', key: 'leak_notices', mode: 'update' }],
})

/** A notice arrived, and goes; or it did not, and is due again later. */
export const settleNotice = defineVerb({
  kind: 'change',
  *run(transaction, { id, retryInMs }: { readonly id: string; readonly retryInMs: number | undefined }): Verb<void> {
    if (retryInMs === undefined) yield* run('DELETE FROM leak_notices WHERE id = $1', id)
    else yield* run('UPDATE leak_notices SET due_ms = $1 WHERE id = $2', transaction.nowMs + retryInMs, id)
  },
})
