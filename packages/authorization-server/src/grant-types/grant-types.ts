import { authorizationCode } from './authorization-code.ts'
import { clientCredentials } from './client-credentials.ts'
import { deviceCode } from './device-code.ts'
import type { GrantType } from './grant-type.ts'
import { refreshToken } from './refresh-token.ts'
import { tokenExchange } from './token-exchange.ts'

/** All grant types. The server metadata is computed from this list, so it cannot promise anything else. */
export const grantTypes: readonly GrantType[] = [
  authorizationCode,
  clientCredentials,
  refreshToken,
  deviceCode,
  tokenExchange,
]
