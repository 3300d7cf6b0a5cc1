import { record } from '../audit-record.ts'
import { tell } from '../revocation-entry.ts'
import { defineVerb, first, integer, type Lock, run, text, type Verb } from '../transaction.ts'
import { cutOff, keepCutOff } from './cut-off.ts'
import { endGrantsOf } from './grants.ts'
import type { Taking } from './revocation.ts'

/** Everything issued before `notBefore` is dead (epoch seconds); what is issued from now on is issued then or later. */
export type CutOffOutcome =
  | { readonly outcome: 'cut_off'; readonly notBefore: number }
  | { readonly outcome: 'unknown' }

/** Ends whatever a client holds, its own tokens and its users'. It may go on, with new ones. */
export const cutOffClient = defineVerb({
  kind: 'change',
  urgent: true,
  *run(transaction, { clientId, ...by }: Taking & { readonly clientId: string }): Verb<CutOffOutcome> {
    const row = yield* first('SELECT not_before FROM clients WHERE id = $1', clientId)
    if (row === undefined) return { outcome: 'unknown' }
    const notBefore = yield* cutOff(transaction, { kind: 'client', before: integer(row, 'not_before') })
    yield* run('UPDATE clients SET not_before = $1 WHERE id = $2', notBefore, clientId)
    yield* record(transaction, 'client.cut_off', by.actor, { client: clientId, not_before: notBefore })
    yield* tell(transaction, { kind: 'client', clientId, issuedBefore: notBefore }, aboutOf(by))
    return { outcome: 'cut_off', notBefore }
  },
  locks: ({ clientId }) => [{ table: 'clients', key: clientId, mode: 'update' }],
})

/** Ends whatever a user has anywhere: tokens, grants, sessions. */
export const cutOffSubject = defineVerb({
  kind: 'change',
  urgent: true,
  *run(transaction, { userId, ...by }: Taking & { readonly userId: string }): Verb<CutOffOutcome> {
    const row = yield* first('SELECT not_before FROM users WHERE id = $1', userId)
    if (row === undefined) return { outcome: 'unknown' }
    const notBefore = yield* cutOff(transaction, { kind: 'user', before: integer(row, 'not_before') })
    yield* run('UPDATE users SET not_before = $1 WHERE id = $2', notBefore, userId)
    yield* run('DELETE FROM sessions WHERE user_id = $1', userId)
    yield* record(transaction, 'user.cut_off', by.actor, { user: userId, not_before: notBefore })
    yield* tell(transaction, { kind: 'subject', userId, issuedBefore: notBefore }, aboutOf(by))
    return { outcome: 'cut_off', notBefore }
  },
  locks: ({ userId }) => [{ table: 'users', key: userId, mode: 'update' }],
})

/** Ends whatever one client has of one user, on every device, and asks that user again before it gives anything anew. */
export const cutOffUserAtClient = defineVerb({
  kind: 'change',
  urgent: true,
  *run(
    transaction,
    { userId, clientId, ...by }: Taking & { readonly userId: string; readonly clientId: string },
  ): Verb<CutOffOutcome> {
    const row = yield* first(
      'SELECT 1 AS known FROM clients c, users u WHERE c.id = $1 AND u.id = $2',
      clientId,
      userId,
    )
    if (row === undefined) return { outcome: 'unknown' }
    const pair = { kind: 'pair', userId, clientId } as const
    const notBefore = yield* cutOff(transaction, pair)
    yield* keepCutOff(transaction, pair, notBefore)
    // The cut-off is forgotten when no access token can be left, and a refresh token lives longer than that.
    yield* endGrantsOf(transaction, { clientId, userId }, 'revoked', by.actor, 'untold')
    yield* run('DELETE FROM consents WHERE user_id = $1 AND client_id = $2', userId, clientId)
    yield* record(transaction, 'user.cut_off', by.actor, { user: userId, client: clientId, not_before: notBefore })
    yield* tell(transaction, { kind: 'user_at_client', userId, clientId, issuedBefore: notBefore }, aboutOf(by))
    return { outcome: 'cut_off', notBefore }
  },
  locks: ({ userId, clientId }) => [
    { table: 'clients', key: clientId, mode: 'share' },
    { table: 'users', key: userId, mode: 'update' },
  ],
})

