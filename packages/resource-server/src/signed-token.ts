import {
  type AccessToken,
  checkAccessTokenClaims,
  checkTokenKind,
  decodeUnverifiedJws,
  isAlgorithm,
  type JoseHeader,
  type JsonObject,
  type Judge,
  parseClaims,
  type Reason,
  Refusal,
  readNumber,
  readString,
  stepOfRefusal,
} from '@arctos/core'
import type { TokenCheck, TokenChecker } from './token-check.ts'
import { type AccessTokenKey, type TrustedIssuer, verifyAccessTokenSignature } from './trusted-issuers.ts'

export interface SignedTokenOptions {
  readonly resource: string
  /** Whether HS256 is on offer: where the resource shares a secret with an issuer. */
  readonly allowSharedSecret: boolean
  readonly allowUntyped: boolean
  readonly clockToleranceSeconds: number
}

/**
 * Checks a JWT access token: header, kind, issuer, key by (issuer, kid), signature, and then the claims. Nothing is fetched before
 * everything that costs nothing was looked at, and nothing that the token names is ever fetched. RFC 9068 §4
 */
export function createSignedTokenChecker(options: SignedTokenOptions): TokenChecker {
  const { resource: audience, allowSharedSecret, allowUntyped, clockToleranceSeconds } = options
  const kind = allowUntyped ? 'untypedAccessToken' : 'accessToken'
  const checkClaims = (claims: JsonObject, issuer: string, { now, judge }: TokenCheck): AccessToken =>
    checkAccessTokenClaims(claims, { issuer, audience, clockToleranceSeconds, allowUntyped }, now, judge)

  return (check) => {
    const { judge, issuers } = check
    const jws = decodeUnverifiedJws(check.token)
    const { alg, kid, typ } = jws.header
    judge('form', true, 'token.malformed', 'strict compact JWS', undefined)
    pass(judge, 'type', 'token.type', typ?.slice(0, 40), () => checkTokenKind(jws.header, kind))
    const isOnOffer = isAlgorithm(alg) || (allowSharedSecret && alg === 'HS256')
    judge('algorithm on offer', isOnOffer, 'token.algorithm', 'an asymmetric algorithm', alg.slice(0, 20))
    const claims = parseClaims(jws.payload)

    const issuer = readString(claims, 'iss')
    const keys = issuer === undefined ? undefined : issuers.get(issuer)
    const trusted = keys === undefined ? [...issuers.keys()].join(' ') : keys.issuer
    judge('trusted issuer', keys !== undefined, 'token.issuer', trusted, issuer?.slice(0, 120))
    // A recording judge lets a stranger's token come this far; then any of the trusted issuers would have been right.
    if (issuer === undefined || keys === undefined) return checkClaims(claims, trusted, check)

    const finish = (key: AccessTokenKey | undefined): AccessToken => {
      judge('key', key !== undefined, 'token.key_unknown', `a key of ${issuer}`, describeMiss(keys, kid, key))
      if (key !== undefined) {
        const isProven = pass(judge, 'signature', 'token.signature', undefined, () =>
          verifyAccessTokenSignature(jws, key),
        )
        if (isProven) check.proven(readString(claims, 'client_id'))
      }
      return checkClaims(claims, issuer, check)
    }
    const held = keyHeld(keys, kid)
    return held === undefined ? keyFetched(keys, jws.header, claims, options, check).then(finish) : finish(held)
  }
}

function keyHeld(keys: TrustedIssuer, kid: string | undefined): AccessTokenKey | undefined {
  return kid === undefined ? undefined : keys.held(kid)
}

/** Asks the issuer for a key, but not for the sake of a token that is dead by its own word. */
async function keyFetched(
  keys: TrustedIssuer,
  { kid, alg }: JoseHeader,
  claims: JsonObject,
  { clockToleranceSeconds }: SignedTokenOptions,
  { now, judge }: TokenCheck,
): Promise<AccessTokenKey | undefined> {
  // A shared secret is in no key set, so none is worth asking for.
  if (kid === undefined || alg === 'HS256') return undefined
  const end = readNumber(claims, 'exp')
  if (end === undefined)
    judge('expiry claim', false, 'token.claim_invalid', 'exp in epoch seconds', typeof claims['exp'])
  else if (now >= end + clockToleranceSeconds) judge('expiry', false, 'token.expired', now, end)
  return keys.find(kid)
}

function describeMiss(
  keys: TrustedIssuer,
  kid: string | undefined,
  key: AccessTokenKey | undefined,
): string | undefined {
  if (key !== undefined) return key.kid
  if (kid === undefined) return 'no kid'
  const why = keys.rejection(kid)
  return why === undefined ? kid.slice(0, 80) : `${kid.slice(0, 80)}: ${why}`
}

/** Tells the judge how a check of core's ended that throws where it fails, and the caller whether it passed. */
function pass(judge: Judge, check: string, reason: Reason, received: string | undefined, action: () => void): boolean {
  try {
    action()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const step = stepOfRefusal(error)
    judge(step.check, false, error.reason, step.expected, step.received)
    return false
  }
  judge(check, true, reason, undefined, received)
  return true
}
