import { type LedgerRow, ledgerColumns, ledgerRow } from '../revocation-entry.ts'
import { defineVerb, first, integer, type Lock, run, type Verb } from '../transaction.ts'

/** Where the feed stands. */
export interface FeedHead {
  /** Another one: the database is from another life, and what is known of it has to be learnt anew. */
  readonly epoch: number
  /** The last number that was given; 0 before the first. */
  readonly head: number
  /** Whether every row that was committed is numbered: then whatever is not in the feed up to the head was acknowledged later. */
  readonly isComplete: boolean
  /** When this was so, by the store's clock (epoch milliseconds). */
  readonly asOfMs: number
}

const readHead = `SELECT i.epoch, f.head, (SELECT COUNT(*) FROM (SELECT 1 FROM revocations WHERE seq IS NULL LIMIT 1) u) AS unnumbered
  FROM issuer_state i, feed_state f WHERE i.id = 1 AND f.id = 1`

/** Where the feed stands: a cheap question, for every node asks it many times a second. */
export const readFeedHead = defineVerb({
  kind: 'read',
  *run(moment, _nothing: undefined): Verb<FeedHead> {
    const row = yield* first(readHead)
    if (row === undefined) throw new Error('the database has no feed')
    return {
      epoch: integer(row, 'epoch'),
      head: integer(row, 'head'),
      isComplete: integer(row, 'unnumbered') === 0,
      asOfMs: moment.nowMs,
    }
  },
})

/** A page of the feed. */
export interface FeedPage {
  readonly epoch: number
  readonly head: number
  /** Ascending; forgotten ones are left out, so that the first number of a page need not follow the last one of the page before. */
  readonly rows: readonly LedgerRow[]
}

/** Numbered rows behind a number that still matter. */
export const readFeed = defineVerb({
  kind: 'read',
  *run(moment, { after, limit }: { readonly after: number; readonly limit: number }): Verb<FeedPage> {
    // The head first: a page that is read after it holds all up to it.
    const head = yield* first(readHead)
    if (head === undefined) throw new Error('the database has no feed')
    const { rows } = yield* run(
      `SELECT ${ledgerColumns} FROM revocations WHERE seq > $1 AND seq <= $2 AND expires_at > $3 ORDER BY seq LIMIT $4`,
      after,
      integer(head, 'head'),
      moment.now,
      limit,
    )
    return { epoch: integer(head, 'epoch'), head: integer(head, 'head'), rows: rows.map(ledgerRow) }
  },
})

/**
 * Numbers rows that are committed and not yet numbered, densely. Whoever holds the lease row does it, and readers see numbered rows
 * only: serial numbers commit out of order, and a cursor over them loses rows (PROTOCOL §6). Whoever dies on the way leaves rows
 * that the next one numbers.
 */
export const numberRevocations = defineVerb({
  kind: 'change',
  // In a transaction of its own: no request waits for the numbering.
  bulk: true,
  *run(_transaction, limit: number): Verb<{ readonly numbered: number }> {
    const state = yield* first('SELECT head FROM feed_state WHERE id = 1')
    const head = state === undefined ? 0 : integer(state, 'head')
    const { changes: numbered } = yield* run(
      `UPDATE revocations SET seq = n.seq FROM (
         SELECT id, CAST($1 AS BIGINT) + ROW_NUMBER() OVER (ORDER BY at_ms, id) AS seq
         FROM revocations WHERE seq IS NULL ORDER BY at_ms, id LIMIT $2
       ) AS n WHERE revocations.id = n.id`,
      head,
      limit,
    )
    if (numbered === 0) return { numbered }
    const { changes } = yield* run('UPDATE feed_state SET head = $1 WHERE id = 1 AND head = $2', head + numbered, head)
    // Somebody else numbered in spite of the lease: nothing of this stands.
    if (changes !== 1) throw new Error('the feed was numbered by two')
    yield* run("UPDATE leases SET fence = fence + 1 WHERE name = 'feed'")
    return { numbered }
  },
  locks: (): readonly Lock[] => [{ table: 'leases', key: 'feed', mode: 'update' }],
})
