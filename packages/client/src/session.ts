import { resourceKey, type Secret } from '@arctos/core'
import type { Registration } from './endpoint.ts'
import { readResourceOption } from './options.ts'
import { createResourceFetch, type ResourceFetch } from './resource-fetch.ts'
import { revokeAtServer } from './revocation.ts'
import { createSessionRenewal } from './session-renewal.ts'
import type { SessionState } from './session-state.ts'
import type { SessionStore } from './session-store.ts'
import { createStepUpDesk, type StepUp } from './step-up.ts'
import { createTokenKeeper, type TokenKeeper } from './token-keeper.ts'

/** What a user granted to this program, and the tokens that come of it. */
export interface Session {
  /** The scope that was granted, which may be less than was asked for; a step-up may change it. */
  readonly scope: readonly string[]
  /**
   * A fetch that sends the session's access token to this resource, and only there. The resource has to be one that the user
   * was asked about. Besides what fetch throws: `session_over`, `unavailable`, `outside_resource`, `oauth_error`.
   *
   * With `stepUp` an answer that demands a wider scope or another sign-in leads to a new login (RFC 9470), whose errors are thrown
   * too; parallel calls share it. What it gives is then the whole session, whoever signed in. After two logins in vain the answer
   * is handed on, for ten minutes.
   */
  fetch(target: { readonly resource: string; readonly stepUp?: StepUp }): ResourceFetch
  /** An access token for this resource that is good now, for those who cannot use {@link Session.fetch}. */
  accessToken(target: { readonly resource: string }): Promise<Secret>
  /** Gets a new access token for this resource now, for instance after the user's rights changed. */
  refresh(target: { readonly resource: string }): Promise<void>
  /** Takes the session back at the server (RFC 7009) and marks it as over. Until that is certain the session goes on. */
  revoke(): Promise<void>
}

export function createSession(registration: Registration, store: SessionStore, initial: SessionState): Session {
  const { environment } = registration
  const renewal = createSessionRenewal(registration, store, initial)
  const keepers = new Map<string, TokenKeeper>()

  const keeperOf = (resource: string): TokenKeeper => {
    const key = resourceKey(readResourceOption(resource))
    const known = keepers.get(key)
    if (known !== undefined) return known
    const keeper = createTokenKeeper({
      obtain: (old) => renewal.renew(resource, old),
      environment,
      initial: renewal.heldFor(resource),
      canRenew: renewal.canRenew,
    })
    keepers.set(key, keeper)
    return keeper
  }

  const forgetTokens = (): void => {
    for (const keeper of keepers.values()) keeper.forget()
  }
  const desk = createStepUpDesk(registration, renewal, forgetTokens)

  return {
    get scope() {
      return renewal.scope()
    },
    fetch({ resource, stepUp }) {
      const demands = stepUp && desk.handlerFor(resource, stepUp)
      return createResourceFetch(resource, keeperOf(resource), environment.fetch, demands)
    },
    async accessToken({ resource }) {
      return (await keeperOf(resource).current()).token
    },
    async refresh({ resource }) {
      await keeperOf(resource).renew()
    },
    async revoke() {
      await renewal.end((state) => revokeAtServer(registration, state))
      forgetTokens()
    },
  }
}
