import { createPrivateKey, createPublicKey, randomBytes, type webcrypto } from 'node:crypto'
import {
  encodeBase64url,
  encodeHeader,
  importVerificationKey,
  isAlgorithm,
  isVerificationKey,
  type JsonObject,
  Secret,
  type SigningKey,
  signCompactJws,
} from '@arctos/core'
import { mistake } from './option-check.ts'

/** What one question carries to prove who asks. */
export interface ShownCredential {
  readonly headers: Readonly<Record<string, string>>
  readonly parameters: Readonly<Record<string, string>>
}

/** Makes the credential of one question. Called anew for each. @param now epoch seconds */
export type ServerCredential = (issuer: string, now: number) => ShownCredential

/** A private JWK with `kid` and `alg`, whose public half is registered for this resource server (RFC 7517 §4). */
export type PrivateJwk = webcrypto.JsonWebKey & { readonly kid?: string }

/** `client_secret_basic`: id and secret are form-encoded before they are joined. RFC 6749 §2.3.1 */
function secretCredential(clientId: string, secret: Secret): ServerCredential {
  return () => {
    const pair = `${formEncode(clientId)}:${formEncode(secret.reveal())}`
    return { headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }, parameters: {} }
  }
}

/** What a resource server proves itself with: its secret, or else a key of its own. */
export interface CredentialOptions {
  readonly clientId: string
  readonly clientSecret?: Secret | string | undefined
  readonly clientKey?: PrivateJwk | undefined
}

/** Throws a TypeError that names the option. @param name of the options that it stands among */
export function readCredential(
  name: string,
  { clientId, clientSecret, clientKey }: CredentialOptions,
): ServerCredential {
  if (clientKey === undefined) return secretCredential(clientId, readSecret(`${name}.clientSecret`, clientSecret))
  const credential = keyCredential(clientId, clientKey)
  if (credential !== undefined) return credential
  throw mistake(`${name}.clientKey`, '(hidden)', 'a private JWK with kid and alg')
}

/** Throws a TypeError that names the option, and never what it was. */
export function readSecret(option: string, value: Secret | string | undefined): Secret {
  const secret = typeof value === 'string' ? new Secret(value) : value
  if (secret instanceof Secret && secret.reveal() !== '') return secret
  throw mistake(option, '(hidden)', 'a text or a Secret')
}

const lifeSeconds = 60

/**
 * `private_key_jwt`: an assertion, new for each question, for the issuer alone. Nothing that could be used twice leaves this
 * machine. Returns `undefined` for a key that cannot sign. RFC 7523 §2.2, RFC 10070
 */
function keyCredential(clientId: string, jwk: PrivateJwk): ServerCredential | undefined {
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
