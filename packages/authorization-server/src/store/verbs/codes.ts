import { missingScopes, sha256Base64url } from '@arctos/core'
import { newId, record } from '../audit-record.ts'
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

const codeLifetimeSeconds = 60
/** Failed exchanges after which a code is spent: a guesser of verifiers gets no more. */
const attemptLimit = 10
/** How long a spent code is remembered, so that its replay still ends the grant. */
const rememberSeconds = 3_600

/** What the user agreed to. */
export interface Approval {
  readonly codeHash: string
  readonly form: Spending | undefined
  readonly clientId: string
  readonly userId: string
  readonly authenticatedAt: number
  readonly scopes: readonly string[]
  readonly resourceKeys: readonly string[]
  readonly redirectUri: string
  /** Whether the authorization request named it: then the token request has to, too (RFC 6749 §4.1.3). */
  readonly redirectUriSent: boolean
  readonly codeChallenge: string
  /** Whether the user was asked, and so the answer is to be remembered. */
  readonly remember: boolean
  /** The user was not asked: what was agreed to before has to cover all of it, still. */
  readonly reliesOnConsent?: boolean | undefined
}

export type IssueCodeOutcome = { readonly outcome: 'issued' | 'form_spent' | 'principal_disabled' | 'not_agreed' }

/** Gives a code for what the user agreed to; one for each form. RFC 6749 §4.1.2 */
export const issueCode = defineVerb({
  kind: 'change',
  *run(transaction, approval: Approval): Verb<IssueCodeOutcome> {
    if (!(yield* spend(transaction, approval.form))) return { outcome: 'form_spent' }
    const { clientId, userId, authenticatedAt } = approval
    const principals = yield* livePrincipals(transaction, clientId, userId, Number.MAX_SAFE_INTEGER)
    // A sign-in that a new password has ended since the page was shown approves nothing any more.
    if (principals === undefined || authenticatedAt < principals.userNotBefore) return { outcome: 'principal_disabled' }
    // A withdrawal may have come since the consent was read.
    if (approval.reliesOnConsent === true && missingScopes(approval.scopes, yield* agreedScopes(approval)).length > 0) {
      return { outcome: 'not_agreed' }
    }
    yield* run(
      `INSERT INTO codes (hash, client_id, user_id, scope, resources, redirect_uri, redirect_uri_sent, code_challenge,
         authenticated_at, issued_at, expires_at, attempts, keep_until)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12)`,
      approval.codeHash,
      clientId,
      userId,
      approval.scopes.join(' '),
      approval.resourceKeys.join(' '),
      approval.redirectUri,
      approval.redirectUriSent ? 1 : 0,
      approval.codeChallenge,
      authenticatedAt,
      Math.max(transaction.now, principals.notBefore),
      transaction.now + codeLifetimeSeconds,
      transaction.now + rememberSeconds,
    )
    if (approval.remember) yield* rememberConsent(transaction, approval)
    return { outcome: 'issued' }
  },
  locks: ({ clientId, userId }) => [
    { table: 'issuer_state', key: '1', mode: 'share' },
    { table: 'clients', key: clientId, mode: 'share' },
    { table: 'users', key: userId, mode: 'share' },
  ],
})

function* rememberConsent(transaction: Transaction, approval: Approval): Verb<void> {
  for (const key of approval.resourceKeys) {
    yield* run(
      `INSERT INTO consents (user_id, client_id, resource_key, scope, given_at) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (user_id, client_id, resource_key) DO UPDATE SET scope = excluded.scope, given_at = excluded.given_at`,
      approval.userId,
      approval.clientId,
      key,
      approval.scopes.join(' '),
      transaction.now,
    )
  }
  yield* record(transaction, 'consent.given', approval.userId, {
    client: approval.clientId,
    scope: approval.scopes.join(' ').slice(0, 500),
    resource: approval.resourceKeys.join(' ').slice(0, 500),
  })
}

/** Whose consent to what is asked for. */
export interface ConsentQuestion {
  readonly userId: string
  readonly clientId: string
  readonly resourceKeys: readonly string[]
}

/** The scopes that a user agreed to for a client at these resources: those of the narrowest answer. */
export const readConsent = defineVerb({
  kind: 'read',
  *run(_moment, question: ConsentQuestion): Verb<readonly string[]> {
    return yield* agreedScopes(question)
  },
})

function* agreedScopes({ userId, clientId, resourceKeys }: ConsentQuestion): Verb<readonly string[]> {
  const agreed: (readonly string[])[] = []
  for (const key of resourceKeys) {
    const row = yield* first(
      'SELECT scope FROM consents WHERE user_id = $1 AND client_id = $2 AND resource_key = $3',
      userId,
      clientId,
      key,
    )
    agreed.push(row === undefined ? [] : words(text(row, 'scope')))
  }
  const [one = [], ...others] = agreed
  return one.filter((scope) => others.every((other) => other.includes(scope)))
}

/** A code as its row has it. */
interface Code {
  readonly clientId: string
  readonly userId: string
  readonly scopes: readonly string[]
  readonly resourceKeys: readonly string[]
  readonly redirectUri: string
  readonly redirectUriSent: boolean
  readonly codeChallenge: string
  readonly authenticatedAt: number
  readonly issuedAt: number
  readonly expiresAt: number
  readonly attempts: number
  readonly spentAt: number | undefined
  readonly grantId: string | undefined
}

const codeColumns =
  'client_id, user_id, scope, resources, redirect_uri, redirect_uri_sent, code_challenge, authenticated_at, issued_at, expires_at, attempts, spent_at, grant_id'

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

    const { grantId, family } = yield* makeGrant(transaction, code, exchange, principals.notBefore)
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

function* makeGrant(
  transaction: Transaction,
  code: Code,
  exchange: CodeExchange,
  notBefore: number,
): Verb<{ readonly grantId: string; readonly family: NewFamily | undefined }> {
  const grantId = newId(transaction)
  const secret = code.scopes.includes(offlineScope) ? transaction.random(32) : undefined
  const absolute = transaction.now + (secret === undefined ? longestAccessSeconds : exchange.absoluteSeconds)
  yield* run(
    `INSERT INTO grants (id, client_id, user_id, scope, resources, authenticated_at, issued_at, not_before, generation, token_hash,
       rotated_ms, idle_expires_at, absolute_expires_at, keep_until)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $11, $12, $13)`,
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
  )
  yield* record(transaction, 'grant.made', code.clientId, { grant: grantId, user: code.userId })
  return { grantId, family: secret && { generation: 0, secret } }
}
