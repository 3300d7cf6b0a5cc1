import { resourceKey } from '@arctos/core'
import { record } from '../audit-record.ts'
import { newId, newVersion } from '../identifiers.ts'
import {
  type ClientSettings,
  clientColumns,
  clientOfRow,
  clientSettings,
  type RegisteredClient,
} from '../registered-client.ts'
import { longestAccessSeconds } from '../registered-resource.ts'
import { tell } from '../revocation-entry.ts'
import { defineVerb, first, integer, run, type Transaction, type Verb } from '../transaction.ts'
import { formatSecrets, tellSecret } from './client-secrets.ts'
import { cutOff } from './cut-off.ts'
import { endGrantsOf } from './grants.ts'
import { nameLock } from './names.ts'
import { narrowGrants } from './narrowing.ts'
import { endStrangeStreams } from './streams.ts'

const oneClient = (id: string) => [{ table: 'clients', key: id, mode: 'update' }] as const

export const readClient = defineVerb({
  kind: 'read',
  *run(_moment, id: string) {
    const row = yield* first(`SELECT ${clientColumns} FROM clients WHERE id = $1`, id)
    return row && clientOfRow(row)
  },
})

export const listClients = defineVerb({
  kind: 'read',
  *run(_moment, _all: undefined) {
    const { rows } = yield* run(`SELECT ${clientColumns} FROM clients ORDER BY id LIMIT 10000`)
    return rows.map(clientOfRow)
  },
})

export interface NewClient {
  /** Chosen by the operator, else drawn. */
  readonly id?: string | undefined
  readonly settings: ClientSettings
  /** SHA-256 of its first secret, base64url. */
  readonly secretHash?: string | undefined
  readonly actor: string
}

export type CreateClientOutcome =
  | { readonly outcome: 'created'; readonly id: string }
  | { readonly outcome: 'id_taken' }

export const createClient = defineVerb({
  kind: 'change',
  *run(transaction, { id: wanted, settings, secretHash, actor }: NewClient): Verb<CreateClientOutcome> {
    const id = wanted ?? `client_${newId(transaction)}`
    // A client whose id is a resource or a user could pass its tokens for theirs (RFC 9700 §4.15).
    const taken = yield* first(
      'SELECT 1 AS taken FROM clients WHERE id = $1 UNION SELECT 1 FROM resources WHERE resource_key = $2 UNION SELECT 1 FROM users WHERE id = $1',
      id,
      resourceKey(id),
    )
    if (taken !== undefined) return { outcome: 'id_taken' }
    const former = yield* first('SELECT not_before FROM former_clients WHERE id = $1', id)
    yield* run(
      'INSERT INTO clients (id, version, settings, secrets, not_before, created_at) VALUES ($1, $2, $3, $4, $5, $6)',
      id,
      newVersion(transaction),
      JSON.stringify(clientSettings.parse(settings)),
      formatSecrets(secretHash === undefined ? [] : [{ hash: secretHash, madeAt: transaction.now }]),
      former === undefined ? 0 : integer(former, 'not_before'),
      transaction.now,
    )
    yield* record(transaction, 'client.created', actor, { client: id })
    return { outcome: 'created', id }
  },
  locks: () => [nameLock],
})

export interface ClientChange {
  readonly id: string
  readonly settings?: ClientSettings | undefined
  /** SHA-256 of a secret that replaces all that there are, at once. To rotate without an interruption: `addClientSecret`. */
  readonly secretHash?: string | undefined
  readonly disabled?: boolean | undefined
  readonly actor: string
}

export type ChangeOutcome = { readonly outcome: 'changed' } | { readonly outcome: 'unknown' }

