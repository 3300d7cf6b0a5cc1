import { type Actor, readActors } from './actor.ts'
import { type AuthorizationDetail, readAuthorizationDetails } from './authorization-details.ts'
import { type JsonObject, parseJsonObject, readNumber, readString, readStrings } from './json.ts'
import { type Judge, strictJudge } from './judgement.ts'
import { Refusal } from './refusal.ts'

declare const verified: unique symbol

/**
 * What a verified access token says. Only {@link checkAccessTokenClaims} makes one, after the signature (or the issuer's
 * introspection answer) was checked; handlers accept nothing less.
 */
export interface AccessToken {
  readonly [verified]: true
  readonly issuer: string
  /** The user, or the client itself under client credentials. */
  readonly subject: string
  readonly clientId: string
  readonly audience: readonly string[]
  readonly scopes: readonly string[]
  readonly jti: string
  /** Epoch seconds. */
  readonly issuedAt: number
  /** Epoch seconds. */
  readonly expiresAt: number
  /** The grant it was issued under; absent for client credentials and foreign issuers. */
  readonly grantId: string | undefined
  /** How the user was authenticated: the authentication context class (RFC 9470 §6.1). */
  readonly acr: string | undefined
  /** When the user was last authenticated, in epoch seconds: `auth_time` (RFC 9470 §6.1). */
  readonly authenticatedAt: number | undefined
  /** What was granted beyond scopes, frozen; empty where nothing was (RFC 9396 §9.1). */
  readonly authorizationDetails: readonly AuthorizationDetail[]
  /**
   * Who acts for the subject, at most 8 levels; empty where nobody does. The first acts now. The others acted before: a history,
   * never a ground for access (RFC 8693 §4.1).
   */
  readonly actors: readonly Actor[]
  /** All claims, for the application's own members. Whoever shares them between requests calls `freezeClaims` first. */
  readonly claims: JsonObject
}

/** What a resource server expects of a token. */
export interface AccessTokenExpectation {
  readonly issuer: string
  /** The identifier of the resource, compared as bytes. */
  readonly audience: string
  /** How far the clocks of issuer and resource server may be apart, in seconds. */
  readonly clockToleranceSeconds: number
  /** The resource takes tokens of `typ: JWT`: then the claims must rule out an ID token. */
  readonly allowUntyped: boolean
}

/** Reads the payload of a token as claims. Throws `token.malformed`. RFC 7519 §7.2 */
export function parseClaims(payload: Uint8Array): JsonObject {
  const claims = parseJsonObject(payload)
  if (claims === undefined) {
    throw new Refusal('token.malformed', {
      check: 'claims',
      expected: 'one JSON object in UTF-8 without repeated members',
    })
  }
  return claims
}

const idTokenClaims = ['nonce', 'at_hash', 'c_hash']

/**
 * Checks the claims of a token whose signature is already verified, and reads them. Every check goes to the judge, so the same
 * steps decide and explain. RFC 9068 §4, RFC 9068 §2.2
 *
 * @param now epoch seconds
 */
