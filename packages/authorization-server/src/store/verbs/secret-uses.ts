import { defineVerb, run, type Verb } from '../transaction.ts'

/** By which a secret is named where people see it: the first 48 bits of its hash, which are no part of the secret. */
export function secretMark(hash: string): string {
  return Buffer.from(hash, 'base64url').toString('hex', 0, 6)
}

/** When a secret was used last, by its hash (epoch seconds). */
export interface SecretUse {
  readonly hash: string
  readonly usedAt: number
}

/** How long it is remembered when a secret was used, if it is not used again. */
const memorySeconds = 400 * 86_400

/** Rows of one statement: a few texts for every number of uses, for each text is prepared once and kept. */
const sizes = [8, 256] as const

/** Writes down when secrets were used, all of them in one transaction. A later time that another node wrote stands. */
export const recordSecretUses = defineVerb({
  kind: 'change',
  // In a transaction of its own: no request waits for it.
  bulk: true,
  *run(_transaction, uses: readonly SecretUse[]): Verb<void> {
    for (let at = 0; at < uses.length; ) {
      const size = uses.length - at <= sizes[0] ? sizes[0] : sizes[1]
      const rows = Array.from({ length: size }, (_, index) => uses[at + index])
      const values = rows.flatMap((use) => [use?.hash ?? null, use?.usedAt ?? 0, (use?.usedAt ?? 0) + memorySeconds])
      yield* run(upserts[size], ...values)
      at += size
    }
  },
})

const upserts = { 8: upsert(8), 256: upsert(256) }

/** Rows without a hash fill a statement up to its size. The casts tell PostgreSQL what the parameters are. */
function upsert(rows: number): string {
  const tuples = Array.from({ length: rows }, (_, row) => {
    const [hash, usedAt, keepUntil] = [1, 2, 3].map((column) => `$${row * 3 + column}`)
    return `(CAST(${hash} AS TEXT), CAST(${usedAt} AS BIGINT), CAST(${keepUntil} AS BIGINT))`
  })
  return `INSERT INTO secret_uses (hash, used_at, keep_until)
    SELECT column1, column2, column3 FROM (VALUES ${tuples.join(', ')}) AS uses WHERE column1 IS NOT NULL
    ON CONFLICT (hash) DO UPDATE SET used_at = excluded.used_at, keep_until = excluded.keep_until
    WHERE secret_uses.used_at < excluded.used_at`
}