export const updateClient = defineVerb({
  kind: 'change',
  urgent: true,
  bulk: true,
  *run(transaction, change: ClientChange): Verb<ChangeOutcome> {
    const row = yield* first(`SELECT ${clientColumns} FROM clients WHERE id = $1`, change.id)
    if (row === undefined) return { outcome: 'unknown' }
    const client = clientOfRow(row)
    const { secretHash } = change
    yield* run(
      'UPDATE clients SET version = $1, settings = $2, secrets = $3 WHERE id = $4',
      newVersion(transaction),
      JSON.stringify(clientSettings.parse(change.settings ?? client.settings)),
      formatSecrets(secretHash === undefined ? client.secrets : [{ hash: secretHash, madeAt: transaction.now }]),
      change.id,
    )
    if (secretHash !== undefined) yield* tellSecret(transaction, client.id, 'update')
    if (change.settings !== undefined || change.secretHash !== undefined) {
      yield* record(transaction, 'client.updated', change.actor, { client: change.id })
    }
    if (change.settings !== undefined) yield* endStrangeStreams({ ...client, settings: change.settings })
    const allowed = change.settings?.scopes
    if (allowed !== undefined) {
      yield* narrowGrants(transaction, { clientId: client.id, allowed, before: client.notBefore, actor: change.actor })
    }
    if (change.disabled !== undefined) yield* setDisabled(transaction, client, change.disabled, change.actor)
    return { outcome: 'changed' }
  },
  locks: ({ id }) => oneClient(id),
})

/** Disabling also cuts off what the client holds: enabling it again must not bring old tokens back. */
function* setDisabled(
  transaction: Transaction,
  client: RegisteredClient,
  disabled: boolean,
  actor: string,
): Verb<void> {
  const before = client.notBefore
  const notBefore = disabled ? yield* cutOff(transaction, { kind: 'client', before }) : before
  yield* run(
    'UPDATE clients SET disabled_at = $1, not_before = $2 WHERE id = $3',
    disabled ? (client.disabledAt ?? transaction.now) : null,
    notBefore,
    client.id,
  )
  yield* record(transaction, disabled ? 'client.disabled' : 'client.enabled', actor, { client: client.id })
  if (disabled) yield* tellClient(transaction, client.id, notBefore, 'disabled')
}

function* tellClient(
  transaction: Transaction,
  clientId: string,
  issuedBefore: number,
  reason: 'disabled' | 'client_deleted',
): Verb<void> {
  yield* tell(transaction, { kind: 'client', clientId, issuedBefore }, { reason, initiator: 'admin' })
}

export const deleteClient = defineVerb({
  kind: 'change',
  bulk: true,
  *run(transaction, { id, actor }: { readonly id: string; readonly actor: string }): Verb<ChangeOutcome> {
    const row = yield* first('SELECT not_before FROM clients WHERE id = $1', id)
    if (row === undefined) return { outcome: 'unknown' }
    yield* endGrantsOf(transaction, { clientId: id }, 'client_deleted', actor)
    yield* run('DELETE FROM access_tokens WHERE client_id = $1', id)
    yield* run('DELETE FROM codes WHERE client_id = $1', id)
    yield* run('DELETE FROM device_codes WHERE client_id = $1', id)
    yield* run('DELETE FROM consents WHERE client_id = $1', id)
    yield* run('DELETE FROM streams WHERE client_id = $1', id)
    yield* run('DELETE FROM clients WHERE id = $1', id)
    const notBefore = yield* cutOff(transaction, { kind: 'client', before: integer(row, 'not_before') })
    yield* run(
      `INSERT INTO former_clients (id, not_before, expires_at) VALUES ($1, $2, $3)
       ON CONFLICT (id) DO UPDATE SET not_before = excluded.not_before, expires_at = excluded.expires_at`,
      id,
      notBefore,
      notBefore + longestAccessSeconds,
    )
    yield* record(transaction, 'client.deleted', actor, { client: id, not_before: notBefore })
    yield* tellClient(transaction, id, notBefore, 'client_deleted')
    return { outcome: 'changed' }
  },
  locks: ({ id }) => oneClient(id),
})
