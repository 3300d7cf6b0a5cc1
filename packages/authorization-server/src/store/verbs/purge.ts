import { defineVerb, run, type Verb } from '../transaction.ts'

const expiring = [
  ['former_clients', 'id', 'expires_at'],
  ['sessions', 'hash', 'expires_at'],
  ['codes', 'hash', 'keep_until'],
  ['device_codes', 'hash', 'keep_until'],
  ['grants', 'id', 'keep_until'],
  ['api_keys', 'id', 'keep_until'],
  ['api_key_secrets', 'hash', 'keep_until'],
  ['secret_uses', 'hash', 'keep_until'],
  ['access_tokens', 'token_key', 'expires_at'],
  ['revoked_tokens', 'jti', 'expires_at'],
  ['revocations', 'id', 'expires_at'],
  ['cut_offs', 'kind, subject, client_id', 'expires_at'],
  ['streams', 'id', 'expires_at'],
  ['attempts', 'id', 'expires_at'],
  ['spent', 'kind, id', 'expires_at'],
  ['leak_notices', 'id', 'expires_at'],
  ['keys', 'id', 'expires_at'],
  ['status_lists', 'id', 'expires_at'],
  ['status_list_tokens', 'id', 'expires_at'],
  ['status_buckets', 'client_id, resources, end_at, not_before', 'keep_until'],
] as const

/**
 * Deletes rows past their time, a bounded number of each kind, so that no purge holds up the requests beside it. Nothing depends
 * on it: every query looks at the times itself.
 */
export const purgeExpired = defineVerb({
  kind: 'change',
  *run(transaction, limit: number): Verb<{ readonly deleted: number }> {
    let deleted = 0
    for (const [table, key, column] of expiring) {
      const { changes } = yield* run(
        `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE ${column} <= $1 LIMIT $2)`,
        transaction.now,
        limit,
      )
      deleted += changes
    }
    return { deleted }
  },
})
