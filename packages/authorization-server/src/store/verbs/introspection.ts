import type { StatusReference } from '@arctos/core'
import { defineVerb, first, integer, optionalInteger, optionalText, type Row, text, type Verb } from '../transaction.ts'
import { type Grant, grantColumns, grantOfRow, words } from './grants.ts'

/** What an issued access token says, from its row or from its verified claims. */
export interface AccessFacts {
  readonly jti: string
  readonly clientId: string
  readonly subject: string
  readonly grantId: string | undefined
  /** The grants that it was derived from, root first, where there are any (PROTOCOL §5). */
  readonly grants?: readonly string[]
  /** Subjects and client ids of whoever acts in it, at every level of `act`. RFC 8693 §4.1 */
  readonly actors?: readonly string[]
  readonly audience: readonly string[]
  readonly scopes: readonly string[]
  readonly issuedAt: number
  readonly expiresAt: number
  /** When and how the user signed in; absent without a user. */
  readonly authenticatedAt: number | undefined
  readonly acr: string | undefined
  /** Where its status stands, as it says itself. */
  readonly statusReference?: StatusReference | undefined
}

// Everything that can have ended a token, in one question: its own revocation, its grant, and the cut-offs of client, user, both
// together and all. A grant id without a row is a grant that ended long ago.
const stateColumns = `
  (SELECT not_before FROM issuer_state WHERE id = 1) AS all_not_before,
  (SELECT not_before FROM clients WHERE id = $1 AND disabled_at IS NULL) AS client_not_before,
  (SELECT not_before FROM users WHERE id = $2 AND disabled_at IS NULL) AS user_not_before,
  (SELECT not_before FROM cut_offs WHERE kind = 'pair' AND subject = $2 AND client_id = $1) AS pair_not_before,
  (SELECT not_before FROM grants WHERE id = $3 AND ended_at IS NULL
   UNION ALL SELECT not_before FROM api_keys WHERE id = $3 AND ended_at IS NULL) AS grant_not_before,
  (SELECT expires_at FROM revoked_tokens WHERE jti = $4) AS revoked`

/** Grants in a lineage at the most (PROTOCOL §5), and names of actors: 8 levels with two each. */
export const lineageLimit = 8
const actorLimit = 16
const lineage = places(5, lineageLimit)
const actors = places(5 + lineageLimit, actorLimit)

// For a token that others are behind: those of its grants that live, and the latest cut-off of its actors.
const derivedColumns = `${stateColumns},
  (SELECT COUNT(*) FROM (
     SELECT id FROM grants WHERE id IN (${lineage}) AND ended_at IS NULL AND not_before <= $${5 + lineageLimit + actorLimit}
     UNION SELECT id FROM api_keys WHERE id IN (${lineage}) AND ended_at IS NULL) l) AS live_grants,
  (SELECT MAX(not_before) FROM cut_offs WHERE kind = 'actor' AND client_id = '' AND subject IN (${actors})) AS actor_not_before`

function places(start: number, count: number): string {
  return Array.from({ length: count }, (_, at) => `$${start + at}`).join(', ')
}

function filled(values: readonly string[], count: number): readonly (string | null)[] {
  if (values.length > count) throw new RangeError(`more than ${count} names`)
  return Array.from({ length: count }, (_, at) => values[at] ?? null)
}

/** Whether a token is still good, apart from its signature and expiry (PROTOCOL §3). Client credentials have no grant. */
function isLive(state: Row, token: AccessFacts): boolean {
  const cutOffs = [optionalInteger(state, 'all_not_before'), optionalInteger(state, 'client_not_before')]
  if (token.grantId !== undefined) cutOffs.push(optionalInteger(state, 'grant_not_before'))
  if (token.subject !== token.clientId) cutOffs.push(optionalInteger(state, 'user_not_before'))
  cutOffs.push(optionalInteger(state, 'pair_not_before') ?? 0)
  return (
    state['revoked'] === null && cutOffs.every((notBefore) => notBefore !== undefined && token.issuedAt >= notBefore)
  )
}

