import { record } from '../audit-record.ts'
import { defineVerb, first, run, text, type Verb } from '../transaction.ts'
import { endGrant } from './grants.ts'
import { clockMarginSeconds } from './spent.ts'

/** A refresh token that is proven ours, whatever its generation, and who brings it. */
export interface FamilyRevocation {
  readonly grantId: string
  readonly clientId: string
}

export type RevocationOutcome = { readonly outcome: 'revoked' | 'nothing_to_revoke' }

/** Ends the family of a refresh token, quietly; another client's is left alone. RFC 7009 §2.1 */
export const revokeFamily = defineVerb({
  kind: 'change',
  *run(transaction, { grantId, clientId }: FamilyRevocation): Verb<RevocationOutcome> {
    const row = yield* first('SELECT client_id FROM grants WHERE id = $1', grantId)
    if (row === undefined || text(row, 'client_id') !== clientId) return { outcome: 'nothing_to_revoke' }
    const ended = yield* endGrant(transaction, grantId, 'revoked', clientId)
    return { outcome: ended ? 'revoked' : 'nothing_to_revoke' }
  },
  locks: ({ grantId }) => [{ table: 'grants', key: grantId, mode: 'update' }],
})

/** Revokes one JWT by its id, until it would have expired. The caller has verified it and its owner. */
export const revokeJwt = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { jti, expiresAt, clientId }: { readonly jti: string; readonly expiresAt: number; readonly clientId: string },
  ): Verb<RevocationOutcome> {
    const { changes } = yield* run(
      'INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING',
      jti,
      Math.ceil(expiresAt) + clockMarginSeconds,
    )
    if (changes === 0) return { outcome: 'nothing_to_revoke' }
    yield* record(transaction, 'token.revoked', clientId, { jti })
    return { outcome: 'revoked' }
  },
})

/** Revokes one opaque access token of this client. */
export const revokeOpaque = defineVerb({
  kind: 'change',
  *run(transaction, { key, clientId }: { readonly key: string; readonly clientId: string }): Verb<RevocationOutcome> {
    const row = yield* first(
      'DELETE FROM access_tokens WHERE token_key = $1 AND client_id = $2 RETURNING jti',
      key,
      clientId,
    )
    if (row === undefined) return { outcome: 'nothing_to_revoke' }
    yield* record(transaction, 'token.revoked', clientId, { jti: text(row, 'jti') })
    return { outcome: 'revoked' }
  },
})
