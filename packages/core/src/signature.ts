import type { KeyObject } from 'node:crypto'
import { type Algorithm, algorithmRow } from './algorithms.ts'
import { encodeBase64url } from './base64url.ts'
import type { UnverifiedJws } from './compact-jws.ts'
import type { VerificationKey } from './jwk.ts'
import { Refusal } from './refusal.ts'

/** A private key bound to one algorithm and one kid. */
export interface SigningKey {
  readonly kid: string
  readonly algorithm: Algorithm
  readonly key: KeyObject
}

/**
 * Checks the signature with the one algorithm that the key is bound to; the header only has to agree with it. Throws
 * `token.algorithm` or `token.signature`. RFC 8725 §3.1, RFC 7515 §5.2
 */
export function verifySignature(jws: UnverifiedJws, key: VerificationKey): void {
  if (!sameAlgorithm(jws.header.alg, key.algorithm)) {
    throw new Refusal('token.algorithm', {
      check: 'algorithm',
      expected: key.algorithm,
      received: printable(jws.header.alg),
    })
  }
  if (!algorithmRow(key.algorithm).verify(jws.signingInput, key.key, jws.signature)) {
    throw new Refusal('token.signature', {
      check: 'signature',
      expected: `made by key ${key.kid}`,
      received: 'another signature',
    })
  }
}

/** A key on the curve Ed25519 answers to both of its names: RFC 9864 renamed what RFC 8037 introduced. */
function sameAlgorithm(received: string, bound: Algorithm): boolean {
  return received === bound || (isEd25519(received) && isEd25519(bound))
}

function isEd25519(name: string): boolean {
  return name === 'EdDSA' || name === 'Ed25519'
}

function printable(text: string): string {
  return text.slice(0, 20)
}

/** The first segment of every token that this key signs as this kind. Make it once; it only depends on key and kind. */
export function encodeHeader(key: SigningKey, typ: string): string {
  return encodeBase64url(JSON.stringify({ alg: key.algorithm, kid: key.kid, typ }))
}

/** Signs a payload as compact JWS under a header made by {@link encodeHeader} for the same key. */
export function signCompactJws(encodedHeader: string, payload: string, key: SigningKey): string {
  const input = signingInput(encodedHeader, payload)
  const signature = algorithmRow(key.algorithm).sign(Buffer.from(input, 'latin1'), key.key)
  return `${input}.${signature.toString('base64url')}`
}

/**
 * The same in the thread pool: for RSA, whose signature would hold the event loop for about a millisecond. One on a curve is
 * cheaper than the way to the pool and back.
 */
export async function signCompactJwsAsync(encodedHeader: string, payload: string, key: SigningKey): Promise<string> {
  const input = signingInput(encodedHeader, payload)
  const signature = await algorithmRow(key.algorithm).signAsync(Buffer.from(input, 'latin1'), key.key)
  return `${input}.${signature.toString('base64url')}`
}

function signingInput(encodedHeader: string, payload: string): string {
  return `${encodedHeader}.${Buffer.from(payload).toString('base64url')}`
}
