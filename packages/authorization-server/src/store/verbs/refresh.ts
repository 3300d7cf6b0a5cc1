import { missingScopes, sha256Base64url } from '@arctos/core'
import type { RegisteredResource } from '../registered-resource.ts'
import { defineVerb, first, integer, run, type Transaction, type Verb } from '../transaction.ts'
import { type IssuedAccess, issueAccess, selectResources } from './access.ts'
import { endGrant, type Grant, grantColumns, grantOfRow, livePrincipals, type RefreshFamily } from './grants.ts'
import { type Spending, spend } from './spent.ts'

/** A refresh token that is proven to be one of ours, of some generation (PROTOCOL §2, A3 is behind it). */
export interface Presented {
  readonly grantId: string
  readonly generation: number
  readonly secret: Buffer
}

export interface Rotation {
  readonly presented: Presented
  readonly clientId: string
  /** How long after a rotation the predecessor may be retried; `undefined`: until the successor is used. */
  readonly retryWindowMs: number | undefined
  /** `false` for a client whose refresh tokens stay the same (profile fapi2, PROTOCOL §2, A13). */
  readonly rotates?: boolean | undefined
  /** Resources and scopes asked for; empty or absent: all that was granted. */
  readonly resourceKeys: readonly string[]
  readonly scopes: readonly string[] | undefined
  /** The family ends when this many generations running were retried; absent: never. */
  readonly replayStreakLimit?: number | undefined
  readonly assertion: Spending | undefined
  readonly idleSeconds: number
  /** The secret of the next generation, from the presented one and a salt. */
  readonly derive: (presented: Presented, salt: Buffer) => Buffer
}

/** Why a refresh token gave nothing. */
export type RotationRefused =
  | {
      readonly outcome:
        | 'assertion_replayed'
        | 'unknown'
        | 'foreign'
        | 'ended'
        | 'principal_disabled'
        | 'rolled_back'
        | 'resource_exceeds_grant'
    }
  | { readonly outcome: 'expired'; readonly expiredAt: number }
  | {
      readonly outcome: 'forked' | 'reused'
      readonly grantId: string
      readonly presentedGeneration: number
      readonly generation: number
    }
  | { readonly outcome: 'scope_exceeds_grant'; readonly missing: string }

export interface Rotated {
  /** `replayed`: a retry, which got the successor that there already was. `kept`: the client does not rotate. */
  readonly outcome: 'rotated' | 'replayed' | 'kept'
  readonly access: IssuedAccess
  readonly scopes: readonly string[]
  readonly successor: Presented
  /** Generations running that were retried, told with the first retry of each; else 0. */
  readonly replayStreak: number
}

export type RotateRefreshOutcome = Rotated | RotationRefused

/**
 * The state machine of PROTOCOL §2, rows A4 to A15, top to bottom. The UPDATE decides between two that arrive at once: the
 * loser's generation no longer fits, it is classified anew and is handed the winner's successor.
 */
export const rotateRefresh = defineVerb({
  kind: 'change',
  *run(transaction, rotation: Rotation): Verb<RotateRefreshOutcome> {
    const { presented, clientId } = rotation
    let spent = false
    for (;;) {
      const row = yield* first(`SELECT ${grantColumns} FROM grants WHERE id = $1`, presented.grantId)
      const grant = row && grantOfRow(row)
      if (grant?.family === undefined) return { outcome: 'unknown' } // A4
      if (grant.clientId !== clientId) return { outcome: 'foreign' } // A4
      if (!spent && !(yield* spend(transaction, rotation.assertion))) return { outcome: 'assertion_replayed' } // A6
      spent = true
      const notBefore = yield* liveUntilNow(transaction, grant) // A7
      if (typeof notBefore === 'object') return notBefore

      const place = placeInFamily(transaction, grant.family, rotation)
      if (place === 'rolled_back') return { outcome: 'rolled_back' } // A8
      if (place === 'forked' || place === 'reused') return yield* endForTheft(transaction, grant, rotation, place)

      const narrowed = yield* narrow(grant, rotation) // A12
      if (narrowed.resources === undefined) return narrowed.refused
      const replayStreak = place === 'retry' ? yield* countReplay(grant.id, grant.family.generation) : 0
      if (replayStreak >= (rotation.replayStreakLimit ?? Number.POSITIVE_INFINITY))
        return yield* endForTheft(transaction, grant, rotation, 'reused')
      const successor = yield* advance(transaction, grant, grant.family, rotation, place)
      // Another transaction moved the family since we read it: look again. Unreachable while the row is locked.
      if (successor === undefined) continue
      const access = yield* issueAccess(transaction, {
        clientId,
        subject: grant.userId,
        grantId: grant.id,
        authenticatedAt: grant.authenticatedAt,
        acr: grant.acr,
        status: grant.status,
        resources: narrowed.resources,
        scopes: narrowed.scopes,
        notBefore: Math.max(notBefore, grant.notBefore),
      })
      const outcome =
        place === 'retry' ? 'replayed' : successor.generation === presented.generation ? 'kept' : 'rotated'
      return { outcome, access, scopes: narrowed.scopes, successor, replayStreak }
    }
  },
  locks: ({ presented, clientId }) => [
    { table: 'issuer_state', key: '1', mode: 'share' },
    { table: 'grants', key: presented.grantId, mode: 'update' },
    { table: 'clients', key: clientId, mode: 'share' },
    { table: 'users', key: presented.grantId, owns: 'grants', mode: 'share' },
  ],
})

