import type { AccessToken } from '@arctos/core'
import type { Configuration } from '../configuration.ts'
import { createFeedGate, type FeedGate, type GatedFeed } from '../feed/feed-gate.ts'
import { createIntrospection } from '../introspection/introspection.ts'
import { type IssuerRegistry, namesOf } from '../keys/trusted-issuers.ts'
import type { StatusLists } from '../status-lists/status-lists.ts'
import { createFreshCheck } from './fresh-check.ts'
import { createOpaqueTokenChecker } from './opaque-token.ts'
import type { RevocationState } from './revocation-state.ts'
import { createSignedTokenChecker } from './signed-token.ts'
import type { TokenCheck, TokenChecker } from './token-check.ts'
import { createVerificationTurn } from './verification-turn.ts'
import { createVerifiedTokens } from './verified-tokens.ts'

/** Two dots make a JWT, whatever is between them; everything else is for its issuer to read. */
function isJwt(token: string): boolean {
  return token.split('.', 4).length === 3
}

/**
 * Checks tokens of either form: a JWT by its signature, and by what its feed says was taken back; any other by asking its issuer.
 *
 * @param feeds by issuer
 * @param write takes a line for the operator
 */
export function createTokenChecker(
  configuration: Configuration,
  registry: IssuerRegistry,
  revocations: RevocationState,
  statusLists: StatusLists | undefined,
  feeds: ReadonlyMap<string, GatedFeed>,
  write: (line: string) => void,
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
  const gateWith = (ask: Ask | undefined): FeedGate | undefined =>
    feeds.size === 0 ? undefined : createFeedGate({ feeds, revocations, elapsed, ask, write })
  if (introspection === undefined) return gated(checkSigned, gateWith(undefined))
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
  const checkGated = gated(
    checkSigned,
    gateWith((access, check) => (access.issuer === issuer ? checkFresh(access, check) : access)),
  )
  return (check) => {
    if (isJwt(check.token)) {
      // Whoever asks the issuer now learns more than the feed could tell.
      if (check.fresh !== true) return checkGated(check)
      const access = checkSigned(check)
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

type Ask = (access: AccessToken, check: TokenCheck) => AccessToken | Promise<AccessToken>

/** The same checker, but with a look at the feed of the issuer behind it. */
function gated(checkToken: TokenChecker, gate: FeedGate | undefined): TokenChecker {
  if (gate === undefined) return checkToken
  return (check) => {
    const access = checkToken(check)
    return access instanceof Promise ? access.then((found) => gate(found, check)) : gate(access, check)
  }
}
