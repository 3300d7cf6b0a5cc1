import { record } from '../audit-record.ts'
import { newVersion } from '../identifiers.ts'
import { type ClientSecret, clientColumns, clientOfRow, secretLimit } from '../registered-client.ts'
import { tell } from '../revocation-entry.ts'
import { defineVerb, first, integer, type Lock, run, type Transaction, type Verb } from '../transaction.ts'
import { secretMark } from './secret-uses.ts'

/** One secret more for a client. */
export interface NewClientSecret {
  readonly clientId: string
  /** SHA-256 of it, base64url. */
  readonly hash: string
  /** How long it works; absent: until it is removed. */
  readonly lifetimeSeconds?: number | undefined
  /** How long those that there are go on working; absent: as long as they did. */
  readonly overlapSeconds?: number | undefined
  readonly actor: string
}

export type AddClientSecretOutcome =
  | { readonly outcome: 'added'; readonly secrets: readonly ClientSecret[] }
  /** `no_method`: it proves itself in another way; `full`: two secrets work already. */
  | { readonly outcome: 'unknown' | 'no_method' | 'full' }

/**
 * Adds a secret to a client, beside the one that its programs use. What was issued to the client stays good: a new secret is no sign
 * that the old one leaked.
 */
export const addClientSecret = defineVerb({
  kind: 'change',
  *run(transaction, added: NewClientSecret): Verb<AddClientSecretOutcome> {
    const { clientId, hash, lifetimeSeconds, overlapSeconds, actor } = added
    const row = yield* first(`SELECT ${clientColumns} FROM clients WHERE id = $1`, clientId)
    if (row === undefined) return { outcome: 'unknown' }
    const { settings, secrets } = clientOfRow(row)
    if (!settings.authenticationMethods.some((method) => method.startsWith('client_secret')))
      return { outcome: 'no_method' }
    const { now } = transaction
    const working = secrets.filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
    if (working.length >= secretLimit) return { outcome: 'full' }
    const next = [
      ...working.map((secret) => (overlapSeconds === undefined ? secret : endingBy(secret, now + overlapSeconds))),
      { hash, madeAt: now, ...(lifetimeSeconds === undefined ? {} : { expiresAt: now + lifetimeSeconds }) },
    ]
    yield* writeSecrets(transaction, clientId, next)
    yield* record(transaction, 'client.secret_added', actor, { client: clientId, secret: secretMark(hash) })
    yield* tellSecret(transaction, clientId, 'create')
    return { outcome: 'added', secrets: next }
  },
  locks: ({ clientId }) => oneClient(clientId),
})

export type RemoveClientSecretOutcome =
  | { readonly outcome: 'removed'; readonly secrets: readonly ClientSecret[] }
  | { readonly outcome: 'unknown' | 'secret_unknown' }

/** Takes a secret from a client, by its mark; it proves nothing from now on. The last one, too: the client is then locked out. */
export const removeClientSecret = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { clientId, mark, actor }: { readonly clientId: string; readonly mark: string; readonly actor: string },
  ): Verb<RemoveClientSecretOutcome> {
    const row = yield* first(`SELECT ${clientColumns} FROM clients WHERE id = $1`, clientId)
    if (row === undefined) return { outcome: 'unknown' }
    const { secrets } = clientOfRow(row)
    const removed = secrets.find(({ hash }) => secretMark(hash) === mark)
    if (removed === undefined) return { outcome: 'secret_unknown' }
    const next = secrets.filter((secret) => secret !== removed)
    yield* writeSecrets(transaction, clientId, next)
    yield* run('DELETE FROM secret_uses WHERE hash = $1', removed.hash)
    yield* record(transaction, 'client.secret_removed', actor, { client: clientId, secret: mark })
    yield* tellSecret(transaction, clientId, 'delete')
    return { outcome: 'removed', secrets: next }
  },
  locks: ({ clientId }) => oneClient(clientId),
})

/** A secret of a client, and when it was used last, as far as that is written down. */
export interface ListedClientSecret extends ClientSecret {
  readonly mark: string
  /** Epoch seconds. */
  readonly lastUsedAt: number | undefined
}

/** The secrets of a client; `undefined` for an unknown one. */
export const listClientSecrets = defineVerb({
  kind: 'read',
  *run(_moment, clientId: string): Verb<readonly ListedClientSecret[] | undefined> {
    const row = yield* first(`SELECT ${clientColumns} FROM clients WHERE id = $1`, clientId)
    if (row === undefined) return undefined
    const listed: ListedClientSecret[] = []
    for (const secret of clientOfRow(row).secrets) {
      const use = yield* first('SELECT used_at FROM secret_uses WHERE hash = $1', secret.hash)
      listed.push({ ...secret, mark: secretMark(secret.hash), lastUsedAt: use && integer(use, 'used_at') })
    }
    return listed
  },
})

/** How secrets are kept on the row of their client. */
export function formatSecrets(secrets: readonly ClientSecret[]): string {
  return JSON.stringify(secrets)
}

/** Tells receivers that a secret of a client changed (CAEP credential-change, PROTOCOL §7). */
export function* tellSecret(
  transaction: Transaction,
  clientId: string,
  change: 'create' | 'update' | 'delete',
): Verb<void> {
  const entry = { kind: 'credential', principal: 'client', id: clientId, credential: 'client_secret', change } as const
  yield* tell(transaction, entry, { reason: 'rotated', initiator: 'admin' })
}

function* writeSecrets(transaction: Transaction, clientId: string, secrets: readonly ClientSecret[]): Verb<void> {
  const version = newVersion(transaction)
  yield* run('UPDATE clients SET version = $1, secrets = $2 WHERE id = $3', version, formatSecrets(secrets), clientId)
}

function endingBy(secret: ClientSecret, at: number): ClientSecret {
  return { ...secret, expiresAt: Math.min(secret.expiresAt ?? at, at) }
}

function oneClient(id: string): readonly Lock[] {
  return [{ table: 'clients', key: id, mode: 'update' }]
}