/** Use of a token that stays the same is written down at most once in this time (A13). */
const restNoticeSeconds = 60

type Place = 'live' | 'retry' | 'rolled_back' | 'forked' | 'reused'

/** Where a presented token stands in its family (A8 to A11, A14, A15). */
function placeInFamily(transaction: Transaction, family: RefreshFamily, rotation: Rotation): Place {
  const { presented } = rotation
  const behind = family.generation - presented.generation
  if (behind < 0) return 'rolled_back' // A8
  if (behind === 0) return sha256Base64url(presented.secret) === family.tokenHash ? 'live' : 'forked' // A9, A14
  if (behind > 1) return 'reused' // A10
  const salt = Buffer.from(family.salt ?? '', 'base64url')
  if (sha256Base64url(rotation.derive(presented, salt)) !== family.tokenHash) return 'forked' // A9
  const { retryWindowMs } = rotation
  const inside = retryWindowMs === undefined || transaction.nowMs - family.rotatedMs < retryWindowMs
  return inside ? 'retry' : 'reused' // A15, A11
}

/** A7: the later of all cut-offs while the grant lives, else why it does not. */
function* liveUntilNow(transaction: Transaction, grant: Grant): Verb<number | RotateRefreshOutcome> {
  if (grant.endedAt !== undefined) return { outcome: 'ended' }
  const expiresAt = Math.min(grant.idleExpiresAt, grant.absoluteExpiresAt)
  if (expiresAt <= transaction.now) {
    yield* endGrant(transaction, grant.id, 'expired', 'server')
    return { outcome: 'expired', expiredAt: expiresAt }
  }
  const principals = yield* livePrincipals(transaction, grant.clientId, grant.userId, grant.issuedAt)
  if (principals !== undefined) return principals.notBefore
  yield* endGrant(transaction, grant.id, 'disabled', 'server')
  return { outcome: 'principal_disabled' }
}

function* endForTheft(
  transaction: Transaction,
  grant: Grant,
  rotation: Rotation,
  outcome: 'forked' | 'reused',
): Verb<RotateRefreshOutcome> {
  yield* endGrant(transaction, grant.id, outcome === 'forked' ? 'fork' : 'reuse', grant.clientId)
  return {
    outcome,
    grantId: grant.id,
    presentedGeneration: rotation.presented.generation,
    generation: grant.family?.generation ?? 0,
  }
}

/** Counts a retry (A15), once a generation. Returns the streak with the first retry of a generation, else 0. */
function* countReplay(grantId: string, generation: number): Verb<number> {
  const row = yield* first(
    `UPDATE grants SET replay_streak = CASE WHEN replay_generation = $1 - 1 THEN replay_streak + 1 ELSE 1 END, replay_generation = $1
     WHERE id = $2 AND replay_generation < $1 RETURNING replay_streak`,
    generation,
    grantId,
  )
  return row === undefined ? 0 : integer(row, 'replay_streak')
}

type Narrowed =
  | { readonly resources: readonly RegisteredResource[]; readonly scopes: readonly string[] }
  | { readonly resources: undefined; readonly refused: RotateRefreshOutcome }

/** A12: asked for no more than was granted. A narrower access token never changes the grant. RFC 6749 §6, RFC 8707 §2.2 */
function* narrow(grant: Grant, rotation: Rotation): Verb<Narrowed> {
  const missing = missingScopes(rotation.scopes ?? [], grant.scopes)
  if (missing.length > 0)
    return { resources: undefined, refused: { outcome: 'scope_exceeds_grant', missing: missing.join(' ') } }
  const keys = rotation.resourceKeys.length === 0 ? grant.resourceKeys : rotation.resourceKeys
  const resources = yield* selectResources(keys, grant.resourceKeys)
  if (resources === undefined) return { resources: undefined, refused: { outcome: 'resource_exceeds_grant' } }
  return { resources, scopes: rotation.scopes ?? grant.scopes }
}

/**
 * The successor: the one that the row already knows for a retry (A15), the presented token itself for a client that does not
 * rotate (A13), else a new generation (A14).
 */
function* advance(
  transaction: Transaction,
  grant: Grant,
  family: RefreshFamily,
  rotation: Rotation,
  place: 'live' | 'retry',
): Verb<Presented | undefined> {
  const { presented, derive } = rotation
  const generation = presented.generation + 1
  if (place === 'retry') {
    const salt = Buffer.from(family.salt ?? '', 'base64url')
    return { grantId: grant.id, generation, secret: derive(presented, salt) }
  }
  const idleExpiresAt = transaction.now + rotation.idleSeconds
  if (rotation.rotates === false) {
    if (idleExpiresAt >= grant.idleExpiresAt + restNoticeSeconds)
      yield* run('UPDATE grants SET idle_expires_at = $1 WHERE id = $2', idleExpiresAt, grant.id)
    return presented
  }
  const salt = transaction.random(16)
  const secret = derive(presented, salt)
  const { changes } = yield* run(
    `UPDATE grants SET generation = $1, token_hash = $2, salt = $3, rotated_ms = $4, idle_expires_at = $5
     WHERE id = $6 AND generation = $7 AND token_hash = $8 AND ended_at IS NULL`,
    generation,
    sha256Base64url(secret),
    salt.toString('base64url'),
    transaction.nowMs,
    // The absolute limit is never extended (RFC 9700 §4.14.2).
    idleExpiresAt,
    grant.id,
    presented.generation,
    family.tokenHash,
  )
  return changes === 1 ? { grantId: grant.id, generation, secret } : undefined
}
