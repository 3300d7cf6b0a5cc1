import { sha256Base64url } from '@arctos/core'
import { record } from '../audit-record.ts'
import { newId } from '../identifiers.ts'
import { longestAccessSeconds } from '../registered-resource.ts'
import {
  defineVerb,
  first,
  integer,
  optionalInteger,
  optionalText,
  type Row,
  run,
  type Transaction,
  text,
  type Verb,
} from '../transaction.ts'
import { type IssuedAccess, issueAccess, selectResources } from './access.ts'
import { endGrant, livePrincipals, words } from './grants.ts'
import { type Spending, spend } from './spent.ts'
import type { GrantPlaces, StatusPlace } from './status-lists.ts'

/** Failed exchanges after which a code is spent: a guesser of verifiers gets no more. */
const attemptLimit = 10

/** A code as its row has it. */
interface Code extends Agreed {
  readonly acr: string | undefined
  readonly redirectUri: string
  readonly redirectUriSent: boolean
  readonly codeChallenge: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly attempts: number
  readonly spentAt: number | undefined
  readonly grantId: string | undefined
}

const codeColumns =
  'client_id, user_id, scope, resources, redirect_uri, redirect_uri_sent, code_challenge, authenticated_at, issued_at, expires_at, attempts, spent_at, grant_id, acr'

function codeOfRow(row: Row): Code {
  return {
    clientId: text(row, 'client_id'),
    userId: text(row, 'user_id'),
    scopes: words(text(row, 'scope')),
    resourceKeys: words(text(row, 'resources')),
    redirectUri: text(row, 'redirect_uri'),
    redirectUriSent: integer(row, 'redirect_uri_sent') === 1,
    codeChallenge: text(row, 'code_challenge'),
    authenticatedAt: integer(row, 'authenticated_at'),
    issuedAt: integer(row, 'issued_at'),
    expiresAt: integer(row, 'expires_at'),
    attempts: integer(row, 'attempts'),
    spentAt: optionalInteger(row, 'spent_at'),
    grantId: optionalText(row, 'grant_id'),
    acr: optionalText(row, 'acr'),
  }
}

export interface CodeExchange {
  readonly codeHash: string
  readonly clientId: string
  readonly redirectUri: string | undefined
  /** S256 of the verifier that was sent. */
  readonly codeChallenge: string
  /** Resources asked for; empty: all that were authorized. */
  readonly resourceKeys: readonly string[]
  readonly assertion: Spending | undefined
  /** How long a refresh token may rest, and live at all. */
  readonly idleSeconds: number
  readonly absoluteSeconds: number
  /** Where there are status lists: the place of a grant without a refresh token, and of one with. */
  readonly places?: GrantPlaces | undefined
}

/** A new refresh token as the store made it: the secret of generation 0. Its text form is made outside. */
export interface NewFamily {
  readonly generation: number
  readonly secret: Buffer
}

/** Why a code was not redeemed. */
export type CodeRefused =
  | { readonly outcome: 'replayed'; readonly grantId: string | undefined }
  | {
      readonly outcome:
        | 'assertion_replayed'
        | 'unknown'
        | 'foreign'
        | 'spent'
        | 'too_many_attempts'
        | 'principal_disabled'
        | 'redirect_uri_mismatch'
        | 'verifier_wrong'
        | 'resource_exceeds_grant'
    }
  | { readonly outcome: 'expired'; readonly expiredAt: number }

export interface CodeRedeemed {
  readonly outcome: 'redeemed'
  readonly access: IssuedAccess
  readonly grantId: string
  readonly scopes: readonly string[]
  readonly family: NewFamily | undefined
}

export type RedeemCodeOutcome = CodeRedeemed | CodeRefused

/**
 * Redeems a code, once. A failed exchange does not spend it, ten do. Its own client coming again with the right verifier means
 * that somebody else may have been first: the grant ends. Anyone without the verifier changes nothing, or a reader of logs could
 * end sessions. RFC 6749 §4.1.2, RFC 7636 §4.6
 */
export const redeemCode = defineVerb({
  kind: 'change',
  *run(transaction, exchange: CodeExchange): Verb<RedeemCodeOutcome> {
    if (!(yield* spend(transaction, exchange.assertion))) return { outcome: 'assertion_replayed' }
    const row = yield* first(`SELECT ${codeColumns} FROM codes WHERE hash = $1`, exchange.codeHash)
    if (row === undefined) return { outcome: 'unknown' }
    const code = codeOfRow(row)
    const verified = code.codeChallenge === exchange.codeChallenge
    // First, so that another client does not even learn how far the code has come.
    if (code.clientId !== exchange.clientId) return yield* refuseForeign(transaction, code, exchange)
    if (code.spentAt !== undefined) return yield* refuseSpent(transaction, code, verified)
    if (code.expiresAt <= transaction.now) return { outcome: 'expired', expiredAt: code.expiresAt }

    const problem = problemOf(code, exchange, verified)
    if (problem !== undefined) return yield* countFailure(transaction, code, exchange, problem)
    const resources = yield* selectResources(
      exchange.resourceKeys.length === 0 ? code.resourceKeys : exchange.resourceKeys,
      code.resourceKeys,
    )
    if (resources === undefined) return yield* countFailure(transaction, code, exchange, 'resource_exceeds_grant')
    const principals = yield* livePrincipals(transaction, code.clientId, code.userId, code.issuedAt)
    if (principals === undefined) return { outcome: 'principal_disabled' }

    const { grantId, family, status } = yield* makeGrant(transaction, code, exchange, principals.notBefore)
    yield* run(
      'UPDATE codes SET spent_at = $1, grant_id = $2 WHERE hash = $3',
      transaction.now,
      grantId,
      exchange.codeHash,
    )
    const access = yield* issueAccess(transaction, {
      clientId: code.clientId,
      subject: code.userId,
      grantId,
      authenticatedAt: code.authenticatedAt,
      acr: code.acr,
      status,
      resources,
      scopes: code.scopes,
      notBefore: principals.notBefore,
    })
    return { outcome: 'redeemed', access, grantId, scopes: code.scopes, family }
  },
  locks: ({ codeHash, clientId }) => [
    { table: 'issuer_state', key: '1', mode: 'share' },
    { table: 'codes', key: codeHash, mode: 'update' },
    { table: 'clients', key: clientId, mode: 'share' },
    { table: 'users', key: codeHash, owns: 'codes', mode: 'share' },
  ],
})

