import type { Secret } from '@arctos/core'
import { postForm, type Registration } from './endpoint.ts'
import type { SessionState } from './session-state.ts'

/**
 * Takes a token back at the server (RFC 7009 §2.1). Throws `unavailable` where it could not be told: then the token still lives.
 */
export async function revokeToken(registration: Registration, token: Secret): Promise<void> {
  const parameters = { token: token.reveal() }
  await postForm(registration, 'revocationEndpoint', parameters, { attempts: 'several', secrets: [parameters.token] })
}

/**
 * Takes a session back at the server (RFC 7009 §2.1): by its refresh token, with which its access tokens end too, or by each
 * access token where there is none. After 503 the tokens still live, so it is tried again, and `unavailable` is thrown in the
 * end (RFC 7009 §2.2.1).
 */
export async function revokeAtServer(registration: Registration, state: SessionState): Promise<void> {
  const { refreshToken, accessTokens } = state
  const tokens =
    refreshToken === undefined
      ? Object.values(accessTokens).map(({ token }) => ({ token: token.reveal(), token_type_hint: 'access_token' }))
      : [{ token: refreshToken.reveal(), token_type_hint: 'refresh_token' }]
  for (const parameters of tokens) {
    await postForm(registration, 'revocationEndpoint', parameters, { attempts: 'several', secrets: [parameters.token] })
  }
}
