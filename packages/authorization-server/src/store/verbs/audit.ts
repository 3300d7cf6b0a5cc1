import { sha256Base64url } from '@arctos/core'
import { defineVerb, first, integer, type Lock, optionalText, type Row, run, text, type Verb } from '../transaction.ts'

/** A numbered record of the audit log. */
export interface AuditRecord {
  readonly seq: number
  readonly id: string
  readonly atMs: number
  readonly kind: string
  readonly actor: string
  readonly facts: string
  readonly previousHash: string
  readonly hash: string
}

const firstPreviousHash = ''

function hashOf(previousHash: string, seq: number, row: Row): string {
  return sha256Base64url(
    JSON.stringify([
      previousHash,
      seq,
      text(row, 'id'),
      integer(row, 'at_ms'),
      text(row, 'kind'),
      text(row, 'actor'),
      text(row, 'facts'),
    ]),
  )
}

/**
 * Numbers and chains records that are committed and not yet numbered, oldest first. Whoever holds the lease row does it, so
 * numbers are dense and readers see numbered rows only: serial ids commit out of order, and a cursor over them loses rows
 * (PROTOCOL §6).
 */
export const numberAudit = defineVerb({
  kind: 'change',
  // In a transaction of its own: no request waits for the numbering.
  bulk: true,
  *run(_transaction, limit: number): Verb<{ readonly numbered: number }> {
    const { rows } = yield* run(
      'SELECT id, at_ms, kind, actor, facts FROM audit WHERE seq IS NULL ORDER BY at_ms, id LIMIT $1',
      limit,
    )
    if (rows.length === 0) return { numbered: 0 }
    yield* run("UPDATE leases SET fence = fence + 1 WHERE name = 'sequencer'")
    const head = yield* first('SELECT seq, hash FROM audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1')
    let seq = head === undefined ? 0 : integer(head, 'seq')
    let previousHash = head === undefined ? firstPreviousHash : text(head, 'hash')
    for (const row of rows) {
      seq += 1
      const hash = hashOf(previousHash, seq, row)
      yield* run(
        'UPDATE audit SET seq = $1, previous_hash = $2, hash = $3 WHERE id = $4',
        seq,
        previousHash,
        hash,
        text(row, 'id'),
      )
      previousHash = hash
    }
    return { numbered: rows.length }
  },
  locks: (): readonly Lock[] => [{ table: 'leases', key: 'sequencer', mode: 'update' }],
})

/** Whether every record has its number: a cheap question, asked before the lease is taken. */
export const isAuditNumbered = defineVerb({
  kind: 'read',
  *run(_moment, _nothing: undefined): Verb<boolean> {
    return (yield* first('SELECT 1 AS waiting FROM audit WHERE seq IS NULL LIMIT 1')) === undefined
  },
})

/** A page of the numbered log. */
export const readAudit = defineVerb({
  kind: 'read',
  *run(_moment, { after, limit }: { readonly after: number; readonly limit: number }): Verb<readonly AuditRecord[]> {
    const { rows } = yield* run(
      'SELECT seq, id, at_ms, kind, actor, facts, previous_hash, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2',
      after,
      limit,
    )
    return rows.map((row) => ({
      seq: integer(row, 'seq'),
      id: text(row, 'id'),
      atMs: integer(row, 'at_ms'),
      kind: text(row, 'kind'),
      actor: text(row, 'actor'),
      facts: text(row, 'facts'),
      previousHash: optionalText(row, 'previous_hash') ?? '',
      hash: optionalText(row, 'hash') ?? '',
    }))
  },
})

/** Where a page breaks the chain: the first record whose number, predecessor or content does not fit. */
export function findBreak(
  page: readonly AuditRecord[],
  head: { readonly seq: number; readonly hash: string },
): AuditRecord | undefined {
  let { seq, hash } = head
  for (const entry of page) {
    const row = { id: entry.id, at_ms: entry.atMs, kind: entry.kind, actor: entry.actor, facts: entry.facts }
    const fits = entry.seq === seq + 1 && entry.previousHash === hash && entry.hash === hashOf(hash, entry.seq, row)
    if (!fits) return entry
    seq = entry.seq
    hash = entry.hash
  }
  return undefined
}
