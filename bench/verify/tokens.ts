import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { encodeHeader, type SigningKey, signCompactJws } from '@arctos/core'

export const algorithms = ['RS256', 'ES256', 'Ed25519'] as const
export type AlgorithmName = (typeof algorithms)[number]

export const issuer = 'https://as.bench.example'
export const audience = 'https://api.bench.example'
export const scope = 'notes:read'

/** One key and many tokens of it. */
export interface TokenSet {
  readonly algorithm: AlgorithmName
  /** As it stands in the header: the libraries know Ed25519 by its older name. */
  readonly alg: 'RS256' | 'ES256' | 'EdDSA'
  readonly jwk: Record<string, unknown> & { readonly kid: string }
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  /** Each with fresh bytes, so that a string made of them is new to everyone. */
  readonly tokens: readonly Buffer[]
}

/** Makes tokens as Arctos issues them for a user (RFC 9068), each with ids of its own. */
export function makeTokens(algorithm: AlgorithmName, count: number, iss = issuer): TokenSet {
  const { privateKey, publicKey } = makePair(algorithm)
  const kid = randomBytes(12).toString('base64url')
  const alg = algorithm === 'Ed25519' ? 'EdDSA' : algorithm
  const key: SigningKey = { kid, algorithm: alg, key: privateKey }
  const header = encodeHeader(key, 'at+jwt')
  const tokens = Array.from({ length: count }, () =>
    Buffer.from(signCompactJws(header, JSON.stringify(makeClaims(iss)), key), 'latin1'),
  )
  return {
    algorithm,
    alg,
    jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' },
    publicKey,
    privateKey,
    tokens,
  }
}

function makeClaims(iss: string): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1_000)
  const id = (): string => randomBytes(12).toString('base64url')
  const grant = id()
  return {
    iss,
    sub: id(),
    aud: audience,
    client_id: id(),
    scope: `${scope} notes:write profile:read`,
    jti: id(),
    grant_id: grant,
    grants: [id(), id(), grant],
    auth_time: now - 60,
    acr: 'urn:arctos:acr:password',
    iat: now,
    exp: now + 3_600,
  }
}

function makePair(algorithm: AlgorithmName): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  switch (algorithm) {
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    case 'Ed25519':
      return generateKeyPairSync('ed25519')
  }
}
