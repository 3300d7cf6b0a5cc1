import { record, recordEach } from '../audit-record.ts'
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
  'id, client_id, user_id, scope, resources, authenticated_at, issued_at, not_before, generation, token_hash, salt, rotated_ms, idle_expires_at, absolute_expires_at, ended_at, acr'

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

/** Lists are kept as words separated by spaces: neither scopes nor identifiers can hold one. */
export function words(list: string): readonly string[] {
  return list === '' ? [] : list.split(' ')
}

/** Ends one grant, once; an ended one keeps its first reason. Returns whether this call did it. */
export function* endGrant(transaction: Transaction, grantId: string, reason: GrantEnd, actor: string): Verb<boolean> {
  const { changes } = yield* run(
    'UPDATE grants SET ended_at = $1, ended_reason = $2 WHERE id = $3 AND ended_at IS NULL',
    transaction.now,
    reason,
    grantId,
  )
  if (changes === 1) yield* record(transaction, 'grant.ended', actor, { grant: grantId, reason })
  return changes === 1
}

/** Ends every live grant of a client, or of a user at one client. */
export function* endGrantsOf(
  transaction: Transaction,
  whose: { readonly clientId: string; readonly userId?: string },
  reason: GrantEnd,
  actor: string,
): Verb<number> {
  const end = 'UPDATE grants SET ended_at = $1, ended_reason = $2 WHERE client_id = $3 AND ended_at IS NULL'
  const ending = [transaction.now, reason, whose.clientId] as const
  const { rows } =
    whose.userId === undefined
      ? yield* run(`${end} RETURNING id`, ...ending)
      : yield* run(`${end} AND user_id = $4 RETURNING id`, ...ending, whose.userId)
  yield* recordEach(
    transaction,
    'grant.ended',
    actor,
    rows.map((row) => ({ grant: text(row, 'id'), reason })),
  )
  return rows.length
}

/** The principals of a grant as one transaction sees them, or `undefined` where one is disabled, deleted or cut off. */
export interface Principals {
  /** The latest cut-off of all that the grant depends on. */
  readonly notBefore: number
  /** The user's own. */
  readonly userNotBefore: number
}

/** Whether what was made at `issuedAt` for this user and client still holds (PROTOCOL §1, A7). */
export function* livePrincipals(
  transaction: { readonly notBefore: number },
  clientId: string,
  userId: string,
  issuedAt: number,
): Verb<Principals | undefined> {
  const row = yield* first(
    `SELECT c.not_before AS client_not_before, u.not_before AS user_not_before FROM clients c, users u
     WHERE c.id = $1 AND u.id = $2 AND c.disabled_at IS NULL AND u.disabled_at IS NULL`,
    clientId,
    userId,
  )
  if (row === undefined) return undefined
  const userNotBefore = integer(row, 'user_not_before')
  const notBefore = Math.max(transaction.notBefore, integer(row, 'client_not_before'), userNotBefore)
  return issuedAt < notBefore ? undefined : { notBefore, userNotBefore }
}
