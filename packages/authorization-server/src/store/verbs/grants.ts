import { record, recordEach } from '../audit-record.ts'
import { longestAccessSeconds } from '../registered-resource.ts'
import { type Initiator, type ToldEntry, tellEach } from '../revocation-entry.ts'
import {
  first,
  integer,
  optionalInteger,
  optionalText,
  type Row,
  run,
  type Transaction,
  text,
  type Verb,
} from '../transaction.ts'
import { endKey, endKeysOf } from './api-key-end.ts'
import type { StatusPlace } from './status-lists.ts'

/** Why a grant ended; `ended_reason` on its row. */
export type GrantEnd =
  | 'expired'
  | 'disabled'
  | 'reuse'
  | 'fork'
  | 'code_replayed'
  | 'revoked'
  | 'withdrawn'
  | 'client_deleted'
  | 'recovered'
  | 'leaked'

/** A grant on one device, and its refresh family. */
export interface Grant {
  readonly id: string
  readonly clientId: string
  readonly userId: string
  readonly scopes: readonly string[]
  readonly resourceKeys: readonly string[]
  readonly authenticatedAt: number
  /** The class of the sign-in, if that is known. */
  readonly acr: string | undefined
  readonly issuedAt: number
  readonly notBefore: number
  readonly idleExpiresAt: number
  readonly absoluteExpiresAt: number
  readonly endedAt: number | undefined
  /** Where the status of its access tokens stands; absent where it was made without. */
  readonly status: StatusPlace | undefined
  /** Absent when the grant has no refresh token. */
  readonly family: RefreshFamily | undefined
}

export interface RefreshFamily {
  readonly generation: number
  /** SHA-256 of the secret in the live token. */
  readonly tokenHash: string
  /** What that secret was derived with from its predecessor's; absent in generation 0. */
  readonly salt: string | undefined
  readonly rotatedMs: number
}

export const grantColumns =
  'id, client_id, user_id, scope, resources, authenticated_at, issued_at, not_before, generation, token_hash, salt, rotated_ms, idle_expires_at, absolute_expires_at, ended_at, acr, status_list, status_index'

export function grantOfRow(row: Row): Grant {
  const generation = optionalInteger(row, 'generation')
  return {
    id: text(row, 'id'),
    clientId: text(row, 'client_id'),
    userId: text(row, 'user_id'),
    scopes: words(text(row, 'scope')),
    resourceKeys: words(text(row, 'resources')),
    authenticatedAt: integer(row, 'authenticated_at'),
    acr: optionalText(row, 'acr'),
    issuedAt: integer(row, 'issued_at'),
    notBefore: integer(row, 'not_before'),
    idleExpiresAt: integer(row, 'idle_expires_at'),
    absoluteExpiresAt: integer(row, 'absolute_expires_at'),
    endedAt: optionalInteger(row, 'ended_at'),
    status: statusOfRow(row),
    family:
      generation === undefined
        ? undefined
        : {
            generation,
            tokenHash: text(row, 'token_hash'),
            salt: optionalText(row, 'salt'),
            rotatedMs: integer(row, 'rotated_ms'),
          },
  }
}

function statusOfRow(row: Row): StatusPlace | undefined {
  const list = optionalText(row, 'status_list')
  return list === undefined ? undefined : { list, index: integer(row, 'status_index') }
}

/** Lists are kept as words separated by spaces: neither scopes nor identifiers can hold one. */
export function words(list: string): readonly string[] {
  return list === '' ? [] : list.split(' ')
}

/** Who causes an end, unless somebody else did; nobody is told of those that a lapse of time or a cut-off has ended already. */
const initiators: Readonly<Record<GrantEnd, Initiator | 'untold'>> = {
  expired: 'untold',
  disabled: 'untold',
  client_deleted: 'untold',
  recovered: 'untold',
  reuse: 'policy',
  fork: 'policy',
  code_replayed: 'policy',
  leaked: 'policy',
  revoked: 'user',
  withdrawn: 'user',
}

/**
 * A grant may be ended that has not, and one that ended lately without anybody being told: a lapse of time ended it, or a cut-off
 * that was set to an instant before its last refresh, and guards still take what was given for it then.
 */
const endable = (parameter: number): string =>
  `(ended_at IS NULL OR (ended_at > $${parameter} AND ended_reason IN ('expired', 'disabled')))`