/** Whether the token of these verified claims is live. */
export const introspectJwt = defineVerb({
  kind: 'read',
  *run(_moment, token: AccessFacts): Verb<boolean> {
    const own = [token.clientId, token.subject, token.grantId ?? null, token.jti]
    const [grants, actors] = [[...new Set(token.grants ?? [])], [...new Set(token.actors ?? [])]]
    if (grants.length === 0 && actors.length === 0) {
      const state = yield* first(`SELECT ${stateColumns}`, ...own)
      return state !== undefined && isLive(state, token)
    }
    const [lineageNames, actorNames] = [filled(grants, lineageLimit), filled(actors, actorLimit)]
    const state = yield* first(`SELECT ${derivedColumns}`, ...own, ...lineageNames, ...actorNames, token.issuedAt)
    // Whatever was derived ends with its parent.
    return (
      state !== undefined &&
      isLive(state, token) &&
      integer(state, 'live_grants') === grants.length &&
      token.issuedAt >= (optionalInteger(state, 'actor_not_before') ?? 0)
    )
  },
})

/** The live opaque token with this key, see `opaqueAccessKey`. */
export const introspectOpaque = defineVerb({
  kind: 'read',
  *run(moment, key: string): Verb<AccessFacts | undefined> {
    const row = yield* first(
      `SELECT t.jti, t.client_id, t.subject, t.grant_id, t.audience, t.scope, t.issued_at, t.expires_at,
         t.authenticated_at, t.acr,
         (SELECT not_before FROM issuer_state WHERE id = 1) AS all_not_before,
         (SELECT not_before FROM clients WHERE id = t.client_id AND disabled_at IS NULL) AS client_not_before,
         (SELECT not_before FROM users WHERE id = t.subject AND disabled_at IS NULL) AS user_not_before,
         (SELECT not_before FROM cut_offs WHERE kind = 'pair' AND subject = t.subject AND client_id = t.client_id)
           AS pair_not_before,
         (SELECT not_before FROM grants WHERE id = t.grant_id AND ended_at IS NULL
          UNION ALL SELECT not_before FROM api_keys WHERE id = t.grant_id AND ended_at IS NULL) AS grant_not_before,
         (SELECT expires_at FROM revoked_tokens WHERE jti = t.jti) AS revoked
       FROM access_tokens t WHERE t.token_key = $1 AND t.expires_at > $2`,
      key,
      moment.now,
    )
    if (row === undefined) return undefined
    const token = factsOfRow(row)
    return isLive(row, token) ? token : undefined
  },
})

export function factsOfRow(row: Row): AccessFacts {
  return {
    jti: text(row, 'jti'),
    clientId: text(row, 'client_id'),
    subject: text(row, 'subject'),
    grantId: optionalText(row, 'grant_id'),
    audience: words(text(row, 'audience')),
    scopes: words(text(row, 'scope')),
    issuedAt: integer(row, 'issued_at'),
    expiresAt: integer(row, 'expires_at'),
    authenticatedAt: optionalInteger(row, 'authenticated_at'),
    acr: optionalText(row, 'acr'),
  }
}

/** A grant with a live refresh family, for its own client's introspection. */
export const readLiveGrant = defineVerb({
  kind: 'read',
  *run(moment, grantId: string): Verb<Grant | undefined> {
    const row = yield* first(
      `SELECT ${grantColumns} FROM grants WHERE id = $1 AND ended_at IS NULL AND idle_expires_at > $2 AND absolute_expires_at > $2`,
      grantId,
      moment.now,
    )
    if (row === undefined) return undefined
    const grant = grantOfRow(row)
    const state = yield* first(`SELECT ${stateColumns}`, grant.clientId, grant.userId, grant.id, '')
    const token = { ...grant, subject: grant.userId, grantId: grant.id, audience: [], jti: '', expiresAt: 0 }
    return state !== undefined && isLive(state, token) ? grant : undefined
  },
})
