import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'
import { decodeBase64url, encodeBase64url } from './base64url.ts'
import type { UnverifiedJws } from './compact-jws.ts'
import { equalInConstantTime, hmacSha256 } from './crypto.ts'
import { parseOpaqueToken } from './opaque-token.ts'
import { Refusal } from './refusal.ts'
import type { Secret } from './secret.ts'

/**
 * A secret that one issuer and one resource share, for access tokens under HS256. It is no {@link VerificationKey}: no JWK becomes
 * one, and nothing that verifies with public keys takes it, so a public key never serves as a secret. RFC 8725 §3.1
 */
export interface SharedSecretKey {
  readonly kid: string
  readonly algorithm: 'HS256'
  /** The issuer, as in `iss`. */
  readonly owner: string
  /** The resource, as in `aud`. */
  readonly resource: string
  readonly secret: KeyObject
}

/** Why a secret was not taken. It never repeats the secret. */
export interface RejectedSecret {
  readonly why: string
}

/** Bytes of the secrets that Arctos makes. */
export const sharedSecretBytes = 32

const byteLimit = 512
const keyText = /^\s*(-----BEGIN|\{)/
/** As {@link keyText}, but of decoded bytes: one random secret in 256 begins with a brace, and none of them is printable to its end. */
const keyBytes = /^\s*(-----BEGIN|\{[\t\n\r -~]*\}\s*$)/
/** 32 random bytes have about 30 distinct values; fewer than 16 is what no generator ever draws. */
const leastDistinct = 16

/**
 * Takes a secret in one of two forms: `arctos_hs_…`, or canonical base64url of 32 to 512 bytes. What is shorter, what a person
 * could have typed, and what is a public key in any usual form is refused, with the reason. RFC 8725 §3.5, RFC 7518 §3.2
 */
export function importSharedSecret(
  secret: Secret,
  bound: { readonly kid: string; readonly owner: string; readonly resource: string },
): SharedSecretKey | RejectedSecret {
  const { kid, owner, resource } = bound
  if (kid === '' || kid.length > 256) return { why: 'its kid is empty or too long' }
  const text = secret.reveal()
  if (text.startsWith('arctos_')) {
    const made = parseOpaqueToken('sharedSecret', text, sharedSecretBytes)
    if (made === undefined) return { why: 'it is another kind of secret, or was mistyped' }
    return { kid, algorithm: 'HS256', owner, resource, secret: createSecretKey(made) }
  }
  if (keyText.test(text)) return { why: 'it is a key of another kind, as PEM or JWK' }
  if (text.length > 2 * byteLimit) return { why: `it has more than ${byteLimit} bytes` }
  const bytes = decodeBase64url(text)
  if (bytes === undefined) return { why: 'it is not canonical base64url' }
  const problem = materialProblem(bytes)
  if (problem !== undefined) return { why: problem }
  return { kid, algorithm: 'HS256', owner, resource, secret: createSecretKey(bytes) }
}

/** Whether {@link importSharedSecret} took the secret. */
export function isSharedSecretKey(result: object): result is SharedSecretKey {
  return 'secret' in result
}

function materialProblem(bytes: Buffer): string | undefined {
  if (bytes.byteLength < sharedSecretBytes) return `it has ${bytes.byteLength} bytes, not 32 or more`
  if (bytes.byteLength > byteLimit) return `it has more than ${byteLimit} bytes`
  if (isPublic(bytes)) return 'it is a public key'
  return new Set(bytes).size < leastDistinct ? 'it is not random' : undefined
}

/** Whether anyone could know these bytes, because they are a public key: as text, in DER, or as a point of P-256. */
function isPublic(bytes: Buffer): boolean {
  if (keyBytes.test(bytes.toString('latin1'))) return true
  const inDer = (['spki', 'pkcs1'] as const).some((type) => {
    return isKey(() => createPublicKey({ key: bytes, format: 'der', type }))
  })
  if (inDer || bytes.byteLength !== 65 || bytes[0] !== 0x04) return inDer
  const x = bytes.toString('base64url', 1, 33)
  const y = bytes.toString('base64url', 33)
  return isKey(() => createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' }))
}

function isKey(read: () => KeyObject): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}

/** Checks the HMAC. Throws `token.algorithm` or `token.signature`. RFC 7515 §5.2, RFC 7518 §3.2 */
export function verifySharedSecretJws(jws: UnverifiedJws, key: SharedSecretKey): void {
  const { alg } = jws.header
  if (alg !== key.algorithm) {
    throw new Refusal('token.algorithm', { check: 'algorithm', expected: key.algorithm, received: alg.slice(0, 20) })
  }
  if (!equalInConstantTime(hmacSha256(key.secret, jws.signingInput), jws.signature)) {
    throw new Refusal('token.signature', {
      check: 'signature',
      expected: `made with secret ${key.kid}`,
      received: 'another signature',
    })
  }
}

/** Signs a payload as compact JWS of this kind. */
export function signSharedSecretJws(typ: string, payload: string, key: SharedSecretKey): string {
  const header = encodeBase64url(JSON.stringify({ alg: key.algorithm, kid: key.kid, typ }))
  const input = `${header}.${encodeBase64url(payload)}`
  return `${input}.${hmacSha256(key.secret, input).toString('base64url')}`
}
