import { record } from '../audit-record.ts'
import {
  defineVerb,
  integer,
  type Lock,
  optionalInteger,
  optionalText,
  type Row,
  run,
  text,
  type Verb,
} from '../transaction.ts'

/** What a key is for. No key serves two purposes. */
export type KeyPurpose = 'signing' | 'refresh' | 'receipt' | 'form'

/** A key as the database has it: sealed. */
export interface SealedKey {
  readonly id: string
  readonly purpose: KeyPurpose
  readonly algorithm: string
  /** Public JWK as JSON; signing keys only. */
  readonly publicJwk: string | undefined
  /** base64url; opens with the key-encryption key, for this id and purpose. */
  readonly sealed: string
  readonly createdAt: number
  /** From then on it signs; before, it is only published (epoch seconds). */
  readonly activeAt: number
  /** From then on it neither signs nor verifies. */
  readonly retiredAt: number | undefined
  /** When the row may go. */
  readonly expiresAt: number | undefined
}

const keyColumns = 'id, purpose, algorithm, public_jwk, sealed, created_at, active_at, retired_at, expires_at'

function keyOfRow(row: Row): SealedKey {
  return {
    id: text(row, 'id'),
    purpose: text(row, 'purpose') as KeyPurpose,
    algorithm: text(row, 'algorithm'),
    publicJwk: optionalText(row, 'public_jwk'),
    sealed: text(row, 'sealed'),
    createdAt: integer(row, 'created_at'),
    activeAt: integer(row, 'active_at'),
    retiredAt: optionalInteger(row, 'retired_at'),
    expiresAt: optionalInteger(row, 'expires_at'),
  }
}

export const listKeys = defineVerb({
  kind: 'read',
  *run(_moment, _all: undefined): Verb<readonly SealedKey[]> {
    const { rows } = yield* run(`SELECT ${keyColumns} FROM keys ORDER BY active_at, id LIMIT 1000`)
    return rows.map(keyOfRow)
  },
})

/** A key to add, times relative to the store's clock. */
export interface NewKey {
  readonly id: string
  readonly purpose: KeyPurpose
  readonly algorithm: string
  readonly publicJwk?: string | undefined
  readonly sealed: string
  readonly activeInSeconds: number
  readonly expiresInSeconds?: number | undefined
}

export interface KeyAddition {
  readonly key: NewKey
  /**
   * Adds it only while no key of its purpose and algorithm was made later than this, so that of two nodes that both find a key
   * missing or old one adds it (epoch seconds; 0 = only if there is none). `undefined` adds it in any case.
   */
  readonly onlyIfNoneSince: number | undefined
  readonly actor: string
}

export const addKey = defineVerb({
  kind: 'change',
  *run(transaction, { key, onlyIfNoneSince, actor }: KeyAddition): Verb<{ readonly outcome: 'added' | 'present' }> {
    if (onlyIfNoneSince !== undefined) {
      const { rows } = yield* run(
        'SELECT id FROM keys WHERE purpose = $1 AND algorithm = $2 AND created_at > $3 LIMIT 1',
        key.purpose,
        key.algorithm,
        onlyIfNoneSince === 0 ? -1 : onlyIfNoneSince,
      )
      if (rows.length > 0) return { outcome: 'present' }
    }
    yield* run(
      `INSERT INTO keys (${keyColumns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      key.id,
      key.purpose,
      key.algorithm,
      key.publicJwk ?? null,
      key.sealed,
      transaction.now,
      transaction.now + key.activeInSeconds,
      null,
      key.expiresInSeconds === undefined ? null : transaction.now + key.expiresInSeconds,
    )
    yield* record(transaction, 'key.created', actor, { key: key.id, purpose: key.purpose, algorithm: key.algorithm })
    return { outcome: 'added' }
  },
  locks: (): readonly Lock[] => [{ table: 'leases', key: 'keys', mode: 'update' }],
})

/** Retires the signing keys of an algorithm that others have replaced, after the last token they signed has expired. */
export const retireKey = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { id, actor }: { readonly id: string; readonly actor: string },
  ): Verb<{ readonly outcome: 'retired' | 'unknown' }> {
    const { changes } = yield* run(
      'UPDATE keys SET retired_at = $1 WHERE id = $2 AND retired_at IS NULL',
      transaction.now,
      id,
    )
    if (changes === 0) return { outcome: 'unknown' }
    yield* record(transaction, 'key.retired', actor, { key: id })
    return { outcome: 'retired' }
  },
  locks: (): readonly Lock[] => [{ table: 'leases', key: 'keys', mode: 'update' }],
})
