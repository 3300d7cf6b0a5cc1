import { clientOfRow, type RegisteredClient } from './registered-client.ts'
import { type RegisteredResource, resourceOfRow } from './registered-resource.ts'
import { integer, optionalInteger, optionalText, type Row, text } from './transaction.ts'
import { words } from './verbs/grants.ts'

/** An API key of a service, or a personal access token of a user. */
export interface ApiKey {
  /** A grant id: tokens that are given for the key carry it. */
  readonly id: string
  readonly name: string
  readonly clientId: string
  /** Absent: the key is the client's own. */
  readonly userId: string | undefined
  readonly resourceKey: string
  /** As it was made; what it may do now can be less, see {@link effectiveScopes}. */
  readonly scopes: readonly string[]
  readonly issuedAt: number
  /** Absent: never, which somebody asked for. */
  readonly expiresAt: number | undefined
  readonly endedAt: number | undefined
}

/** Everything that a decision about a key depends on, in one question. */
export const keyColumns = `k.id, k.name, k.client_id, k.user_id, k.resource_key, k.scope, k.issued_at, k.not_before, k.expires_at,
  k.ended_at, c.version AS client_version, c.settings AS client_settings, c.secrets AS client_secrets,
  c.not_before AS client_not_before, c.disabled_at AS client_disabled_at, c.created_at AS client_created_at,
  u.username, u.not_before AS user_not_before, u.disabled_at AS user_disabled_at,
  r.version AS resource_version, r.settings AS resource_settings, r.created_at AS resource_created_at,
  i.not_before AS all_not_before,
  (SELECT p.not_before FROM cut_offs p WHERE p.kind = 'pair' AND p.subject = k.user_id AND p.client_id = k.client_id)
    AS pair_not_before`

const owners = `JOIN issuer_state i ON i.id = 1 LEFT JOIN clients c ON c.id = k.client_id
  LEFT JOIN users u ON u.id = k.user_id LEFT JOIN resources r ON r.resource_key = k.resource_key`

/** Keys by themselves, and keys by their secrets. */
export const keyTables = `api_keys k ${owners}`
export const secretTables = `api_key_secrets s JOIN api_keys k ON k.id = s.key_id ${owners}`

export function keyOfRow(row: Row): ApiKey {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    clientId: text(row, 'client_id'),
    userId: optionalText(row, 'user_id'),
    resourceKey: text(row, 'resource_key'),
    scopes: words(text(row, 'scope')),
    issuedAt: integer(row, 'issued_at'),
    expiresAt: optionalInteger(row, 'expires_at'),
    endedAt: optionalInteger(row, 'ended_at'),
  }
}

/** Why a key is good for nothing now. */
export type KeyProblem = 'ended' | 'expired' | 'principal_disabled' | 'resource_unknown'

/** A key that is good now. */
export interface LiveKey {
  readonly key: ApiKey
  readonly resource: RegisteredResource
  /** What it may do now. */
  readonly scopes: readonly string[]
  /** When the presented secret or the key ends, whichever is first; absent: never. */
  readonly expiresAt: number | undefined
  /** The latest cut-off of all that it depends on: what is issued for it is issued no earlier. */
  readonly notBefore: number
}

/**
 * Judges a key: whether it ended or expired, whether its client and its user are there, enabled and not cut off since it was made,
 * and what it may still do. The row is of {@link keyColumns}, and of a secret, as `secret_expires_at`, where one was presented.
 */
export function judgeKey(row: Row, now: number): LiveKey | { readonly problem: KeyProblem } {
  const key = keyOfRow(row)
  if (key.endedAt !== undefined) return { problem: 'ended' }
  const ends = [key.expiresAt, optionalInteger(row, 'secret_expires_at')].filter((end) => end !== undefined)
  const expiresAt = ends.length === 0 ? undefined : Math.min(...ends)
  if (expiresAt !== undefined && expiresAt <= now) return { problem: 'expired' }
  const notBefore = principalsNotBefore(row, key)
  if (notBefore === undefined || key.issuedAt < notBefore) return { problem: 'principal_disabled' }
  if (row['resource_version'] === null) return { problem: 'resource_unknown' }
  const resource = resourceIn(row)
  const scopes = effectiveScopes(key.scopes, resource, clientIn(row))
  return { key, resource, scopes, expiresAt, notBefore: Math.max(notBefore, integer(row, 'not_before')) }
}

/** The latest cut-off of client, user, both together and all; `undefined` where one of them is gone or disabled. */
function principalsNotBefore(row: Row, key: ApiKey): number | undefined {
  if (row['client_version'] === null || row['client_disabled_at'] !== null) return undefined
  const isUserGone = row['user_not_before'] === null || row['user_disabled_at'] !== null
  if (key.userId !== undefined && isUserGone) return undefined
  return Math.max(
    integer(row, 'all_not_before'),
    integer(row, 'client_not_before'),
    optionalInteger(row, 'user_not_before') ?? 0,
    optionalInteger(row, 'pair_not_before') ?? 0,
  )
}

/** Of these scopes those that the resource declares and the client may have now: both may have changed since the key was made. */
export function effectiveScopes(
  scopes: readonly string[],
  resource: RegisteredResource,
  client: RegisteredClient,
): readonly string[] {
  const allowed = client.settings.scopes
  return scopes.filter(
    (word) => Object.hasOwn(resource.scopes, word) && (allowed === undefined || allowed.includes(word)),
  )
}

function clientIn(row: Row): RegisteredClient {
  return clientOfRow(
    unprefixed(row, 'client', ['version', 'settings', 'secrets', 'not_before', 'disabled_at', 'created_at']),
  )
}

function resourceIn(row: Row): RegisteredResource {
  const resource = unprefixed(row, 'resource', ['version', 'settings', 'created_at'])
  return resourceOfRow({ ...resource, resource_key: text(row, 'resource_key') })
}

function unprefixed(row: Row, prefix: string, columns: readonly string[]): Row {
  const values = columns.map((column) => [column, row[`${prefix}_${column}`] ?? null])
  return { ...Object.fromEntries(values), id: row[`${prefix}_id`] ?? null }
}
