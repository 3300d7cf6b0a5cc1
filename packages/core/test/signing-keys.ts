import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  type Algorithm,
  importVerificationKey,
  isVerificationKey,
  type JsonObject,
  type SigningKey,
  type VerificationKey,
} from '../src/index.ts'

export const issuer = 'https://as.example.com'

/** Both halves of a fresh key, as core takes them and as other libraries do. */
export interface TestKeys {
  readonly signing: SigningKey
  readonly verification: VerificationKey
  readonly jwk: JsonObject
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export function makeKeys(algorithm: Algorithm, kid = 'key-1'): TestKeys {
  const { privateKey, publicKey } = makePair(algorithm)
  const exported = publicKey.export({ format: 'jwk' }) as JsonObject
  const jwk = { ...exported, kid, alg: algorithm, use: 'sig' }
  return { signing: { kid, algorithm, key: privateKey }, verification: takeKey(jwk), jwk, privateKey, publicKey }
}

/** Imports a JWK that the test knows to be good. */
export function takeKey(jwk: JsonObject, owner = issuer): VerificationKey {
  const result = importVerificationKey(jwk, owner)
  if (!isVerificationKey(result)) throw new Error(`the key was rejected: ${result.why}`)
  return result
}

function makePair(algorithm: Algorithm): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
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
