import { type ApiKey, effectiveScopes, judgeKey, keyColumns, keyOfRow, keyTables } from '../api-key.ts'
import { record } from '../audit-record.ts'
import { newId } from '../identifiers.ts'
import { clientColumns, clientOfRow, personalTokenClient, type RegisteredClient } from '../registered-client.ts'
import { resourcesOf } from '../registered-resource.ts'
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
import { endedKeySeconds, tellKey } from './api-key-end.ts'
import { secretMark } from './secret-uses.ts'

/** Live keys that one owner may have. */
export const keyLimit = 100
/** A shorter life is a mistake: what is given for the key lives for five minutes. */
export const shortestKeySeconds = 60

/** Whose a key is: a service's own, or a user's personal access token. */
export type KeyOwner =
  | { readonly kind: 'client'; readonly clientId: string }
  | {
      readonly kind: 'user'
      readonly userId: string
      /** When the user signed in who asks for it: a sign-in that a cut-off has ended asks for nothing. */
      readonly signedInAt?: number
    }

export interface NewApiKey {
  readonly owner: KeyOwner
  readonly name: string
  readonly resourceKey: string
  readonly scopes: readonly string[]
  /** SHA-256 of its first secret, base64url. */
  readonly secretHash: string
  readonly lifetimeSeconds: number | 'never'
  readonly actor: string
}

export type CreateApiKeyOutcome =
  | { readonly outcome: 'created'; readonly id: string; readonly expiresAt: number | undefined }
  | { readonly outcome: 'owner_unknown' | 'owner_not_allowed' | 'resource_unknown' | 'scope_missing' | 'too_many' }
  | { readonly outcome: 'scope_not_allowed'; readonly scope: string }

/** Makes a key for one resource. It may do no more than its owner could ask for there. */
export const createApiKey = defineVerb({
  kind: 'change',
  *run(transaction, wanted: NewApiKey): Verb<CreateApiKeyOutcome> {
    const { owner, resourceKey, scopes, lifetimeSeconds, actor } = wanted
    if (lifetimeSeconds !== 'never' && lifetimeSeconds < shortestKeySeconds) throw new RangeError('too short a life')
    const found = yield* findOwner(transaction, owner)
    if (!('client' in found)) return found
    const [resource] = yield* resourcesOf([resourceKey])
    if (resource === undefined) return { outcome: 'resource_unknown' }
    // Without any it could do nothing, and nobody wants that.
    if (scopes.length === 0 && Object.keys(resource.scopes).length > 0) return { outcome: 'scope_missing' }
    const allowed = effectiveScopes(scopes, resource, found.client)
    const excess = scopes.find((word) => !allowed.includes(word))
    if (excess !== undefined) return { outcome: 'scope_not_allowed', scope: excess }
    if ((yield* countLive(transaction, owner)) >= keyLimit) return { outcome: 'too_many' }

    // A base64url id may begin with a dash, and would be an option where a command line names it.
    const id = newId(transaction).replace(/^-/, 'A')
    const expiresAt = lifetimeSeconds === 'never' ? undefined : transaction.now + lifetimeSeconds
    const userId = owner.kind === 'user' ? owner.userId : null
    const keepUntil = expiresAt === undefined ? null : expiresAt + endedKeySeconds
    yield* run(
      `INSERT INTO api_keys (id, name, client_id, user_id, resource_key, scope, issued_at, not_before, expires_at, keep_until)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)`,
      id,
      wanted.name,
      found.client.id,
      userId,
      resource.key,
      [...new Set(scopes)].join(' '),
      Math.max(transaction.now, found.notBefore),
      expiresAt ?? null,
      keepUntil,
    )
    yield* insertSecret(transaction, { keyId: id, hash: wanted.secretHash, keepUntil })
    yield* record(transaction, 'api_key.created', actor, { key: id, client: found.client.id, resource: resource.key })
    const told = { id, client_id: found.client.id, user_id: userId, resource_key: resource.key }
    yield* tellKey(transaction, told, 'create', { reason: 'rotated', initiator: initiatorOf(owner, actor) })
    return { outcome: 'created', id, expiresAt }
  },
  locks: ({ owner }): readonly Lock[] => [
    { table: 'issuer_state', key: '1', mode: 'share' },
    { table: 'clients', key: owner.kind === 'client' ? owner.clientId : personalTokenClient, mode: 'share' },
    // Held alone, so that two at once cannot both be the last one allowed.
    ...(owner.kind === 'user' ? [{ table: 'users', key: owner.userId, mode: 'update' } as const] : []),
  ],
})

interface FoundOwner {
  readonly client: RegisteredClient
  readonly notBefore: number
}

interface OwnerRefused {
  readonly outcome: 'owner_unknown' | 'owner_not_allowed'
}

