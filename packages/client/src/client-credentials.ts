import { createRecentCache, formatScope, resourceKey } from '@arctos/core'
import type { Registration } from './endpoint.ts'
import { readResourceOption, readScopeOption } from './options.ts'
import { requestToken } from './token-answer.ts'
import { createTokenKeeper, type TokenKeeper } from './token-keeper.ts'

/** Tokens for the client itself (RFC 6749 §4.4), one kept for each resource and scope. */
export interface ClientCredentialsTokens {
  keeper(resource: string, scope: string | undefined): TokenKeeper
}

const keeperLimit = 1_000

export function createClientCredentialsTokens(registration: Registration): ClientCredentialsTokens {
  const keepers = createRecentCache<string, TokenKeeper>(keeperLimit)
  return {
    keeper(resource, scope) {
      const words = readScopeOption(scope)
      const key = `${resourceKey(readResourceOption(resource))} ${[...words].sort().join(' ')}`
      const known = keepers.get(key)
      if (known !== undefined) return known
      const keeper = createKeeper(registration, resource, words)
      keepers.set(key, keeper)
      return keeper
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
