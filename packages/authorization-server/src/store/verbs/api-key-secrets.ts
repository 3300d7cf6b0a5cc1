import { judgeKey, keyColumns, keyTables } from '../api-key.ts'
import { record } from '../audit-record.ts'
import { secretLimit } from '../registered-client.ts'
import {
  defineVerb,
  first,
  type Lock,
  optionalInteger,
  run,
  type Transaction,
  text,
  type Verb,
} from '../transaction.ts'
import { endedKeySeconds, tellKey } from './api-key-end.ts'
import { insertSecret } from './api-keys.ts'
import { secretMark } from './secret-uses.ts'

export interface KeyRotation {
  readonly keyId: string
  /** SHA-256 of the new secret, base64url. */
  readonly secretHash: string
  /** How long the key, with its new secret, lives from now on. A secret that there is keeps the end that it had. */
  readonly lifetimeSeconds: number | 'never'
  /** How long the former secret goes on working; absent: until it is removed, or its end. */
  readonly overlapSeconds?: number | undefined
  /** A user rotates keys of their own only. */
  readonly userId?: string | undefined
  readonly actor: string
}

export type RotateApiKeyOutcome =
  | { readonly outcome: 'rotated'; readonly expiresAt: number | undefined }
  /** `full`: two secrets work already. `not_live`: the key ended, expired, or its owner is disabled. */
  | { readonly outcome: 'unknown' | 'not_live' | 'full' }

/** Adds a second secret to a key. Its id stays: what it may do, and what was given for it, are not touched. */
export const rotateApiKey = defineVerb({
  kind: 'change',
  *run(transaction, rotation: KeyRotation): Verb<RotateApiKeyOutcome> {
    const { keyId, userId, secretHash, overlapSeconds, lifetimeSeconds, actor } = rotation
    const { now } = transaction
    const row = yield* first(`SELECT ${keyColumns} FROM ${keyTables} WHERE k.id = $1`, keyId)
    if (row === undefined || (userId !== undefined && row['user_id'] !== userId)) return { outcome: 'unknown' }
    if ('problem' in judgeKey({ ...row, secret_expires_at: null }, now)) return { outcome: 'not_live' }

    yield* run('DELETE FROM api_key_secrets WHERE key_id = $1 AND expires_at <= $2', keyId, now)
    const { rows: working } = yield* run('SELECT hash, expires_at FROM api_key_secrets WHERE key_id = $1', keyId)
    if (working.length >= secretLimit) return { outcome: 'full' }
    const formerEnd = optionalInteger(row, 'expires_at')
    for (const secret of working) {
      const overlap = overlapSeconds === undefined ? undefined : now + overlapSeconds
      const ends = [optionalInteger(secret, 'expires_at'), formerEnd, overlap]
      const known = ends.filter((end) => end !== undefined)
      const end = known.length === 0 ? null : Math.min(...known)
      yield* run('UPDATE api_key_secrets SET expires_at = $1 WHERE hash = $2', end, text(secret, 'hash'))
    }
    const expiresAt = lifetimeSeconds === 'never' ? undefined : now + lifetimeSeconds
    const keepUntil = expiresAt === undefined ? null : expiresAt + endedKeySeconds
    yield* run(
      'UPDATE api_keys SET expires_at = $1, keep_until = $2 WHERE id = $3',
      expiresAt ?? null,
      keepUntil,
      keyId,
    )
    yield* run('UPDATE api_key_secrets SET keep_until = $1 WHERE key_id = $2', keepUntil, keyId)
    yield* insertSecret(transaction, { keyId, hash: secretHash, keepUntil })
    yield* record(transaction, 'api_key.rotated', actor, { key: keyId, secret: secretMark(secretHash) })
    yield* tellKey(transaction, row, 'update', {
      reason: 'rotated',
      initiator: userId === undefined ? 'admin' : 'user',
    })
    return { outcome: 'rotated', expiresAt }
  },
  locks: ({ keyId }) => keyAlone(keyId),
})

export type RemoveKeySecretOutcome = {
  /** `last`: a key without a secret would be one that nobody can use; end the key instead. */
  readonly outcome: 'removed' | 'unknown' | 'last'
}

/** Takes one of two secrets away, by its mark. It works nowhere from now on; tokens that were given for it end by themselves. */
export const removeApiKeySecret = defineVerb({
  kind: 'change',
  *run(
    transaction: Transaction,
    { keyId, mark, actor }: { readonly keyId: string; readonly mark: string; readonly actor: string },
  ): Verb<RemoveKeySecretOutcome> {
    const key = yield* first('SELECT client_id, user_id, resource_key FROM api_keys WHERE id = $1', keyId)
    const { rows } = yield* run('SELECT hash FROM api_key_secrets WHERE key_id = $1', keyId)
    const hashes = rows.map((row) => text(row, 'hash'))
    const removed = hashes.find((hash) => secretMark(hash) === mark)
    if (key === undefined || removed === undefined) return { outcome: 'unknown' }
    if (hashes.length === 1) return { outcome: 'last' }
    yield* run('DELETE FROM api_key_secrets WHERE hash = $1', removed)
    yield* run('DELETE FROM secret_uses WHERE hash = $1', removed)
    yield* record(transaction, 'api_key.secret_removed', actor, { key: keyId, secret: mark })
    yield* tellKey(transaction, key, 'delete', { reason: 'rotated', initiator: 'admin' })
    return { outcome: 'removed' }
  },
  locks: ({ keyId }) => keyAlone(keyId),
})

function keyAlone(keyId: string): readonly Lock[] {
  return [{ table: 'api_keys', key: keyId, mode: 'update' }]
}
