import { record, recordEach } from '../audit-record.ts'
import { newId } from '../identifiers.ts'
import { longestAccessSeconds } from '../registered-resource.ts'
import { type Initiator, type RevocationReason, tell, tellEach } from '../revocation-entry.ts'
import { defineVerb, first, optionalText, type Row, run, type Transaction, text, type Verb } from '../transaction.ts'

/** How long an ended key stays in the list of its owner, in seconds; longer than any token that was given for it. */
export const endedKeySeconds = Math.max(longestAccessSeconds, 30 * 86_400)

/** Who ends keys, and why. */
export interface KeyEnding {
  readonly reason: RevocationReason
  /** For the audit log. */
  readonly actor: string
  /** For the receivers of events; `untold` where a cut-off tells of it. */
  readonly initiator: Initiator | 'untold'
}

const end = 'UPDATE api_keys SET ended_at = $1, ended_reason = $2, keep_until = $3 WHERE ended_at IS NULL'
const ended = 'RETURNING id, client_id, user_id, resource_key'

/**
 * Ends one key, once: both of its secrets, and every token that was given for it, for they carry its id as `grant_id`. Returns
 * whether this call did it.
 */
export function* endKey(transaction: Transaction, keyId: string, ending: KeyEnding): Verb<boolean> {
  const keepUntil = transaction.now + endedKeySeconds
  const row = yield* first(`${end} AND id = $4 ${ended}`, transaction.now, ending.reason, keepUntil, keyId)
  if (row === undefined) return false
  yield* run('UPDATE api_key_secrets SET keep_until = $1 WHERE key_id = $2', keepUntil, keyId)
  yield* record(transaction, 'api_key.ended', ending.actor, { key: keyId, reason: ending.reason })
  const { initiator, reason } = ending
  if (initiator === 'untold') return true
  const txn = newId(transaction)
  yield* tellEach(transaction, [entryOf(row)], { reason, initiator, txn })
  yield* tellKey(transaction, row, 'revoke', { reason, initiator, txn })
  return true
}

/** Ends every live key of a client, or of a user at one client. Returns how many. */
export function* endKeysOf(
  transaction: Transaction,
  whose: { readonly clientId: string; readonly userId?: string },
  ending: KeyEnding,
): Verb<number> {
  const keepUntil = transaction.now + endedKeySeconds
  const values = [transaction.now, ending.reason, keepUntil, whose.clientId] as const
  const { rows } =
    whose.userId === undefined
      ? yield* run(`${end} AND client_id = $4 ${ended}`, ...values)
      : yield* run(`${end} AND client_id = $4 AND user_id = $5 ${ended}`, ...values, whose.userId)
  if (rows.length === 0) return 0
  const secrets = 'UPDATE api_key_secrets SET keep_until = $1 WHERE key_id IN (SELECT id FROM api_keys'
  if (whose.userId === undefined) yield* run(`${secrets} WHERE client_id = $2)`, keepUntil, whose.clientId)
  else yield* run(`${secrets} WHERE client_id = $2 AND user_id = $3)`, keepUntil, whose.clientId, whose.userId)
  const { reason, actor, initiator } = ending
  const facts = rows.map((row) => ({ key: text(row, 'id'), reason }))
  yield* recordEach(transaction, 'api_key.ended', actor, facts)
  if (initiator !== 'untold') yield* tellEach(transaction, rows.map(entryOf), { reason, initiator })
  return rows.length
}

function entryOf(row: Row) {
  const userId = optionalText(row, 'user_id')
  const whose = { clientId: text(row, 'client_id'), ...(userId === undefined ? {} : { userId }) }
  return {
    entry: { kind: 'grant', grantId: text(row, 'id'), ...whose } as const,
    resources: [text(row, 'resource_key')],
  }
}

/** Tells that a key, which is a credential of its owner, changed (CAEP credential-change). */
export function* tellKey(
  transaction: Transaction,
  key: Row,
  change: 'create' | 'update' | 'revoke' | 'delete',
  about: { readonly reason: RevocationReason; readonly initiator: Initiator; readonly txn?: string },
): Verb<void> {
  const userId = optionalText(key, 'user_id')
  const owner =
    userId === undefined
      ? ({ principal: 'client', id: text(key, 'client_id') } as const)
      : ({ principal: 'user', id: userId } as const)
  const entry = { kind: 'credential', ...owner, credential: 'api_key', change } as const
  yield* tell(transaction, entry, { ...about, resources: [text(key, 'resource_key')] })
}

export interface EndApiKey {
  readonly keyId: string
  /** A user ends keys of their own only; absent: an operator does it. */
  readonly userId?: string | undefined
  readonly reason?: RevocationReason
  readonly actor: string
}

/** Ends a key, for its owner or the operator. */
export const endApiKey = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { keyId, userId, reason = 'revoked', actor }: EndApiKey,
  ): Verb<{ readonly outcome: 'ended' | 'unknown' }> {
    const row = yield* first('SELECT user_id FROM api_keys WHERE id = $1', keyId)
    if (row === undefined || (userId !== undefined && row['user_id'] !== userId)) return { outcome: 'unknown' }
    const initiator = userId === undefined ? 'admin' : 'user'
    const ended = yield* endKey(transaction, keyId, { reason, actor, initiator })
    return { outcome: ended ? 'ended' : 'unknown' }
  },
  locks: ({ keyId }) => [{ table: 'api_keys', key: keyId, mode: 'update' }],
})

/** Ends the key of a secret that its client has brought to the revocation endpoint. RFC 7009 §2.1 */
export const revokeApiKey = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { keyId, clientId }: { readonly keyId: string; readonly clientId: string },
  ): Verb<{ readonly outcome: 'revoked' | 'nothing_to_revoke' }> {
    const row = yield* first('SELECT 1 AS known FROM api_keys WHERE id = $1 AND client_id = $2', keyId, clientId)
    if (row === undefined) return { outcome: 'nothing_to_revoke' }
    const ending = { reason: 'revoked', actor: clientId, initiator: 'user' } as const
    return { outcome: (yield* endKey(transaction, keyId, ending)) ? 'revoked' : 'nothing_to_revoke' }
  },
  locks: ({ keyId }) => [{ table: 'api_keys', key: keyId, mode: 'update' }],
})
