import { createPrivateKey, createPublicKey, randomBytes, type webcrypto } from 'node:crypto'
import {
  encodeBase64url,
  encodeHeader,
  importVerificationKey,
  isAlgorithm,
  isVerificationKey,
  type JsonObject,
  type Secret,
  type SigningKey,
  signCompactJws,
} from '@arctos/core'

/** What one question carries to prove who asks. */
export interface ShownCredential {
  readonly headers: Readonly<Record<string, string>>
  readonly parameters: Readonly<Record<string, string>>
}

/** Makes the credential of one question. Called anew for each. @param now epoch seconds */
export type IntrospectionCredential = (issuer: string, now: number) => ShownCredential

/** A private JWK with `kid` and `alg`, whose public half is registered for this resource server (RFC 7517 §4). */
export type PrivateJwk = webcrypto.JsonWebKey & { readonly kid?: string }

/** `client_secret_basic`: id and secret are form-encoded before they are joined. RFC 6749 §2.3.1 */
export function secretCredential(clientId: string, secret: Secret): IntrospectionCredential {
  return () => {
    const pair = `${formEncode(clientId)}:${formEncode(secret.reveal())}`
    return { headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }, parameters: {} }
  }
}

const lifeSeconds = 60

/**
 * `private_key_jwt`: an assertion, new for each question, for the issuer alone. Nothing that could be used twice leaves this
 * machine. Returns `undefined` for a key that cannot sign. RFC 7523 §2.2, RFC 10070
 */
export function keyCredential(clientId: string, jwk: PrivateJwk): IntrospectionCredential | undefined {
  const key = importSigningKey(clientId, jwk)
  if (key === undefined) return undefined
  const header = encodeHeader(key, 'client-authentication+jwt')
  return (issuer, now) => {
    const jti = encodeBase64url(randomBytes(16))
    const claims = { iss: clientId, sub: clientId, aud: issuer, jti, iat: now, exp: now + lifeSeconds }
    return {
      headers: {},
      parameters: {
        client_id: clientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: signCompactJws(header, JSON.stringify(claims), key),
      },
    }
  }
}

/** A key whose public half the issuer would take, too: kind, size and `alg` are checked there and fail here, at start. */
function importSigningKey(owner: string, { kid, alg, ...jwk }: PrivateJwk): SigningKey | undefined {
  if (typeof kid !== 'string' || kid === '' || typeof alg !== 'string' || !isAlgorithm(alg)) return undefined
  try {
    const key = createPrivateKey({ key: jwk, format: 'jwk' })
    const publicJwk = createPublicKey(key).export({ format: 'jwk' }) as JsonObject
    return isVerificationKey(importVerificationKey({ ...publicJwk, kid, alg }, owner))
      ? { kid, algorithm: alg, key }
      : undefined
  } catch {
    // Without the cause: it could quote the key.
    return undefined
  }
}

function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
