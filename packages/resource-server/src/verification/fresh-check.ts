import { checkAccessTokenClaims, freezeClaims, type JsonObject, type Judge, strictJudge } from '@arctos/core'
import { judgeType } from '../introspection/introspected-type.ts'
import type { Introspection } from '../introspection/introspection.ts'
import type { RevocationState } from './revocation-state.ts'
import type { Access, TokenCheck } from './token-check.ts'

export interface FreshCheckOptions {
  readonly resource: string
  /** The issuer that can be asked. */
  readonly issuer: string
  readonly introspection: Introspection
  readonly clockToleranceSeconds: number
  readonly revocations: RevocationState
}

const identity = ['iss', 'sub', 'client_id', 'jti']

/**
 * Asks the issuer about a token whose signature and claims were good, and holds the token to both: the answer has to speak
 * of the same token, pass every check of claims itself, and can only take scopes and time away. A token that is no longer active has
 * been taken back, so it is refused on every route from then on: its signature alone would still be good there. RFC 7662 §2.2
 */
export function createFreshCheck(
  options: FreshCheckOptions,
): (access: Access, check: TokenCheck) => Access | Promise<Access> {
  const { resource: audience, issuer, introspection, clockToleranceSeconds, revocations } = options
  return async (access, { token, now, judge, fresh = false }) => {
    judge('issuer to ask', access.issuer === issuer, 'token.issuer', issuer, access.issuer.slice(0, 120))
    // A recording judge comes this far with the token of another issuer, which is none of this one's business.
    if (access.issuer !== issuer) return access
    const answer = await introspection.ask(token, { fresh, judge })
    // Whoever explains comes this far with a token that is forged, too, and its id may be another's.
    if (answer === undefined && judge === strictJudge) {
      revocations.add({ kind: 'token', issuer, jti: access.jti, expiresAt: access.expiresAt }, now)
    }
    judge('active now', answer !== undefined, 'token.inactive', true, answer !== undefined)
    if (answer === undefined) return access
    for (const name of identity) {
      const isSame = answer[name] === undefined || answer[name] === access.claims[name]
      judge(`${name} now`, isSame, 'token.claim_invalid', `${name} of the token`, isSame ? undefined : 'another')
    }
    const again: Judge = (check, ...result) => judge(`${check} now`, ...result)
    judgeType(answer, again)
    const expectation = { issuer, audience, clockToleranceSeconds, allowUntyped: false }
    const confirmed = checkAccessTokenClaims(narrowed(access, answer), expectation, now, again)
    // By the token's own word: what was taken back while the issuer was asked stays so, whatever the answer says of its age.
    revocations.judge(access, again)
    return confirmed
  }
}

/** What the issuer says now, over what the token says; but scopes that it did not have before, and a later end, it cannot get. */
function narrowed({ claims, scopes, expiresAt }: Access, answer: JsonObject): JsonObject {
  const { scope, exp } = answer
  const said = typeof scope === 'string' ? new Set(scope.split(' ')) : undefined
  const kept = said === undefined ? scopes : scopes.filter((word) => said.has(word))
  return freezeClaims({
    ...claims,
    ...answer,
    scope: scope === undefined || said !== undefined ? kept.join(' ') : scope,
    exp: typeof exp === 'number' ? Math.min(exp, expiresAt) : (exp ?? expiresAt),
  })
}
