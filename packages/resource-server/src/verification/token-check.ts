import type { AccessToken, Judge } from '@arctos/core'
import type { FeedDemand } from '../feed/rule.ts'
import type { TrustedIssuers } from '../keys/trusted-issuers.ts'

/** One look at one token. The judge decides whether the first failure ends it, or all of them are written down. */
export interface TokenCheck {
  readonly token: string
  /** Whose tokens the request may carry; a remembered decision holds only where its issuer is among them, the same object. */
  readonly issuers: TrustedIssuers
  /** Epoch seconds. */
  readonly now: number
  readonly judge: Judge
  /**
   * Called when the issuer's word for the token is proven, by signature or introspection: from then on a receipt may be shown to
   * the client that the token names.
   */
  readonly proven: (clientId: string | undefined) => void
  /** Whether the issuer has to be asked now, whatever it said before. */
  readonly fresh?: boolean | undefined
  /** What the route says about the revocation feed, over what the guard says. */
  readonly revocations?: FeedDemand | undefined
  /** Whether the answer may wait for the end of the event loop's turn, where tokens are verified together. */
  readonly mayWait?: boolean | undefined
}

/**
 * Checks a token of one form: at once where everything needed is at hand. Throws (or rejects with) a refusal for what cannot be
 * looked at further.
 */
export type TokenChecker = (check: TokenCheck) => AccessToken | Promise<AccessToken>

/** What was verified about the caller of a route. */
export type Access = AccessToken

/**
 * The access that an adapter put on a request. Throws a TypeError where no guard did: then the route is open by mistake.
 */
export function accessOf(request: object): Access {
  const { access } = request as { readonly access?: Access }
  if (access === undefined) throw new TypeError('this request passed no guard: protect its route')
  return access
}