/** The client of the new key, enabled, with the latest cut-off of all that the key will depend on. */
function* findOwner(transaction: Transaction, owner: KeyOwner): Verb<FoundOwner | OwnerRefused> {
  const clientId = owner.kind === 'client' ? owner.clientId : personalTokenClient
  const [unknown, notAllowed] = [{ outcome: 'owner_unknown' }, { outcome: 'owner_not_allowed' }] as const
  const row = yield* first(`SELECT ${clientColumns} FROM clients WHERE id = $1 AND disabled_at IS NULL`, clientId)
  if (row === undefined) return owner.kind === 'client' ? unknown : notAllowed
  const client = clientOfRow(row)
  const notBefore = Math.max(transaction.notBefore, client.notBefore)
  if (owner.kind === 'client') {
    // Those credentials introspect, and the client of personal tokens has none of its own.
    const isService = client.settings.resourceServerOf === undefined && clientId !== personalTokenClient
    return isService ? { client, notBefore } : notAllowed
  }
  const user = yield* first(
    `SELECT u.not_before, (SELECT p.not_before FROM cut_offs p WHERE p.kind = 'pair' AND p.subject = u.id AND p.client_id = $2)
       AS pair_not_before FROM users u WHERE u.id = $1 AND u.disabled_at IS NULL`,
    owner.userId,
    clientId,
  )
  if (user === undefined) return unknown
  const signInNotBefore = Math.max(transaction.notBefore, integer(user, 'not_before'))
  if (owner.signedInAt !== undefined && owner.signedInAt < signInNotBefore) return unknown
  const cutOffs = [signInNotBefore, optionalInteger(user, 'pair_not_before') ?? 0]
  return { client, notBefore: Math.max(notBefore, ...cutOffs) }
}

function* countLive({ now }: Transaction, owner: KeyOwner): Verb<number> {
  const live =
    'SELECT COUNT(*) AS live FROM api_keys WHERE ended_at IS NULL AND (expires_at IS NULL OR expires_at > $1)'
  const row =
    owner.kind === 'user'
      ? yield* first(`${live} AND user_id = $2`, now, owner.userId)
      : yield* first(`${live} AND client_id = $2 AND user_id IS NULL`, now, owner.clientId)
  return row === undefined ? 0 : integer(row, 'live')
}

/** Whoever has a key of their own made is the user; the operator makes keys for others. */
function initiatorOf(owner: KeyOwner, actor: string): 'user' | 'admin' {
  return owner.kind === 'user' && owner.userId === actor ? 'user' : 'admin'
}

/** Adds the row of a secret. */
export function* insertSecret(
  { now }: Transaction,
  secret: { readonly keyId: string; readonly hash: string; readonly keepUntil: number | null },
): Verb<void> {
  yield* run(
    'INSERT INTO api_key_secrets (hash, key_id, made_at, keep_until) VALUES ($1, $2, $3, $4)',
    secret.hash,
    secret.keyId,
    now,
    secret.keepUntil,
  )
}

export interface ListedSecret {
  readonly mark: string
  readonly madeAt: number
  /** Of this secret by itself; it ends with its key, too. */
  readonly expiresAt: number | undefined
  /** As far as it is written down: a minute behind, at the most. */
  readonly lastUsedAt: number | undefined
}

export interface ListedApiKey extends ApiKey {
  readonly username: string | undefined
  /** `disabled`: its client or user is disabled or was cut off since it was made, or its resource is gone. */
  readonly state: 'active' | 'expired' | 'ended' | 'disabled'
  readonly secrets: readonly ListedSecret[]
  readonly lastUsedAt: number | undefined
}

const listLimit = 1_000

/** Those of an owner, one, or all. */
type WhichKeys = KeyOwner | { readonly kind: 'key'; readonly keyId: string } | undefined

/** Keys, the newest first. Ended and expired ones are there for a month. */
export const listApiKeys = defineVerb({
  kind: 'read',
  *run(moment, which: WhichKeys): Verb<readonly ListedApiKey[]> {
    const [where, values] = whereOf(which)
    const order = `ORDER BY k.issued_at DESC, k.id LIMIT ${listLimit}`
    const { rows } = yield* run(`SELECT ${keyColumns} FROM ${keyTables} ${where} ${order}`, ...values)
    const { rows: secrets } = yield* run(
      `SELECT s.key_id, s.hash, s.made_at, s.expires_at, x.used_at FROM api_key_secrets s JOIN api_keys k ON k.id = s.key_id
       LEFT JOIN secret_uses x ON x.hash = s.hash ${where} ORDER BY s.made_at, s.hash`,
      ...values,
    )
    const byKey = Map.groupBy(secrets, (row) => text(row, 'key_id'))
    return rows.map((row) => listed(row, byKey.get(text(row, 'id')) ?? [], moment.now))
  },
})

function whereOf(which: WhichKeys): readonly [string, readonly string[]] {
  switch (which?.kind) {
    case undefined:
      return ['', []]
    case 'key':
      return ['WHERE k.id = $1', [which.keyId]]
    case 'user':
      return ['WHERE k.user_id = $1', [which.userId]]
    case 'client':
      return ['WHERE k.client_id = $1 AND k.user_id IS NULL', [which.clientId]]
  }
}

function listed(row: Row, secretRows: readonly Row[], now: number): ListedApiKey {
  const secrets = secretRows.map((secret) => ({
    mark: secretMark(text(secret, 'hash')),
    madeAt: integer(secret, 'made_at'),
    expiresAt: optionalInteger(secret, 'expires_at'),
    lastUsedAt: optionalInteger(secret, 'used_at'),
  }))
  const uses = secrets.flatMap(({ lastUsedAt }) => lastUsedAt ?? [])
  return {
    ...keyOfRow(row),
    username: optionalText(row, 'username'),
    state: stateOf(row, now),
    secrets,
    lastUsedAt: uses.length === 0 ? undefined : Math.max(...uses),
  }
}

function stateOf(row: Row, now: number): ListedApiKey['state'] {
  const judged = judgeKey({ ...row, secret_expires_at: null }, now)
  if (!('problem' in judged)) return 'active'
  switch (judged.problem) {
    case 'ended':
    case 'expired':
      return judged.problem
    case 'principal_disabled':
    case 'resource_unknown':
      return 'disabled'
  }
}
