import { createRecentCache, formatScope, missingScopes, resourceKey } from '@arctos/core'
import type { Registration } from './endpoint.ts'
import { OAuthError } from './errors.ts'
import { readResourceOption, readScopeOption } from './options.ts'
import type { DemandHandler } from './step-up.ts'
import { type HeldToken, requestToken } from './token-answer.ts'
import { createTokenKeeper, type TokenKeeper } from './token-keeper.ts'

/** Tokens for the client itself (RFC 6749 §4.4), one kept for each resource and scope. */
export interface ClientCredentialsTokens {
  keeper(resource: string, scope: string | undefined): TokenKeeper
  /** What one fetch uses: it begins with this scope, and asks for more where the resource demands it. */
  widening(
    resource: string,
    scope: string | undefined,
  ): { readonly keeper: TokenKeeper; readonly demands: DemandHandler }
}

const keeperLimit = 1_000
/** How long a scope that was refused is not asked for again. */
const refusedSeconds = 300

export function createClientCredentialsTokens(registration: Registration): ClientCredentialsTokens {
  const keepers = createRecentCache<string, TokenKeeper>(keeperLimit)
  const keeperOf = (resource: string, words: readonly string[]): TokenKeeper => {
    const key = `${resourceKey(readResourceOption(resource))} ${[...words].sort().join(' ')}`
    const known = keepers.get(key)
    if (known !== undefined) return known
    const keeper = createKeeper(registration, resource, words)
    keepers.set(key, keeper)
    return keeper
  }

  return {
    keeper: (resource, scope) => keeperOf(resource, readScopeOption(scope)),
    widening(resource, scope) {
      const { nowSeconds } = registration.environment
      const refused = createRecentCache<string, number>(keeperLimit)
      let active = keeperOf(resource, readScopeOption(scope))
      let widened = 0
      let widening: Promise<boolean> | undefined

      /** Asks for all that the token has and what it lacks. No user is asked: the server knows what this client may have. */
      const widen = async (held: HeldToken, missing: readonly string[]): Promise<boolean> => {
        const words = [...held.scope, ...missing]
        const key = [...words].sort().join(' ')
        if (nowSeconds() < (refused.get(key) ?? 0)) return false
        const wider = keeperOf(resource, words)
        try {
          const { scope: granted } = await wider.current()
          if (missingScopes(words, granted).length === 0) {
            active = wider
            widened++
            return true
          }
        } catch (error) {
          if (!(error instanceof OAuthError)) throw error
        }
        refused.set(key, nowSeconds() + refusedSeconds)
        return false
      }

      const meetNow = async (isWider: boolean, needed: readonly string[], held: HeldToken): Promise<boolean> => {
        const base = isWider ? await active.current() : held
        const missing = missingScopes(needed, base.scope)
        // Nothing is missing: either another call was faster, or no token would do.
        return missing.length === 0 ? isWider : await widen(base, missing)
      }

      return {
        keeper: {
          current: () => active.current(),
          replace: (rejected) => active.replace(rejected),
          renew: () => active.renew(),
          forget: () => active.forget(),
        },
        demands: {
          ticket: () => widened,
          async meet(ticket, { reason, scope: needed }, held) {
            // There is no user who could sign in again.
            if (reason !== 'insufficient_scope') return false
            // One after the other, so that each asks for what the others got, too.
            while (widening !== undefined) await widening.catch(() => false)
            const met = meetNow(widened > ticket, needed, held)
            widening = met
            try {
              return await met
            } finally {
              if (widening === met) widening = undefined
            }
          },
          settle: () => undefined,
        },
      }
    },
  }
}

function createKeeper(registration: Registration, resource: string, scope: readonly string[]): TokenKeeper {
  const parameters = {
    grant_type: 'client_credentials',
    resource,
    scope: scope.length === 0 ? undefined : formatScope(scope),
  }
  const obtain = async () => {
    // A refresh token is not expected here, and not kept: the client can always ask again (RFC 6749 §4.4.3).
    const answer = await requestToken(registration, { parameters, secretParameters: [], attempts: 'several', scope })
    return answer.accessToken
  }
  return createTokenKeeper({ obtain, environment: registration.environment, canRenew: () => true })
}
