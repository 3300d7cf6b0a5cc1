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
}
