import type { Secret } from '@arctos/core'
import type { AuthenticatedClient } from '../client-authentication/authenticate.ts'
import type { ServerContext } from '../context.ts'
import type { JournalEvent } from '../journal.ts'
import type { Parameters } from '../parameters.ts'
import type { IssuedAccess } from '../store/verbs/access.ts'

/** What a grant type hands back: what the store issued, still to be signed and written. */
export interface IssuedTokens {
  readonly access: IssuedAccess
  /** What was granted, as the answer says it. */
  readonly scopes: readonly string[]
  readonly refreshToken: Secret | undefined
  /** What kind of token it is, where the answer has to say so (RFC 8693 §2.2.1). */
  readonly issuedTokenType?: string
}

/** One grant type: its name on the wire and what it does with plain data. One file each, and one entry in the list. */
export interface GrantType {
  readonly name: string
  readonly run: (
    context: ServerContext,
    authenticated: AuthenticatedClient,
    parameters: Parameters,
    event: JournalEvent,
  ) => Promise<IssuedTokens>
  /**
   * For a request that shows no client, where what it brings proves by itself who asks (RFC 8693 §2.1). A client needs no
   * permission for such a grant type either.
   */
  readonly runAlone?: (context: ServerContext, parameters: Parameters, event: JournalEvent) => Promise<IssuedTokens>
}
