import {
  checkAccessTokenClaims,
  freezeClaims,
  type JsonObject,
  Refusal,
  readString,
  sha256Base64url,
  tokenLengthLimit,
} from '@arctos/core'
import { judgeType } from '../introspection/introspected-type.ts'
import type { Introspection } from '../introspection/introspection.ts'
import type { TokenChecker } from './token-check.ts'

export interface OpaqueTokenOptions {
  readonly resource: string
  readonly issuer: string
  readonly introspection: Introspection
  readonly clockToleranceSeconds: number
}

/** Checks a token that only its issuer can read, by asking it, and then the claims of the answer. RFC 7662 §2.2 */
export function createOpaqueTokenChecker(options: OpaqueTokenOptions): TokenChecker {
  const { resource: audience, issuer, introspection, clockToleranceSeconds } = options
  return async ({ token, judge, now, proven, fresh }) => {
    if (token.length > tokenLengthLimit) {
      throw new Refusal('token.malformed', { check: 'length', expected: tokenLengthLimit, received: token.length })
    }
    judge('length', true, 'token.malformed', tokenLengthLimit, token.length)
    const answer = await introspection.ask(token, { fresh, judge })
    if (answer === undefined) throw new Refusal('token.inactive', { check: 'active', expected: true, received: false })
    judge('active', true, 'token.inactive', true, true)
    proven(readString(answer, 'client_id'))
    judgeType(answer, judge)
    const claims = completeClaims(answer, { iss: issuer, aud: audience, jti: sha256Base64url(token), exp: now + 1 })
    return checkAccessTokenClaims(claims, { issuer, audience, clockToleranceSeconds, allowUntyped: false }, now, judge)
  }
}

interface Defaults {
  readonly iss: string
  readonly aud: string
  readonly jti: string
  readonly exp: number
}

/**
 * Only `active` is required of an answer (RFC 7662 §2.2). Whatever else is there is checked like a claim; what is not there stands
 * as the issuer's own word: the token is its own, for the resource that asked, and good at this moment. Frozen, for requests
 * that arrive together share the answer.
 */
function completeClaims(answer: JsonObject, defaults: Defaults): JsonObject {
  return freezeClaims({ ...defaults, iat: 0, sub: answer['client_id'], ...answer })
}