type ExchangeProblem = 'redirect_uri_mismatch' | 'verifier_wrong' | 'resource_exceeds_grant'

function problemOf(code: Code, exchange: CodeExchange, verified: boolean): ExchangeProblem | undefined {
  // RFC 6749 §4.1.3: present if the authorization request had it, and then identical.
  const expected = code.redirectUriSent ? code.redirectUri : undefined
  if (exchange.redirectUri !== expected && exchange.redirectUri !== code.redirectUri) return 'redirect_uri_mismatch'
  return verified ? undefined : 'verifier_wrong'
}

function* refuseSpent(transaction: Transaction, code: Code, verified: boolean): Verb<RedeemCodeOutcome> {
  if (!verified) return { outcome: 'spent' }
  if (code.grantId !== undefined) yield* endGrant(transaction, code.grantId, 'code_replayed', code.clientId)
  return { outcome: 'replayed', grantId: code.grantId }
}

/** Another client's code: counted while it lives, and always answered alike. */
function* refuseForeign(transaction: Transaction, code: Code, exchange: CodeExchange): Verb<RedeemCodeOutcome> {
  const isLive = code.spentAt === undefined && code.expiresAt > transaction.now
  if (isLive) yield* countAttempt(transaction, code, exchange)
  return { outcome: 'foreign' }
}

function* countFailure(
  transaction: Transaction,
  code: Code,
  exchange: CodeExchange,
  problem: ExchangeProblem,
): Verb<RedeemCodeOutcome> {
  const isSpent = yield* countAttempt(transaction, code, exchange)
  return isSpent ? { outcome: 'too_many_attempts' } : { outcome: problem }
}

/** Counts a failed exchange; the last one allowed spends the code. Returns whether it did. */
function* countAttempt(transaction: Transaction, code: Code, exchange: CodeExchange): Verb<boolean> {
  const attempts = code.attempts + 1
  const isSpent = attempts >= attemptLimit
  const spentAt = isSpent ? transaction.now : null
  yield* run('UPDATE codes SET attempts = $1, spent_at = $2 WHERE hash = $3', attempts, spentAt, exchange.codeHash)
  return isSpent
}

/** The scope that asks for a refresh token (OpenID Connect Core §11). */
export const offlineScope = 'offline_access'

/** What a grant is made of: whoever redeems a code of some kind has agreed on it with its user. */
export interface Agreed {
  readonly clientId: string
  readonly userId: string
  readonly scopes: readonly string[]
  readonly resourceKeys: readonly string[]
  readonly authenticatedAt: number
  readonly acr?: string | undefined
}

/** Makes the grant of a code that is being redeemed, with a refresh family where `offline_access` was agreed to. */
export function* makeGrant(
  transaction: Transaction,
  code: Agreed,
  exchange: Pick<CodeExchange, 'idleSeconds' | 'absoluteSeconds' | 'places'>,
  notBefore: number,
): Verb<{
  readonly grantId: string
  readonly family: NewFamily | undefined
  readonly status: StatusPlace | undefined
}> {
  const grantId = newId(transaction)
  const secret = code.scopes.includes(offlineScope) ? transaction.random(32) : undefined
  const status = secret === undefined ? exchange.places?.brief : exchange.places?.lasting
  const absolute = transaction.now + (secret === undefined ? longestAccessSeconds : exchange.absoluteSeconds)
  yield* run(
    `INSERT INTO grants (id, client_id, user_id, scope, resources, authenticated_at, issued_at, not_before, generation, token_hash,
       rotated_ms, idle_expires_at, absolute_expires_at, keep_until, acr, status_list, status_index)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
    grantId,
    code.clientId,
    code.userId,
    code.scopes.join(' '),
    code.resourceKeys.join(' '),
    code.authenticatedAt,
    Math.max(transaction.now, notBefore),
    secret === undefined ? null : 0,
    secret === undefined ? null : sha256Base64url(secret),
    secret === undefined ? null : transaction.nowMs,
    transaction.now + exchange.idleSeconds,
    absolute,
    absolute + longestAccessSeconds,
    code.acr ?? null,
    status?.list ?? null,
    status?.index ?? null,
  )
  yield* record(transaction, 'grant.made', code.clientId, { grant: grantId, user: code.userId })
  return { grantId, family: secret && { generation: 0, secret }, status }
}
