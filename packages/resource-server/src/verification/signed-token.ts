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
  strictJudge,
} from '@arctos/core'
import {
  type AccessTokenKey,
  namesOf,
  type TrustedIssuer,
  verifyAccessTokenSignature,
} from '../keys/trusted-issuers.ts'
import type { RevocationState } from './revocation-state.ts'
import type { TokenCheck, TokenChecker } from './token-check.ts'
import type { VerificationTurn } from './verification-turn.ts'
import type { VerifiedTokens } from './verified-tokens.ts'

export interface SignedTokenOptions {
  readonly resource: string
  /** Whether HS256 is on offer: where the resource shares a secret with an issuer. */
  readonly allowSharedSecret: boolean
  readonly allowUntyped: boolean
  readonly clockToleranceSeconds: number
  readonly revocations: RevocationState
  /** Where verified tokens are kept; `undefined` where none are. */
  readonly verified: VerifiedTokens | undefined
  readonly turn: VerificationTurn
}

/**
 * Checks a JWT access token. One that was verified before is looked up; the others of one turn of the event loop are verified
 * together. Whoever explains gets every step, so nothing is looked up for it.
 */
export function createSignedTokenChecker(options: SignedTokenOptions): TokenChecker {
  const { verified, turn } = options
  const verify = createVerification(options)
  return (check) => {
    if (verified === undefined || check.judge !== strictJudge) {
      return check.mayWait === true ? turn.add(() => verify(check, undefined)) : verify(check, undefined)
    }
    const name = verified.nameOf(check.token)
    const known = verified.find(name, check)
    if (known !== undefined) return known
    return check.mayWait === true ? turn.add(() => verify(check, name)) : verify(check, name)
  }
}

/**
 * Checks a JWT access token in full: header, kind, issuer, key by (issuer, kid), signature, and then the claims. Nothing is fetched before
 * everything that costs nothing was looked at, and nothing that the token names is ever fetched. RFC 9068 §4
 */
function createVerification(
  options: SignedTokenOptions,
): (check: TokenCheck, name: string | undefined) => AccessToken | Promise<AccessToken> {
  const { resource: audience, allowSharedSecret, allowUntyped, clockToleranceSeconds, revocations, verified } = options
  const kind = allowUntyped ? 'untypedAccessToken' : 'accessToken'
  const checkClaims = (claims: JsonObject, issuer: string, { now, judge }: TokenCheck): AccessToken => {
    const expected = { issuer, audience, clockToleranceSeconds, allowUntyped }
    const access = checkAccessTokenClaims(claims, expected, now, judge)
    revocations.judge(access, judge)
    return access
  }

  return (check, name) => {
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
    const trusted = keys === undefined ? namesOf(issuers) : keys.issuer
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
      const access = checkClaims(claims, issuer, check)
      if (key !== undefined) keys.signed(access, key.kid)
      // Only a judge that throws has a name to keep it under, so whatever comes this far is good.
      if (name !== undefined && key !== undefined) verified?.keep(name, access, keys, key)
      return access
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
