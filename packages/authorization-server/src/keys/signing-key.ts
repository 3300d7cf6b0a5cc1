import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  type Algorithm,
  importVerificationKey,
  isVerificationKey,
  type JsonObject,
  jwkThumbprint,
  type SigningKey,
  type VerificationKey,
} from '@arctos/core'

/** A signing key as the key ring holds it: private, public, and when it is good for what. */
export interface RingKey {
  readonly signing: SigningKey
  readonly verification: VerificationKey
  /** With `kid`, `alg` and `use`: some verifiers need each of them. */
  readonly publicJwk: JsonObject
  readonly createdAt: number
  readonly activeAt: number
  readonly retiredAt: number | undefined
}

/** Algorithms that access tokens can be signed with. */
export const signingAlgorithms = ['ES256', 'RS256', 'EdDSA', 'Ed25519', 'PS256'] as const satisfies readonly Algorithm[]

export type SigningAlgorithm = (typeof signingAlgorithms)[number]

/** A new key pair: the public JWK, and the private key as PKCS#8 DER to be sealed. */
export function generateSigningKey(algorithm: SigningAlgorithm): {
  readonly kid: string
  readonly publicJwk: JsonObject
  readonly pkcs8: Buffer
} {
  const { publicKey, privateKey } = generatePair(algorithm)
  const jwk = publicKey.export({ format: 'jwk' }) as JsonObject
  const kid = jwkThumbprint(jwk).slice(0, 16)
  // A command line would take it for an option.
  if (kid.startsWith('-')) return generateSigningKey(algorithm)
  const publicJwk = { ...jwk, kid, alg: algorithm, use: 'sig' }
  return { kid, publicJwk, pkcs8: privateKey.export({ format: 'der', type: 'pkcs8' }) }
}

function generatePair(algorithm: SigningAlgorithm): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (algorithm) {
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    case 'EdDSA':
    case 'Ed25519':
      return generateKeyPairSync('ed25519')
    case 'RS256':
    case 'PS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
  }
}

/** Both halves as bound key objects. The private key proves that it belongs to the published one. */
export function importSigningKey(
  issuer: string,
  publicJwk: JsonObject,
  pkcs8: Buffer,
  times: { readonly createdAt: number; readonly activeAt: number; readonly retiredAt: number | undefined },
): RingKey {
  const verification = importVerificationKey(publicJwk, issuer)
  if (!isVerificationKey(verification)) throw new Error(`signing key ${verification.kid}: ${verification.why}`)
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  if (!createPublicKey(key).equals(verification.key))
    throw new Error(`signing key ${verification.kid}: its two halves do not match`)
  const { kid, algorithm } = verification
  const { createdAt, activeAt, retiredAt } = times
  return { signing: { kid, algorithm, key }, verification, publicJwk, createdAt, activeAt, retiredAt }
}
