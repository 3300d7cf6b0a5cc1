import { missingScopes } from '@arctos/core'
import { defineVerb, run, type Verb } from '../transaction.ts'
import { agreedScopes, rememberConsent } from './consents.ts'
import { livePrincipals } from './grants.ts'
import { type Spending, spend } from './spent.ts'

const codeLifetimeSeconds = 60
/** How long a spent code is remembered, so that its replay still ends the grant. */
const rememberSeconds = 3_600

/** What the user agreed to. */
export interface Approval {
  readonly codeHash: string
  readonly form: Spending | undefined
  readonly clientId: string
  readonly userId: string
  readonly authenticatedAt: number
  /** The class of the sign-in. */
  readonly acr?: string | undefined
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
    if (principals === undefined || authenticatedAt < principals.signInNotBefore)
      return { outcome: 'principal_disabled' }
    // A withdrawal may have come since the consent was read.
    if (approval.reliesOnConsent === true && missingScopes(approval.scopes, yield* agreedScopes(approval)).length > 0) {
      return { outcome: 'not_agreed' }
    }
    yield* run(
      `INSERT INTO codes (hash, client_id, user_id, scope, resources, redirect_uri, redirect_uri_sent, code_challenge,
         authenticated_at, issued_at, expires_at, attempts, keep_until, acr)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13)`,
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
      approval.acr ?? null,
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
