import { resourceKey } from '@arctos/core'
import { record } from '../audit-record.ts'
import { type Initiator, type RevocationReason, tell } from '../revocation-entry.ts'
import { defineVerb, first, integer, run, text, type Verb } from '../transaction.ts'
import { endGrant, type GrantEnd, words } from './grants.ts'
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

/** By whose word something is taken back, where that is not its own client's. */
export interface Taking {
  /** Who it is written down for in the audit log. */
  readonly actor: string
  readonly initiator: Initiator
  /** `revoked` when absent. */
  readonly reason?: RevocationReason | undefined
}

export interface GrantRevocation extends Omit<Taking, 'reason'> {
  readonly grantId: string
  /** `revoked` when absent. */
  readonly reason?: GrantEnd | undefined
}

export type GrantRevocationOutcome = RevocationOutcome | { readonly outcome: 'unknown' }

/** Ends a grant with its refresh family, or an API key, and all that was derived from it, whoever's it is. */
export const revokeGrant = defineVerb({
  kind: 'change',
  urgent: true,
  *run(transaction, { grantId, reason, actor, initiator }: GrantRevocation): Verb<GrantRevocationOutcome> {
    const known = 'SELECT 1 AS known FROM grants WHERE id = $1 UNION SELECT 1 FROM api_keys WHERE id = $1'
    const row = yield* first(known, grantId)
    if (row === undefined) return { outcome: 'unknown' }
    const ended = yield* endGrant(transaction, grantId, reason ?? 'revoked', actor, initiator)
    return { outcome: ended ? 'revoked' : 'nothing_to_revoke' }
  },
  locks: ({ grantId }) => [
    { table: 'api_keys', key: grantId, mode: 'update' },
    { table: 'grants', key: grantId, mode: 'update' },
  ],
})

/** One JWT, verified, and who takes it back: its client, or whoever `by` says. */
export interface JwtRevocation {
  readonly jti: string
  readonly expiresAt: number
  readonly clientId: string
  readonly subject?: string
  /** The identifiers of its resources: only they have to know. Absent: all are told. */
  readonly audience?: readonly string[]
  readonly by?: Taking | undefined
}

/** Revokes one JWT by its id, until it would have expired. The caller has verified it and its owner. */
export const revokeJwt = defineVerb({
  kind: 'change',
  *run(transaction, { jti, expiresAt, clientId, subject, audience, by }: JwtRevocation): Verb<RevocationOutcome> {
    const { changes } = yield* run(
      'INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING',
      jti,
      Math.ceil(expiresAt) + clockMarginSeconds,
    )
    if (changes === 0) return { outcome: 'nothing_to_revoke' }
    yield* record(transaction, 'token.revoked', by?.actor ?? clientId, { jti })
    yield* tell(
      transaction,
      { kind: 'token', jti, expiresAt },
      {
        reason: by?.reason ?? 'revoked',
        initiator: by?.initiator ?? initiatorFor(clientId, subject),
        resources: audience?.map(resourceKey),
      },
    )
    return { outcome: 'revoked' }
  },
})

export interface OpaqueRevocation {
  readonly key: string
  /** The client whose token it has to be; absent: whoever's. */
  readonly clientId?: string | undefined
  /** Who takes it back, if not that client. */
  readonly by?: Taking | undefined
}

/** Revokes one opaque access token. */
export const revokeOpaque = defineVerb({
  kind: 'change',
  *run(transaction, { key, clientId, by }: OpaqueRevocation): Verb<RevocationOutcome> {
    const row = yield* first(
      `DELETE FROM access_tokens WHERE token_key = $1 AND client_id = COALESCE($2, client_id)
       RETURNING jti, client_id, subject, audience, expires_at`,
      key,
      clientId ?? null,
    )
    if (row === undefined) return { outcome: 'nothing_to_revoke' }
    const [jti, owner] = [text(row, 'jti'), text(row, 'client_id')]
    yield* record(transaction, 'token.revoked', by?.actor ?? owner, { jti })
    yield* tell(
      transaction,
      // A resource server may have it among those it asked about.
      { kind: 'token', jti, expiresAt: integer(row, 'expires_at') },
      {
        reason: by?.reason ?? 'revoked',
        initiator: by?.initiator ?? initiatorFor(owner, text(row, 'subject')),
        resources: words(text(row, 'audience')).map(resourceKey),
      },
    )
    return { outcome: 'revoked' }
  },
})

/** A client takes back a user's token by the user's word, mostly, and its own by its own. */
function initiatorFor(clientId: string, subject: string | undefined): Initiator {
  return subject === clientId ? 'system' : 'user'
}
