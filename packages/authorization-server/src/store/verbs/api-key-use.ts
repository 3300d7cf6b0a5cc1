import { missingScopes } from '@arctos/core'
import { judgeKey, type KeyProblem, keyColumns, type LiveKey, secretTables } from '../api-key.ts'
import { defineVerb, first, type Lock, optionalText, type Row, text, type Verb } from '../transaction.ts'
import { type IssuedAccess, issueAccess } from './access.ts'

const presentedKey = `SELECT ${keyColumns}, s.expires_at AS secret_expires_at FROM ${secretTables} WHERE s.hash = $1`

/** Whose key a secret is, dead or alive. */
export interface KeyOfSecret {
  readonly keyId: string
  readonly clientId: string
  readonly userId: string | undefined
}

/** Finds the key of a secret by its SHA-256. */
export const findApiKey = defineVerb({
  kind: 'read',
  *run(_moment, secretHash: string): Verb<KeyOfSecret | undefined> {
    const row = yield* first(
      'SELECT k.id, k.client_id, k.user_id FROM api_key_secrets s JOIN api_keys k ON k.id = s.key_id WHERE s.hash = $1',
      secretHash,
    )
    return row && { keyId: text(row, 'id'), clientId: text(row, 'client_id'), userId: optionalText(row, 'user_id') }
  },
})

/** The live key of a secret. RFC 7662 §2.2 */
export const introspectApiKey = defineVerb({
  kind: 'read',
  *run(moment, secretHash: string): Verb<LiveKey | undefined> {
    const row = yield* first(presentedKey, secretHash)
    const judged = row && judgeKey(row, moment.now)
    return judged === undefined || 'problem' in judged ? undefined : judged
  },
})

export interface KeyExchange extends KeyOfSecret {
  readonly secretHash: string
  /** Resources and scopes asked for; empty or absent: those of the key. */
  readonly resourceKeys: readonly string[]
  readonly scopes: readonly string[] | undefined
  /** Longest life of what is given. */
  readonly lifetimeSeconds: number
}

export type KeyExchangeRefused =
  | { readonly outcome: 'unknown' | 'resource_exceeds_key' | KeyProblem }
  | { readonly outcome: 'scope_exceeds_key'; readonly missing: string }

export type ExchangeApiKeyOutcome =
  | { readonly outcome: 'issued'; readonly access: IssuedAccess; readonly scopes: readonly string[] }
  | KeyExchangeRefused

/**
 * A short access token for a key, which never goes beyond it: its resource, scopes of it, no life after it (RFC 8693 §2.2.1,
 * DESIGN §6). It carries the key's id as `grant_id`, and ends with it. The rows that a revocation would change are held
 * meanwhile, so what is given after a revocation was acknowledged is nothing.
 */
export const exchangeApiKey = defineVerb({
  kind: 'change',
  *run(transaction, exchange: KeyExchange): Verb<ExchangeApiKeyOutcome> {
    const row: Row | undefined = yield* first(presentedKey, exchange.secretHash)
    if (row === undefined || row['id'] !== exchange.keyId) return { outcome: 'unknown' }
    const judged = judgeKey(row, transaction.now)
    if ('problem' in judged) return { outcome: judged.problem }
    const { key, resource, scopes, expiresAt, notBefore } = judged
    if (exchange.resourceKeys.some((each) => each !== resource.key)) return { outcome: 'resource_exceeds_key' }
    const missing = missingScopes(exchange.scopes ?? [], scopes)
    if (missing.length > 0) return { outcome: 'scope_exceeds_key', missing: missing.join(' ') }
    const granted = exchange.scopes ?? scopes
    const access = yield* issueAccess(transaction, {
      clientId: key.clientId,
      subject: key.userId ?? key.clientId,
      grantId: key.id,
      resources: [resource],
      scopes: granted,
      notBefore,
      expiresBy: Math.min(expiresAt ?? Number.POSITIVE_INFINITY, transaction.now + exchange.lifetimeSeconds),
    })
    return { outcome: 'issued', access, scopes: granted }
  },
  locks: ({ keyId, clientId, userId }): readonly Lock[] => [
    { table: 'issuer_state', key: '1', mode: 'share' },
    { table: 'clients', key: clientId, mode: 'share' },
    ...(userId === undefined ? [] : [{ table: 'users', key: userId, mode: 'share' } as const]),
    { table: 'api_keys', key: keyId, mode: 'share' },
  ],
})
