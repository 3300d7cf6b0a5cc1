import {
  checkTokenKind,
  decodeUnverifiedJws,
  parseClaims,
  Refusal,
  readNumber,
  readString,
  readStrings,
  verifySignature,
} from '@arctos/core'
import type { ServerContext } from '../context.ts'
import type { AccessFacts } from '../store/verbs/introspection.ts'

/**
 * Reads an access token that is a JWT of our own: form, kind, signature by a key that is not withdrawn, then claims. Returns
 * `undefined` for anything else; who asks is not told what was wrong. Expiry is the caller's to judge.
 */
export function readOwnJwt(context: ServerContext, token: string): AccessFacts | undefined {
  try {
    const jws = decodeUnverifiedJws(token)
    checkTokenKind(jws.header, 'untypedAccessToken')
    const key = context.keys.verificationKey(jws.header.kid ?? '')
    if (key === undefined) return undefined
    verifySignature(jws, key)
    return factsOfClaims(context.issuer, parseClaims(jws.payload))
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

function factsOfClaims(issuer: string, claims: ReturnType<typeof parseClaims>): AccessFacts | undefined {
  const jti = readString(claims, 'jti')
  const clientId = readString(claims, 'client_id')
  const subject = readString(claims, 'sub')
  const audience = readStrings(claims, 'aud')
  const issuedAt = readNumber(claims, 'iat')
  const expiresAt = readNumber(claims, 'exp')
  if (readString(claims, 'iss') !== issuer || jti === undefined || clientId === undefined || subject === undefined)
    return undefined
  if (audience === undefined || issuedAt === undefined || expiresAt === undefined) return undefined
  const scopes = (readString(claims, 'scope') ?? '').split(' ').filter(Boolean)
  return { jti, clientId, subject, grantId: readString(claims, 'grant_id'), audience, scopes, issuedAt, expiresAt }
}