/** Ends whatever an actor, named by its subject or client id, has a part in: now, or earlier in the chain (RFC 8693 §4.1). */
export const cutOffActor = defineVerb({
  kind: 'change',
  urgent: true,
  *run(transaction, { actorId, ...by }: Taking & { readonly actorId: string }): Verb<CutOffOutcome> {
    const notBefore = yield* cutOff(transaction, { kind: 'actor' })
    yield* keepCutOff(transaction, { kind: 'actor', actor: actorId }, notBefore)
    yield* record(transaction, 'actor.cut_off', by.actor, { actor: actorId, not_before: notBefore })
    yield* tell(transaction, { kind: 'actor', actor: actorId, issuedBefore: notBefore }, aboutOf(by))
    return { outcome: 'cut_off', notBefore }
  },
  // An actor may be anybody, so there is no row of its own: whoever issues anything shares this one.
  locks: (): readonly Lock[] => [{ table: 'issuer_state', key: '1', mode: 'update' }],
})

export interface CutOffAll extends Taking {
  /** The instant (epoch seconds), not in the future; absent: everything up to now. */
  readonly before?: number | undefined
}

export type CutOffAllOutcome =
  | { readonly outcome: 'cut_off'; readonly notBefore: number }
  | { readonly outcome: 'in_the_future' | 'cut_off_before' }

/** Ends everything that was issued before an instant, whoever's it is, sign-ins too. */
export const cutOffAll = defineVerb({
  kind: 'change',
  urgent: true,
  *run(transaction, { before, ...by }: CutOffAll): Verb<CutOffAllOutcome> {
    if (before !== undefined && before > transaction.now) return { outcome: 'in_the_future' }
    const notBefore = before ?? (yield* cutOff(transaction, { kind: 'all' }))
    // A cut-off never goes back.
    if (notBefore <= transaction.notBefore) return { outcome: 'cut_off_before' }
    yield* run('UPDATE issuer_state SET not_before = $1 WHERE id = 1', notBefore)
    transaction.notBefore = notBefore
    yield* record(transaction, 'issuer.cut_off', by.actor, { not_before: notBefore })
    yield* tell(transaction, { kind: 'all', issuedBefore: notBefore }, aboutOf(by))
    return { outcome: 'cut_off', notBefore }
  },
  locks: (): readonly Lock[] => [{ table: 'issuer_state', key: '1', mode: 'update' }],
})

/** What a grant allows has changed: its access tokens from before are dead, its refresh token gives right ones (CAEP). */
export const cutOffClaims = defineVerb({
  kind: 'change',
  *run(transaction, { grantId, ...by }: Taking & { readonly grantId: string }): Verb<CutOffOutcome> {
    const row = yield* first(
      'SELECT client_id, user_id, not_before FROM grants WHERE id = $1 AND ended_at IS NULL',
      grantId,
    )
    if (row === undefined) return { outcome: 'unknown' }
    const [clientId, userId] = [text(row, 'client_id'), text(row, 'user_id')]
    const before = integer(row, 'not_before')
    const notBefore = yield* cutOff(transaction, { kind: 'grant', clientId, userId, before })
    yield* run('UPDATE grants SET not_before = $1 WHERE id = $2', notBefore, grantId)
    yield* record(transaction, 'grant.cut_off', by.actor, { grant: grantId, not_before: notBefore })
    const entry = { kind: 'claims', grantId, userId, clientId, issuedBefore: notBefore } as const
    yield* tell(transaction, entry, { ...aboutOf(by), reason: by.reason ?? 'claims_changed' })
    return { outcome: 'cut_off', notBefore }
  },
  locks: ({ grantId }) => [{ table: 'grants', key: grantId, mode: 'update' }],
})

function aboutOf({ reason = 'revoked', initiator }: Taking): Parameters<typeof tell>[2] {
  return { reason, initiator }
}