export function checkAccessTokenClaims(
  claims: JsonObject,
  expected: AccessTokenExpectation,
  now: number,
  judge: Judge = strictJudge,
): AccessToken {
  const issuer = readString(claims, 'iss')
  judge('issuer', issuer === expected.issuer, 'token.issuer', expected.issuer, brief(issuer))

  const audience = readStrings(claims, 'aud')
  judge(
    'audience',
    audience?.includes(expected.audience) === true,
    'token.audience',
    expected.audience,
    brief(audience?.join(' ')),
  )

  const { issuedAt, expiresAt } = checkTimes(claims, expected.clockToleranceSeconds, now, judge)

  const subject = readIdentifier(claims, 'sub')
  const clientId = readIdentifier(claims, 'client_id')
  const jti = readIdentifier(claims, 'jti')
  judge('subject', subject !== undefined, 'token.claim_invalid', 'sub', undefined)
  judge('client', clientId !== undefined, 'token.claim_invalid', 'client_id', undefined)
  judge('token id', jti !== undefined, 'token.claim_invalid', 'jti', undefined)

  if (expected.allowUntyped) {
    const foreign = idTokenClaims.find((name) => claims[name] !== undefined)
    judge('not an ID token', foreign === undefined, 'token.type', 'no nonce, at_hash or c_hash', foreign)
  }
  // A token bound to a key that arrives without proof of it may be a stolen one (RFC 9449 §7.1, RFC 8705 §3).
  judge(
    'sender constraint',
    claims['cnf'] === undefined,
    'token.sender_constrained',
    'no cnf',
    claims['cnf'] === undefined ? undefined : 'cnf',
  )

  const scopes = readScopes(claims)
  judge('scope claim', scopes !== undefined, 'token.claim_invalid', 'scope as text', typeof claims['scope'])
  const acr = readIdentifier(claims, 'acr')
  if (acr === undefined) judgeAbsent(claims, 'acr', 'acr as text', judge)
  const authenticatedAt = readTime(claims, 'auth_time')
  if (authenticatedAt === undefined) judgeAbsent(claims, 'auth_time', 'auth_time in epoch seconds', judge)
  const authorizationDetails = readAuthorizationDetails(claims)
  if (authorizationDetails === undefined) judgeAbsent(claims, 'authorization_details', 'objects with a type', judge)
  const actors = readActors(claims)
  if (actors === undefined) judgeAbsent(claims, 'act', 'objects with sub or client_id, 8 levels at most', judge)

  const token = {
    issuer: issuer ?? '',
    subject: subject ?? '',
    clientId: clientId ?? '',
    audience: audience ?? [],
    scopes: scopes ?? [],
    jti: jti ?? '',
    issuedAt,
    expiresAt,
    grantId: readString(claims, 'grant_id'),
    acr,
    authenticatedAt,
    authorizationDetails: authorizationDetails ?? [],
    actors: actors ?? [],
    claims,
  }
  return token as unknown as AccessToken
}

/** A claim that may be absent, and could not be read: then it has to be absent. */
function judgeAbsent(claims: JsonObject, name: string, expected: string, judge: Judge): void {
  if (claims[name] !== undefined) judge(`${name} claim`, false, 'token.claim_invalid', expected, typeof claims[name])
}

/** A token lives from `iat` (and `nbf`, if any) up to `exp`, each bound widened by the tolerance. RFC 7519 §4.1.4 */
function checkTimes(
  claims: JsonObject,
  toleranceSeconds: number,
  now: number,
  judge: Judge,
): { readonly issuedAt: number; readonly expiresAt: number } {
  const expiresAt = readTime(claims, 'exp')
  judge('expiry claim', expiresAt !== undefined, 'token.claim_invalid', 'exp in epoch seconds', typeof claims['exp'])
  judge('expiry', expiresAt === undefined || now < expiresAt + toleranceSeconds, 'token.expired', now, expiresAt)

  const issuedAt = readTime(claims, 'iat')
  judge('issue time claim', issuedAt !== undefined, 'token.claim_invalid', 'iat in epoch seconds', typeof claims['iat'])
  const notBefore = claims['nbf'] === undefined ? 0 : readTime(claims, 'nbf')
  judge('start claim', notBefore !== undefined, 'token.claim_invalid', 'nbf in epoch seconds', typeof claims['nbf'])
  const earliest = Math.max(issuedAt ?? 0, notBefore ?? 0)
  judge('issue time', earliest <= now + toleranceSeconds, 'token.issued_in_future', now, earliest)
  return { issuedAt: issuedAt ?? 0, expiresAt: expiresAt ?? 0 }
}

const identifierLimit = 512

function readIdentifier(claims: JsonObject, name: string): string | undefined {
  const value = readString(claims, name)
  return value !== undefined && value.length > 0 && value.length <= identifierLimit ? value : undefined
}

/** Epoch seconds within the years 1970 to 9999; NumericDate may have a fraction (RFC 7519 §2). */
function readTime(claims: JsonObject, name: string): number | undefined {
  const value = readNumber(claims, name)
  return value !== undefined && value >= 0 && value < 253_402_300_800 ? value : undefined
}

const none: readonly string[] = []

/** `scope` as RFC 8693 §4.2 has it; `scp` is what two large issuers send instead. */
function readScopes(claims: JsonObject): readonly string[] | undefined {
  const scope = claims['scope']
  if (typeof scope === 'string') return scope === '' ? none : scope.split(' ')
  if (scope !== undefined) return undefined
  return claims['scp'] === undefined ? none : readStrings(claims, 'scp')
}

/** What was received goes into explanations only in part: it is the sender's text. */
function brief(text: string | undefined): string | undefined {
  return text?.slice(0, 120)
}
