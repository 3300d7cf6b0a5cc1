import { createPrivateKey, type webcrypto } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  type Algorithm,
  encodeBase64url,
  encodeHeader,
  isAlgorithm,
  Secret,
  type SigningKey,
  signCompactJws,
} from '@arctos/core'
import type { Environment } from './environment.ts'
import { ClientError } from './errors.ts'

/** What one request carries to prove who the client is. */
export interface ClientCredentials {
  readonly parameters: Readonly<Record<string, string>>
  readonly authorization?: string
  /** Everything in it that must never be printed. */
  readonly secrets: readonly string[]
}

/** A private JWK as a registration or a key file has it (RFC 7517 §4). */
export type PrivateJwk = webcrypto.JsonWebKey & { readonly kid?: string }

/** A method of client authentication: makes the credentials of one request. Called anew for each attempt. */
export type ClientAuthentication = (
  client: { readonly issuer: string; readonly clientId: string },
  environment: Pick<Environment, 'nowSeconds' | 'random'>,
) => ClientCredentials | Promise<ClientCredentials>

/** `client_secret_basic`: the secret in the Authorization header, form-encoded first (RFC 6749 §2.3.1). */
export function clientSecretBasic(secret: string | Secret): ClientAuthentication {
  const held = holdSecret(secret)
  return ({ clientId }) => {
    const pair = `${formEncode(clientId)}:${formEncode(held.reveal())}`
    const encoded = Buffer.from(pair).toString('base64')
    return { parameters: {}, authorization: `Basic ${encoded}`, secrets: [held.reveal(), pair, encoded] }
  }
}

/** `client_secret_post`: the secret in the form, for servers that do not take Basic (RFC 6749 §2.3.1). */
export function clientSecretPost(secret: string | Secret): ClientAuthentication {
  const held = holdSecret(secret)
  return ({ clientId }) => ({
    parameters: { client_id: clientId, client_secret: held.reveal() },
    secrets: [held.reveal()],
  })
}

/** `none`, for public clients: the form only names the client (RFC 6749 §3.2.1). What `oauthClient` does without `auth`. */
export const noClientAuthentication: ClientAuthentication = ({ clientId }) => ({
  parameters: { client_id: clientId },
  secrets: [],
})

const assertionLifetimeSeconds = 60

/**
 * `private_key_jwt`: a signed assertion, new for each request, whose audience is the issuer alone. RFC 7523 §2.2, RFC 10070
 *
 * @param key a private JWK with `kid`, or a key of `@arctos/core`
 */
export function privateKeyJwt(key: PrivateJwk | SigningKey): ClientAuthentication {
  const signingKey = isSigningKey(key) ? key : importSigningKey(key)
  const header = encodeHeader(signingKey, 'client-authentication+jwt')
  return ({ issuer, clientId }, { nowSeconds, random }) => {
    const issuedAt = Math.floor(nowSeconds())
    const claims = {
      iss: clientId,
      sub: clientId,
      // Only the issuer, and not in a list: an assertion with room for a second audience can be used at it.
      aud: issuer,
      jti: encodeBase64url(random(16)),
      iat: issuedAt,
      exp: issuedAt + assertionLifetimeSeconds,
    }
    const assertion = signCompactJws(header, JSON.stringify(claims), signingKey)
    return {
      parameters: {
        client_id: clientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      },
      secrets: [assertion],
    }
  }
}

/** Where a workload gets the assertion that its platform made for it: a file that is kept fresh, or a function. */
export type WorkloadAssertionSource =
  | { readonly file: string }
  | { readonly read: (client: { readonly issuer: string }) => string | Promise<string> }

const assertionLengthLimit = 16_384

/**
 * An assertion by somebody else that says which workload this is, such as the projected token of a Kubernetes service account. It is
 * read anew for each request and never kept, for whoever makes it replaces it while it is still good. RFC 7523 §2.2, RFC 7521 §4.2
 *
 * Throws `invalid_option` when there is none.
 */
export function workloadAssertion(source: WorkloadAssertionSource): ClientAuthentication {
  return async ({ issuer, clientId }) => {
    const assertion = 'file' in source ? await readAssertionFile(source.file) : (await source.read({ issuer })).trim()
    if (assertion.length > assertionLengthLimit || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(assertion))
      throw new ClientError('invalid_option', 'the workload assertion is not a signed JWT')
    return {
      parameters: {
        client_id: clientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      },
      secrets: [assertion],
    }
  }
}

async function readAssertionFile(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ClientError(
      'invalid_option',
      `the workload assertion cannot be read from its file (${code ?? 'unknown'})`,
    )
  }
}

function holdSecret(secret: string | Secret): Secret {
  const held = secret instanceof Secret ? secret : new Secret(secret)
  if (held.reveal() === '') throw new ClientError('invalid_option', 'the client secret is empty')
  return held
}

function isSigningKey(key: PrivateJwk | SigningKey): key is SigningKey {
  return 'algorithm' in key
}

function importSigningKey(jwk: PrivateJwk): SigningKey {
  const algorithm = algorithmOf(jwk)
  const { kid } = jwk
  if (algorithm === undefined || kid === undefined || kid === '') {
    throw new ClientError('invalid_option', 'the key must be a private JWK for ES256, EdDSA, RS256 or PS256 with a kid')
  }
  try {
    return { kid, algorithm, key: createPrivateKey({ key: jwk, format: 'jwk' }) }
  } catch {
    // Without the cause: it could quote the key.
    throw new ClientError('invalid_option', 'the JWK is not a private key')
  }
}

function algorithmOf({ kty, crv, alg }: PrivateJwk): Algorithm | undefined {
  const usual = kty === 'RSA' ? 'RS256' : crv === 'P-256' ? 'ES256' : crv === 'Ed25519' ? 'EdDSA' : undefined
  if (alg === undefined) return usual
  if (!isAlgorithm(alg)) return undefined
  const fits =
    kty === 'RSA' ? alg === 'RS256' || alg === 'PS256' : alg === usual || (alg === 'Ed25519' && crv === 'Ed25519')
  return fits ? alg : undefined
}

/** Encodes one value as a form does (RFC 6749 §B). */
function formEncode(value: string): string {
  return new URLSearchParams({ value }).toString().slice('value='.length)
}
