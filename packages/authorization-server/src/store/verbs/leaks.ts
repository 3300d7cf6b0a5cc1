import { record } from '../audit-record.ts'
import { newId, newVersion } from '../identifiers.ts'
import { clientColumns, clientOfRow } from '../registered-client.ts'
import { type Initiator, tell } from '../revocation-entry.ts'
import { defineVerb, first, type Lock, optionalText, run, type Transaction, text, type Verb } from '../transaction.ts'
import { formatSecrets } from './client-secrets.ts'
import { cutOff } from './cut-off.ts'
import { endGrant } from './grants.ts'
import { keepNotice } from './leak-notices.ts'
import { revokeJwt } from './revocation.ts'
import { secretMark } from './secret-uses.ts'

/** What ends with a secret that leaked: its lineage, for whoever found it may have used it. */
export type LeakTarget =
  | { readonly ends: 'grant'; readonly grantId: string }
  /** An access token without a grant, JWT or opaque. */
  | {
      readonly ends: 'token'
      readonly jti: string
      readonly expiresAt: number
      readonly clientId: string
      readonly audience: readonly string[]
    }
  /** A code, and the grant that it was exchanged for. */
  | { readonly ends: 'authorization_code' | 'device_code'; readonly hash: string; readonly grantId: string | undefined }
  | { readonly ends: 'session'; readonly hash: string }
  /** One secret of a client, and everything that the client holds. */
  | { readonly ends: 'client_secret'; readonly hash: string; readonly clientId: string }
  | { readonly ends: 'api_key'; readonly keyId: string }
  | { readonly ends: 'shared_secret'; readonly keyId: string }

/** One secret that leaked: what ends, and what is written down of it. Never the secret. */
export interface Leak {
  readonly target: LeakTarget
  /** Which kind of secret it is, as scanners list them. */
  readonly secret: string
  /** Where it was found, as far as that was said. */
  readonly url: string | undefined
  readonly source: string | undefined
}

export interface LeakRevocation {
  readonly leaks: readonly Leak[]
  /** Who says so. */
  readonly reporter: string
  /** `admin` where an operator found it; a scanner's report is `policy`. */
  readonly initiator: Initiator
}

/** What a leak ended: the kind of thing, its id, and whose it was. */
export interface EndedLeak {
  readonly secret: string
  readonly ended: LeakTarget['ends']
  /** The id of what ended, as `arctos revoke` and the journal name it; a client's or a session's secret has none but its mark. */
  readonly id: string
  readonly client: string | undefined
  readonly user: string | undefined
  readonly url: string | undefined
  readonly source: string | undefined
}

/** For each leak what it ended, in order; `undefined` where that had ended before, so that a report may come twice. */
export type LeakOutcomes = readonly (EndedLeak | undefined)[]

/**
 * Ends what leaked, once, under the locks that a refresh or an issue takes. For all that one call ends there is one notice, in the
 * same transaction.
 */
export const revokeLeaked = defineVerb({
  kind: 'change',
  urgent: true,
  *run(transaction, { leaks, reporter, initiator }: LeakRevocation): Verb<LeakOutcomes> {
    const outcomes: (EndedLeak | undefined)[] = []
    for (const leak of leaks) {
      const owner = yield* end(transaction, leak.target, { actor: reporter, initiator, reason: 'leaked' })
      if (owner === undefined) {
        outcomes.push(undefined)
        continue
      }
      const { target, secret, url, source } = leak
      const { id, client, user } = owner
      outcomes.push({ secret, ended: target.ends, id, client, user, url, source })
      const place = { ...(url === undefined ? {} : { url }), ...(source === undefined ? {} : { source }) }
      yield* record(transaction, 'leak.reported', reporter, { secret, ended: target.ends, id, ...place })
    }
    const ended = outcomes.filter((outcome) => outcome !== undefined)
    if (ended.length > 0) yield* keepNotice(transaction, { reporter, leaks: ended })
    return outcomes
  },
  locks: ({ leaks }) => leaks.flatMap(({ target }) => locksOf(target)),
})

function locksOf(target: LeakTarget): readonly Lock[] {
  const key = (id: string): Lock => ({ table: 'api_keys', key: id, mode: 'update' })
  const grant = (id: string | undefined): readonly Lock[] =>
    id === undefined ? [] : [{ table: 'grants', key: id, mode: 'update' }]
  switch (target.ends) {
    case 'grant':
      return [...grant(target.grantId), key(target.grantId)]
    case 'authorization_code':
      return [{ table: 'codes', key: target.hash, mode: 'update' }, ...grant(target.grantId)]
    case 'device_code':
      return [{ table: 'device_codes', key: target.hash, mode: 'update' }, ...grant(target.grantId)]
    case 'client_secret':
      return [{ table: 'clients', key: target.clientId, mode: 'update' }]
    case 'shared_secret':
      return [{ table: 'leases', key: 'keys', mode: 'update' }]
    case 'api_key':
      return [key(target.keyId)]
    case 'token':
    case 'session':
      return []
  }
}

/** By whose word it ends. */
interface LeakTaking {
  readonly actor: string
  readonly initiator: Initiator
  readonly reason: 'leaked'
}

interface Owner {
  readonly id: string
  readonly client?: string | undefined
  readonly user?: string | undefined
}

