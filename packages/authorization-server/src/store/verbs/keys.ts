import { record } from '../audit-record.ts'
import { tell } from '../revocation-entry.ts'
import {
  defineVerb,
  first,
  integer,
  type Lock,
  optionalInteger,
  optionalText,
  type Row,
  run,
  type Transaction,
  text,
  type Verb,
} from '../transaction.ts'

/** What a key is for. No key serves two purposes. */
export type KeyPurpose = 'signing' | 'refresh' | 'receipt' | 'form' | 'shared_secret' | 'events'

/** A key as the database has it: sealed. */
export interface SealedKey {
  readonly id: string
  readonly purpose: KeyPurpose
  readonly algorithm: string
  /** Public JWK as JSON; signing and event keys only. */
  readonly publicJwk: string | undefined
  /** The resource that knows it; shared secrets only. */
  readonly resourceKey: string | undefined
  /** base64url; opens with the key-encryption key, for this id and purpose. */
  readonly sealed: string
  readonly createdAt: number
  /** From then on it signs; before, it is only published (epoch seconds). */
  readonly activeAt: number
  /** From then on it neither signs nor verifies. */
  readonly retiredAt: number | undefined
  /** When the row may go. */
  readonly expiresAt: number | undefined
  /** Seconds since it was made, by the store's clock, which alone says what is due. */
  readonly ageSeconds: number
  /** Seconds for which it has signed, by the same clock; negative before. */
  readonly activeForSeconds: number
}

const keyColumns =
  'id, purpose, algorithm, public_jwk, resource_key, sealed, created_at, active_at, retired_at, expires_at'

function keyOfRow(row: Row, now: number): SealedKey {
  return {
    id: text(row, 'id'),
    purpose: text(row, 'purpose') as KeyPurpose,
    algorithm: text(row, 'algorithm'),
    publicJwk: optionalText(row, 'public_jwk'),
    resourceKey: optionalText(row, 'resource_key'),
    sealed: text(row, 'sealed'),
    createdAt: integer(row, 'created_at'),
    activeAt: integer(row, 'active_at'),
    retiredAt: optionalInteger(row, 'retired_at'),
    expiresAt: optionalInteger(row, 'expires_at'),
    ageSeconds: now - integer(row, 'created_at'),
    activeForSeconds: now - integer(row, 'active_at'),
  }
}

/** All keys, in the order of the time from which they are used. */
export const listKeys = defineVerb({
  kind: 'read',
  *run(moment, _all: undefined): Verb<readonly SealedKey[]> {
    // Without a limit: one would hide the newest. Rotation and purging keep them few.
    const { rows } = yield* run(`SELECT ${keyColumns} FROM keys ORDER BY active_at, id`)
    return rows.map((row) => keyOfRow(row, moment.now))
  },
})

/** A key to add, times relative to the store's clock. */
export interface NewKey {
  readonly id: string
  readonly purpose: KeyPurpose
  readonly algorithm: string
  readonly publicJwk?: string | undefined
  readonly resourceKey?: string | undefined
  readonly sealed: string
  readonly activeInSeconds: number
  readonly expiresInSeconds?: number | undefined
}

export interface KeyAddition {
  readonly key: NewKey
  /**
   * Adds it only when every key of its purpose and algorithm is retired or older than this by the store's clock, so that of many
   * nodes that find a key missing or old one adds it (seconds; infinite = only if there is none). `undefined` adds it in any case.
   */
  readonly onlyIfOlderThanSeconds: number | undefined
  readonly actor: string
}

