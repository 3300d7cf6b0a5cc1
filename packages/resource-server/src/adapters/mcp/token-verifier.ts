import { refusalRow } from '@arctos/core'
import type { ResourceServer } from '../../resource-server.ts'
import { authInfoOf, type McpAuthInfo } from './auth-info.ts'
import { remember } from './call-check.ts'

/** `OAuthTokenVerifier` of both lines of the SDK. */
export interface McpTokenVerifier {
  verifyAccessToken(token: string): Promise<McpAuthInfo>
}

/**
 * For those who keep the SDK's own `requireBearerAuth`. `invalidToken` makes its error, which only its own package can:
 * `(sentence) => new InvalidTokenError(sentence)` in the first line, `(sentence) => new OAuthError('invalid_token', sentence)` in
 * the second. Any other error is ours, and the SDK answers it with 500: an outage logs nobody out.
 *
 * The SDK reads the header itself: it takes `Bearer a b` for `a`, and names an error to those who sent no token at all
 * (RFC 6750 §3.1). `mcpGuard` does neither.
 */
export function tokenVerifier(api: ResourceServer, invalidToken: (sentence: string) => Error): McpTokenVerifier {
  const decide = api.guard()
  return {
    async verifyAccessToken(token) {
      const request = { method: 'POST', url: '', headers: { authorization: `Bearer ${token}` } }
      const decision = await decide(request)
      if (decision.ok) {
        const authInfo = authInfoOf(api, decision.access)
        remember(authInfo, request)
        return authInfo
      }
      const { sentence } = refusalRow(decision.reason)
      throw decision.status < 500 ? invalidToken(sentence) : new Error(sentence)
    },
  }
}
