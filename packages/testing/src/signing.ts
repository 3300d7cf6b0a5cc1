import { constants, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { Algorithm } from '@arctos/core'

/** A key pair that can sign anything, for tests only: what the issuer signs with, or a stranger's. */
export interface TestKey {
  readonly kid: string
  readonly algorithm: Algorithm
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** The public half as it stands in a key set. */
  readonly jwk: Readonly<Record<string, unknown>>
}

/** Members that replace those of a good header or claim set; `undefined` takes one away. */
export type Overrides = Readonly<Record<string, unknown>>

/** Puts a private key and its name together. */
export function testKeyOf(kid: string, algorithm: Algorithm, privateKey: KeyObject): TestKey {
  const publicKey = createPublicKey(privateKey)
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' }
  return { kid, algorithm, privateKey, publicKey, jwk }
}

/** Makes a new key pair. An RSA one takes a tenth of a second. */
export function makeTestKey(algorithm: Algorithm, kid: string): TestKey {
  return testKeyOf(kid, algorithm, generate(algorithm))
}

function generate(algorithm: Algorithm): KeyObject {
  switch (algorithm) {
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    case 'RS256':
    case 'PS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    case 'EdDSA':
    case 'Ed25519':
      return generateKeyPairSync('ed25519').privateKey
  }
}

/** Signs anything as compact JWS by the key's own algorithm, whatever the header says. The server's signer has no part in it. */
export function signAnything(header: unknown, payload: string | Uint8Array, key: TestKey): string {
  const input = `${encodePart(header)}.${encodeBytes(payload)}`
  return `${input}.${signatureOf(Buffer.from(input), key).toString('base64url')}`
}

/** One part of a token: JSON of what is given, or a text or bytes as they are. */
export function encodePart(part: unknown): string {
  return encodeBytes(typeof part === 'string' || part instanceof Uint8Array ? part : JSON.stringify(part))
}

function encodeBytes(bytes: string | Uint8Array): string {
  return Buffer.from(bytes as string).toString('base64url')
}

function signatureOf(input: Buffer, { algorithm, privateKey: key }: TestKey): Buffer {
  switch (algorithm) {
    case 'ES256':
      return sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' })
    case 'RS256':
      return sign('sha256', input, key)
    case 'PS256':
      return sign('sha256', input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })
    case 'EdDSA':
    case 'Ed25519':
      return sign(null, input, key)
  }
}