export const addKey = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { key, onlyIfOlderThanSeconds, actor }: KeyAddition,
  ): Verb<{ readonly outcome: 'added' | 'present' }> {
    if (onlyIfOlderThanSeconds !== undefined) {
      const { rows } = yield* run(
        `SELECT id FROM keys WHERE purpose = $1 AND algorithm = $2 AND retired_at IS NULL AND created_at >= $3 LIMIT 1`,
        key.purpose,
        key.algorithm,
        Math.max(0, transaction.now - onlyIfOlderThanSeconds),
      )
      if (rows.length > 0) return { outcome: 'present' }
    }
    yield* insertKey(transaction, key, actor)
    return { outcome: 'added' }
  },
  locks: (): readonly Lock[] => [{ table: 'leases', key: 'keys', mode: 'update' }],
})

/** Adds a key as part of a larger change. */
export function* insertKey(transaction: Transaction, key: NewKey, actor: string): Verb<void> {
  yield* run(
    `INSERT INTO keys (${keyColumns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    key.id,
    key.purpose,
    key.algorithm,
    key.publicJwk ?? null,
    key.resourceKey ?? null,
    key.sealed,
    transaction.now,
    transaction.now + key.activeInSeconds,
    null,
    key.expiresInSeconds === undefined ? null : transaction.now + key.expiresInSeconds,
  )
  yield* record(transaction, 'key.created', actor, { key: key.id, purpose: key.purpose, algorithm: key.algorithm })
}

export interface KeyRetirement {
  readonly id: string
  readonly actor: string
  /**
   * Retires it only when another key of its algorithm, which signs from a later time on, has signed for longer than this by the
   * store's clock (seconds). Absent: at once, by the word of an operator, unless no other key signs.
   */
  readonly ifReplacedForSeconds?: number
}

/** A retired key stays in the list this long, for whoever asks what became of it. */
const retiredSeconds = 90 * 86_400

/**
 * Retires a signing key, or a shared secret by the word of an operator: from now on it neither signs nor verifies, and tokens that
 * it signed are dead. `last` when no other key signs (for the same resource), or none has replaced it for long enough; `unknown`
 * when there is no such key, or it is retired already.
 */
export const retireKey = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { id, actor, ifReplacedForSeconds }: KeyRetirement,
  ): Verb<{ readonly outcome: 'retired' | 'unknown' | 'last' }> {
    const key = yield* first(
      `SELECT purpose, resource_key, algorithm, active_at FROM keys
       WHERE id = $1 AND purpose IN ('signing', 'shared_secret', 'events') AND retired_at IS NULL`,
      id,
    )
    if (key === undefined) return { outcome: 'unknown' }
    const resource = optionalText(key, 'resource_key')
    const signing = `purpose = '${text(key, 'purpose')}' AND retired_at IS NULL`
    const other =
      ifReplacedForSeconds === undefined
        ? yield* first(
            `SELECT id FROM keys WHERE id <> $1 AND ${signing} AND active_at <= $2 AND COALESCE(resource_key, '') = $3 LIMIT 1`,
            id,
            transaction.now,
            resource ?? '',
          )
        : yield* first(
            `SELECT id FROM keys WHERE algorithm = $1 AND ${signing} AND active_at > $2 AND active_at < $3 LIMIT 1`,
            text(key, 'algorithm'),
            integer(key, 'active_at'),
            transaction.now - ifReplacedForSeconds,
          )
    if (other === undefined) return { outcome: 'last' }
    yield* run(
      'UPDATE keys SET retired_at = $1, expires_at = $2 WHERE id = $3',
      transaction.now,
      transaction.now + retiredSeconds,
      id,
    )
    yield* record(transaction, 'key.retired', actor, { key: id })
    // Where a newer one has replaced it for long enough, nothing is left that it signed, and nobody needs to be told.
    if (ifReplacedForSeconds === undefined) {
      const about = {
        reason: 'revoked',
        initiator: 'admin',
        resources: resource === undefined ? undefined : [resource],
      } as const
      yield* tell(transaction, { kind: 'key', kid: id }, about)
    }
    return { outcome: 'retired' }
  },
  locks: (): readonly Lock[] => [{ table: 'leases', key: 'keys', mode: 'update' }],
})