/** Ends one of them. Returns whose it was, or `undefined` where nothing was left to end. */
function* end(transaction: Transaction, target: LeakTarget, by: LeakTaking): Verb<Owner | undefined> {
  switch (target.ends) {
    case 'grant':
      return yield* endLineage(transaction, target.grantId, by)
    case 'token': {
      const { jti, expiresAt, clientId, audience } = target
      const { outcome } = yield* revokeJwt.run(transaction, { jti, expiresAt, clientId, audience, by })
      return outcome === 'revoked' ? { id: jti, client: clientId } : undefined
    }
    case 'authorization_code':
      return yield* endCode(transaction, 'codes', target.hash, by)
    case 'device_code':
      return yield* endCode(transaction, 'device_codes', target.hash, by)
    case 'session': {
      const row = yield* first('DELETE FROM sessions WHERE hash = $1 RETURNING user_id', target.hash)
      return row && { id: secretMark(target.hash), user: text(row, 'user_id') }
    }
    case 'client_secret':
      return yield* endClientSecret(transaction, target, by)
    case 'api_key':
      return yield* endLineage(transaction, target.keyId, by)
    case 'shared_secret':
      return yield* endSharedSecret(transaction, target.keyId, by)
  }
}

/** A grant with its family, or an API key, which a token that was given for it names as its grant. */
function* endLineage(transaction: Transaction, id: string, by: LeakTaking): Verb<Owner | undefined> {
  if (!(yield* endGrant(transaction, id, by.reason, by.actor, by.initiator))) return undefined
  const row = yield* first(
    'SELECT client_id, user_id FROM grants WHERE id = $1 UNION ALL SELECT client_id, user_id FROM api_keys WHERE id = $1',
    id,
  )
  return { id, client: row && text(row, 'client_id'), user: row && optionalText(row, 'user_id') }
}

/** A code that waits is spent; with one that was exchanged its grant ends, for a stranger may have been first. */
function* endCode(
  transaction: Transaction,
  table: 'codes' | 'device_codes',
  hash: string,
  by: LeakTaking,
): Verb<Owner | undefined> {
  const spent = yield* first(
    `UPDATE ${table} SET spent_at = $1 WHERE hash = $2 AND spent_at IS NULL AND expires_at > $1 RETURNING client_id, user_id`,
    transaction.now,
    hash,
  )
  if (spent !== undefined)
    return { id: secretMark(hash), client: text(spent, 'client_id'), user: optionalText(spent, 'user_id') }
  const row = yield* first(`SELECT grant_id FROM ${table} WHERE hash = $1`, hash)
  const grantId = row && optionalText(row, 'grant_id')
  return grantId === undefined ? undefined : yield* endLineage(transaction, grantId, by)
}

/** The secret proves nothing any more, and one cut-off ends whatever was got with it, however much that is. */
function* endClientSecret(
  transaction: Transaction,
  { clientId, hash }: { readonly clientId: string; readonly hash: string },
  by: LeakTaking,
): Verb<Owner | undefined> {
  const row = yield* first(`SELECT ${clientColumns} FROM clients WHERE id = $1`, clientId)
  const client = row && clientOfRow(row)
  const left = client?.secrets.filter((secret) => secret.hash !== hash)
  if (client === undefined || left === undefined || left.length === client.secrets.length) return undefined
  const notBefore = yield* cutOff(transaction, { kind: 'client', before: client.notBefore })
  yield* run(
    'UPDATE clients SET version = $1, secrets = $2, not_before = $3 WHERE id = $4',
    newVersion(transaction),
    formatSecrets(left),
    notBefore,
    clientId,
  )
  const mark = secretMark(hash)
  yield* record(transaction, 'client.secret_removed', by.actor, { client: clientId, secret: mark })
  yield* record(transaction, 'client.cut_off', by.actor, { client: clientId, not_before: notBefore })
  const about = { reason: by.reason, initiator: by.initiator, txn: newId(transaction) }
  const credential = { principal: 'client', id: clientId, credential: 'client_secret', change: 'revoke' } as const
  yield* tell(transaction, { kind: 'client', clientId, issuedBefore: notBefore }, about)
  yield* tell(transaction, { kind: 'credential', ...credential }, about)
  return { id: mark, client: clientId }
}

/**
 * A shared secret goes even when no other one signs for its resource: whoever has it writes tokens of anybody. Until a new one is
 * there, the resource gets none.
 */
function* endSharedSecret(transaction: Transaction, keyId: string, by: LeakTaking): Verb<Owner | undefined> {
  const row = yield* first(
    `UPDATE keys SET retired_at = $1, expires_at = $2 WHERE id = $3 AND purpose = 'shared_secret' AND retired_at IS NULL
     RETURNING resource_key`,
    transaction.now,
    transaction.now + retiredSeconds,
    keyId,
  )
  if (row === undefined) return undefined
  yield* record(transaction, 'key.retired', by.actor, { key: keyId })
  const about = { reason: by.reason, initiator: by.initiator, resources: [text(row, 'resource_key')] }
  yield* tell(transaction, { kind: 'key', kid: keyId }, about)
  return { id: keyId }
}

/** A retired secret stays in the list of keys this long. */
const retiredSeconds = 90 * 86_400
