import type { Secret } from '@arctos/core'
import { newId } from '../identifiers.ts'
import { mintOpaqueAccess } from '../opaque-access.ts'
import { type RegisteredResource, resourcesOf } from '../registered-resource.ts'
import { defineVerb, first, integer, run, type Transaction, type Verb } from '../transaction.ts'
import { type Spending, spend } from './spent.ts'
import { type BucketPlaces, placeInBucket, type StatusPlace } from './status-lists.ts'

/** An access token that a transaction issued. A JWT still has to be signed; an opaque one is ready. */
export interface IssuedAccess {
  readonly jti: string
  readonly clientId: string
  /** The user, or the client itself. */
  readonly subject: string
  readonly grantId: string | undefined
  /** Resource identifiers in their registered spelling. */
  readonly audience: readonly string[]
  readonly scopes: readonly string[]
  readonly issuedAt: number
  readonly expiresAt: number
  /** When the user signed in; absent without a user. */
  readonly authenticatedAt: number | undefined
  /** The class of that sign-in, as the grant has it: a refresh changes neither (RFC 9470 §6.1). */
  readonly acr: string | undefined
  /** Where its status stands, if it says so. */
  readonly status?: StatusPlace | undefined
  readonly form:
    | {
        readonly format: 'jwt'
        readonly typ: 'at+jwt' | 'JWT'
        /** The key of the resource whose shared secret signs it; absent: the server's own key. */
        readonly secretOf: string | undefined
      }
    | { readonly format: 'opaque'; readonly token: Secret }
}

/** What an access token is to be about. */
export interface AccessOrder {
  readonly clientId: string
  readonly subject: string
  readonly grantId?: string
  readonly authenticatedAt?: number
  readonly acr?: string | undefined
  readonly status?: StatusPlace | undefined
  readonly resources: readonly RegisteredResource[]
  readonly scopes: readonly string[]
  /** The latest cut-off of all that the token depends on. */
  readonly notBefore: number
  /** It ends then at the latest (epoch seconds). */
  readonly expiresBy?: number
}

/**
 * Issues one access token. Its `iat` is never before a cut-off, so that a token given after a revocation is not dead at birth
 * (PROTOCOL §1). Only an opaque token leaves a row.
 */
export function* issueAccess(transaction: Transaction, order: AccessOrder): Verb<IssuedAccess> {
  const [resource] = order.resources
  if (resource === undefined) throw new RangeError('an access token needs a resource')
  const issuedAt = Math.max(transaction.now, order.notBefore)
  const lifetime = Math.min(...order.resources.map((each) => each.accessTokenLifetimeSeconds))
  const issued = {
    jti: newId(transaction),
    clientId: order.clientId,
    subject: order.subject,
    grantId: order.grantId,
    audience: order.resources.map((each) => each.identifier),
    // RFC 9068 §2.2.3: what means something there. The grant may span other resources, and offline_access is for none of them.
    scopes: order.scopes.filter((word) => order.resources.some((each) => Object.hasOwn(each.scopes, word))),
    issuedAt,
    expiresAt: Math.min(issuedAt + lifetime, order.expiresBy ?? Number.POSITIVE_INFINITY),
    authenticatedAt: order.authenticatedAt,
    acr: order.acr,
    status: order.status,
  }
  if (resource.tokenFormat === 'jwt') {
    const secretOf = resource.tokenAlgorithm === undefined ? undefined : resource.key
    return { ...issued, form: { format: 'jwt', typ: resource.tokenType, secretOf } }
  }
  const { token, key } = mintOpaqueAccess(transaction, issued.expiresAt)
  yield* insertOpaque(issued, key)
  return { ...issued, form: { format: 'opaque', token } }
}

