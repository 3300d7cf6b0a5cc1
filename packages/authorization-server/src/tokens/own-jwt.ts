import {
  checkTokenKind,
  decodeUnverifiedJws,
  parseClaims,
  Refusal,
  readActors,
  readNumber,
  readStatusReference,
  readString,
  readStrings,
  resourceKey,
  type UnverifiedJws,
  verifySharedSecretJws,
  verifySignature,
} from '@arctos/core'
import type { KeyRing } from '../keys/key-ring.ts'
import { type AccessFacts, lineageLimit } from '../store/verbs/introspection.ts'

/** Whose tokens are read, and with which keys. */
export interface JwtReading {
  readonly issuer: string
  readonly keys: Pick<KeyRing, 'verificationKey' | 'sharedSecret'>
}

/**
 * Reads an access token that is a JWT of our own: form, kind, signature by a key that is not withdrawn, then claims. Returns
 * `undefined` for anything else; who asks is not told what was wrong. Expiry is the caller's to judge.
 */
export function readOwnJwt(context: JwtReading, token: string): AccessFacts | undefined {
  try {
    const jws = decodeUnverifiedJws(token)
    checkTokenKind(jws.header, 'untypedAccessToken')
    if (jws.header.alg === 'HS256') return readUnderSecret(context, jws)
    const key = context.keys.verificationKey(jws.header.kid ?? '')
    if (key === undefined) return undefined
    verifySignature(jws, key)
    return factsOfClaims(context.issuer, parseClaims(jws.payload))
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

/** A token under the secret of one resource is for that resource, or its holder made it for another one. */
function readUnderSecret(context: JwtReading, jws: UnverifiedJws): AccessFacts | undefined {
  const key = context.keys.sharedSecret(jws.header.kid ?? '')
  if (key === undefined) return undefined
  verifySharedSecretJws(jws, key)
  const facts = factsOfClaims(context.issuer, parseClaims(jws.payload))
  return facts?.audience.every((audience) => resourceKey(audience) === key.resource) ? facts : undefined
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
  const [grants, actors] = [claims['grants'] === undefined ? [] : readStrings(claims, 'grants'), readActors(claims)]
  // A lineage that cannot be read could hide a grant that has ended.
  if (grants === undefined || grants.length > lineageLimit || actors === undefined) return undefined
  const status = readStatusReference(claims)
  const scopes = (readString(claims, 'scope') ?? '').split(' ').filter(Boolean)
  return {
    jti,
    clientId,
    subject,
    grantId: readString(claims, 'grant_id'),
    grants,
    actors: actors.flatMap((actor) => [actor.subject, actor.clientId]).filter((name) => name !== undefined),
    audience,
    scopes,
    issuedAt,
    expiresAt,
    authenticatedAt: readNumber(claims, 'auth_time'),
    acr: readString(claims, 'acr'),
    statusReference: status === 'malformed' ? undefined : status,
  }
}
