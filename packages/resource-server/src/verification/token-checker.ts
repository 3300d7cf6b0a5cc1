import type { Configuration } from '../configuration.ts'
import { createIntrospection } from '../introspection/introspection.ts'
import { type IssuerRegistry, namesOf } from '../keys/trusted-issuers.ts'
import type { StatusLists } from '../status-lists/status-lists.ts'
import { createFreshCheck } from './fresh-check.ts'
import { createOpaqueTokenChecker } from './opaque-token.ts'
import type { RevocationState } from './revocation-state.ts'
import { createSignedTokenChecker } from './signed-token.ts'
import type { TokenChecker } from './token-check.ts'
import { createVerificationTurn } from './verification-turn.ts'
import { createVerifiedTokens } from './verified-tokens.ts'

/** Two dots make a JWT, whatever is between them; everything else is for its issuer to read. */
function isJwt(token: string): boolean {
  return token.split('.', 4).length === 3
}

/** Checks tokens of either form: a JWT by its signature, any other by asking its issuer. */
export function createTokenChecker(
  configuration: Configuration,
  registry: IssuerRegistry,
  revocations: RevocationState,
  statusLists: StatusLists | undefined,
): TokenChecker {
  const { resource, introspection, clockToleranceSeconds, allowUntyped, now, elapsed, metrics } = configuration
  const allowSharedSecret = configuration.sharedSecrets.length > 0
  const size = configuration.verifiedTokens
  const counts = metrics.verifiedTokens
  const checkJwt = createSignedTokenChecker({
    resource,
    allowSharedSecret,
    allowUntyped,
    clockToleranceSeconds,
    revocations,
    verified: size === 0 ? undefined : createVerifiedTokens({ size, clockToleranceSeconds, revocations, counts }),
    turn: createVerificationTurn(elapsed),
  })
  const checkSigned = statusLists === undefined ? checkJwt : statusLists.watch(checkJwt)
  if (introspection === undefined) return checkSigned
  const { issuer } = introspection
  const fetch = metrics.ofIssuer(issuer).watch(configuration.fetch)
  const ports = { issuer: registry.issuerNamed(issuer), fetch, now, elapsed, metrics }
  const asking = {
    resource,
    issuer,
    introspection: createIntrospection({ ...introspection, resource, clockToleranceSeconds }, ports),
    clockToleranceSeconds,
  }
  const checkOpaque = createOpaqueTokenChecker(asking)
  const checkFresh = createFreshCheck({ ...asking, revocations })
  return (check) => {
    if (isJwt(check.token)) {
      const access = checkSigned(check)
      if (check.fresh !== true) return access
      return access instanceof Promise ? access.then((found) => checkFresh(found, check)) : checkFresh(access, check)
    }
    // Where the issuer of opaque tokens is not trusted for this request, it is not asked either.
    check.judge('trusted issuer', check.issuers.has(issuer), 'token.issuer', namesOf(check.issuers), issuer)
    return Promise.resolve(checkOpaque(check)).then((access) => {
      revocations.judge(access, check.judge)
      return access
    })
  }
}