/** The parameter of {@link endable}: who tells nobody ends what has not ended. */
function untoldSince({ now }: Transaction, initiator: Initiator | 'untold'): number {
  return initiator === 'untold' ? Number.MAX_SAFE_INTEGER : now - longestAccessSeconds
}

/** Ends one grant, once, and tells of it; one that was told of keeps its first reason. Returns whether this call did it. */
export function* endGrant(
  transaction: Transaction,
  grantId: string,
  reason: GrantEnd,
  actor: string,
  initiator: Initiator | 'untold' = initiators[reason],
): Verb<boolean> {
  const row = yield* first(
    `UPDATE grants SET ended_at = $1, ended_reason = $2 WHERE id = $3 AND ${endable(4)} RETURNING ${toldColumns}`,
    transaction.now,
    reason,
    grantId,
    untoldSince(transaction, initiator),
  )
  // The id of an API key is a grant id, too.
  if (row === undefined) return yield* endKey(transaction, grantId, { reason, actor, initiator })
  yield* record(transaction, 'grant.ended', actor, { grant: grantId, reason })
  yield* tellGrants(transaction, [row], reason, initiator)
  return true
}

/** Ends every live grant and API key of a client, or of a user at one client. */
export function* endGrantsOf(
  transaction: Transaction,
  whose: { readonly clientId: string; readonly userId?: string },
  reason: GrantEnd,
  actor: string,
  initiator: Initiator | 'untold' = initiators[reason],
): Verb<number> {
  const end = `UPDATE grants SET ended_at = $1, ended_reason = $2 WHERE client_id = $3 AND ${endable(4)}`
  const ending = [transaction.now, reason, whose.clientId, untoldSince(transaction, initiator)] as const
  const { rows } =
    whose.userId === undefined
      ? yield* run(`${end} RETURNING ${toldColumns}`, ...ending)
      : yield* run(`${end} AND user_id = $5 RETURNING ${toldColumns}`, ...ending, whose.userId)
  yield* recordEach(
    transaction,
    'grant.ended',
    actor,
    rows.map((row) => ({ grant: text(row, 'id'), reason })),
  )
  yield* tellGrants(transaction, rows, reason, initiator)
  return rows.length + (yield* endKeysOf(transaction, whose, { reason, actor, initiator }))
}

// Only the resources of a grant are told of its end: whoever derives tokens from it for another one has to add that one.
const toldColumns = 'id, user_id, client_id, resources'

function* tellGrants(
  transaction: Transaction,
  rows: readonly Row[],
  reason: GrantEnd,
  initiator: Initiator | 'untold',
): Verb<void> {
  if (initiator === 'untold') return
  const entryOf = (row: Row): ToldEntry => ({
    entry: {
      kind: 'grant',
      grantId: text(row, 'id'),
      userId: text(row, 'user_id'),
      clientId: text(row, 'client_id'),
    },
    resources: words(text(row, 'resources')),
  })
  yield* tellEach(transaction, rows.map(entryOf), { reason, initiator })
}

/** The principals of a grant as one transaction sees them, or `undefined` where one is disabled, deleted or cut off. */
export interface Principals {
  /** The latest cut-off of all that the grant depends on. */
  readonly notBefore: number
  /** That of the user's sign-ins: a session from before it gives nothing any more. */
  readonly signInNotBefore: number
}

/** Whether what was made at `issuedAt` for this user and client still holds (PROTOCOL §1, A7). */
export function* livePrincipals(
  transaction: { readonly notBefore: number },
  clientId: string,
  userId: string,
  issuedAt: number,
): Verb<Principals | undefined> {
  const row = yield* first(
    `SELECT c.not_before AS client_not_before, u.not_before AS user_not_before,
       (SELECT not_before FROM cut_offs WHERE kind = 'pair' AND subject = $2 AND client_id = $1) AS pair_not_before
     FROM clients c, users u WHERE c.id = $1 AND u.id = $2 AND c.disabled_at IS NULL AND u.disabled_at IS NULL`,
    clientId,
    userId,
  )
  if (row === undefined) return undefined
  const signInNotBefore = Math.max(transaction.notBefore, integer(row, 'user_not_before'))
  const pairNotBefore = optionalInteger(row, 'pair_not_before') ?? 0
  const notBefore = Math.max(signInNotBefore, integer(row, 'client_not_before'), pairNotBefore)
  return issuedAt < notBefore ? undefined : { notBefore, signInNotBefore }
}