function* insertOpaque(issued: Omit<IssuedAccess, 'form'>, key: string): Verb<void> {
  yield* run(
    'INSERT INTO access_tokens (token_key, jti, client_id, subject, grant_id, audience, scope, issued_at, expires_at, authenticated_at, acr) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)',
    key,
    issued.jti,
    issued.clientId,
    issued.subject,
    issued.grantId ?? null,
    issued.audience.join(' '),
    issued.scopes.join(' '),
    issued.issuedAt,
    issued.expiresAt,
    issued.authenticatedAt ?? null,
    issued.acr ?? null,
  )
}

/**
 * The resources that a token is for, out of those allowed. All must issue the same kind of token, for one token cannot be both; and
 * one with a shared secret stands alone: whoever can check such a token could have made it.
 */
export function* selectResources(
  keys: readonly string[],
  allowed: readonly string[],
): Verb<readonly RegisteredResource[] | undefined> {
  if (keys.length === 0 || !keys.every((key) => allowed.includes(key))) return undefined
  const resources = yield* resourcesOf(keys)
  const [one, ...others] = resources
  if (one === undefined || resources.length !== keys.length) return undefined
  if (others.length > 0 && resources.some((each) => each.tokenAlgorithm !== undefined)) return undefined
  return others.every((other) => other.tokenFormat === one.tokenFormat && other.tokenType === one.tokenType)
    ? resources
    : undefined
}

export interface ClientOrder {
  readonly clientId: string
  /** The version of the client that proved itself: with another one, what it was proven by may have been taken back. */
  readonly clientVersion?: number | undefined
  readonly scopes: readonly string[]
  readonly resourceKeys: readonly string[]
  readonly assertion: Spending | undefined
  /** A resource that is in no table, instead of those that have keys. */
  readonly builtIn?: RegisteredResource | undefined
  /** Where there are status lists. */
  readonly places?: BucketPlaces | undefined
}

export type IssueForClientOutcome =
  /** `bucket`: the name under which the place of its status may be remembered. */
  | { readonly outcome: 'issued'; readonly access: IssuedAccess; readonly bucket?: string }
  | { readonly outcome: 'assertion_replayed' }
  | { readonly outcome: 'client_disabled' | 'client_changed' }
  | { readonly outcome: 'resource_unknown' }

/** Client credentials: a token for the client itself. A JWT stores nothing. RFC 6749 §4.4 */
export const issueForClient = defineVerb({
  kind: 'change',
  *run(transaction, order: ClientOrder): Verb<IssueForClientOutcome> {
    const enabled = 'SELECT version, not_before FROM clients WHERE id = $1 AND disabled_at IS NULL'
    const client = yield* first(enabled, order.clientId)
    const version = client && integer(client, 'version')
    // A secret that leaked may have been removed while whoever has it waited for this row.
    if (version !== undefined && version !== (order.clientVersion ?? version)) return { outcome: 'client_changed' }
    if (!(yield* spend(transaction, order.assertion))) return { outcome: 'assertion_replayed' }
    if (client === undefined) return { outcome: 'client_disabled' }
    const { builtIn } = order
    const resources = builtIn === undefined ? yield* selectResources(order.resourceKeys, order.resourceKeys) : [builtIn]
    if (resources === undefined) return { outcome: 'resource_unknown' }
    const notBefore = Math.max(transaction.notBefore, integer(client, 'not_before'))
    const access = yield* issueAccess(transaction, {
      clientId: order.clientId,
      subject: order.clientId,
      resources,
      scopes: order.scopes,
      notBefore,
    })
    if (order.places === undefined || access.form.format === 'opaque') return { outcome: 'issued', access }
    const bucket = {
      clientId: order.clientId,
      resourceKeys: order.resourceKeys,
      expiresAt: access.expiresAt,
      notBefore,
    }
    const { name, place } = yield* placeInBucket(bucket, access.issuedAt, order.places)
    return { outcome: 'issued', access: { ...access, status: place }, bucket: name }
  },
  locks: ({ clientId }) => [
    { table: 'issuer_state', key: '1', mode: 'share' },
    { table: 'clients', key: clientId, mode: 'share' },
  ],
})
