import { clientColumns, clientOfRow } from '../registered-client.ts'
import { type Stream, streamColumns, streamOfRow } from '../stream.ts'
import { defineVerb, first, type Lock, run, type Transaction, text, type Verb } from '../transaction.ts'

/** A stream that this node pushes, and where its client may have events pushed to now. */
export interface PushedStream {
  readonly stream: Stream
  readonly allowed: readonly string[]
}

/**
 * Takes or keeps the streams whose events are pushed, for as long as the lease says: one node pushes a stream, so that its events
 * arrive in order. Those of disabled clients are left alone.
 */
export const leasePushStreams = defineVerb({
  kind: 'change',
  *run(
    { now, nowMs },
    { node, leaseMs, limit }: { readonly node: string; readonly leaseMs: number; readonly limit: number },
  ): Verb<readonly PushedStream[]> {
    const { rows } = yield* run(
      `UPDATE streams SET pushed_by = $1, pushed_until_ms = $2
       WHERE id IN (
         SELECT s.id FROM streams s JOIN clients c ON c.id = s.client_id
         WHERE s.method = 'push' AND (s.status = 'enabled' OR s.notices <> '[]') AND c.disabled_at IS NULL
           AND (s.expires_at IS NULL OR s.expires_at > $3) AND (s.pushed_by = $1 OR s.pushed_until_ms <= $4)
         ORDER BY s.pushed_until_ms DESC LIMIT $5)
       RETURNING ${streamColumns}`,
      node,
      nowMs + leaseMs,
      now,
      nowMs,
      limit,
    )
    const pushed: PushedStream[] = []
    for (const row of rows) {
      const client = yield* first(`SELECT ${clientColumns} FROM clients WHERE id = $1`, text(row, 'client_id'))
      const allowed = client === undefined ? [] : (clientOfRow(client).settings.pushEndpoints ?? [])
      pushed.push({ stream: streamOfRow(row), allowed })
    }
    return pushed
  },
  locks: (): readonly Lock[] => [{ table: 'leases', key: 'push', mode: 'update' }],
})

/** Whether any stream is pushed at all: a cheap question, so that idle nodes write nothing. */
export const hasPushStreams = defineVerb({
  kind: 'read',
  *run(_moment, _nothing: undefined): Verb<boolean> {
    return (yield* first("SELECT 1 AS one FROM streams WHERE method = 'push' LIMIT 1")) !== undefined
  },
})

/** Lets other nodes push at once what this one pushed. */
export const releasePushStreams = defineVerb({
  kind: 'change',
  *run(_transaction: Transaction, node: string): Verb<void> {
    yield* run('UPDATE streams SET pushed_by = NULL, pushed_until_ms = 0 WHERE pushed_by = $1', node)
  },
  locks: (): readonly Lock[] => [{ table: 'leases', key: 'push', mode: 'update' }],
})
