import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import type { Chance } from './fuzz-random.ts'

export const resource = 'https://api.example.com'
const issuer = 'https://as.example.com'
const lifetimeSeconds = 3_600

/** An issuer whose keys, and so whose tokens, follow from the seed; it is reached without a socket. */
export interface FuzzIssuer {
  readonly issuer: string
  readonly kid: string
  readonly fetch: (url: string) => Promise<Response>
  readonly claims: (nowSeconds: number, jti: string) => Record<string, unknown>
  readonly header: () => Record<string, unknown>
  /** Signs texts as they are. */
  readonly sign: (header: string, payload: string | Buffer, stranger?: boolean) => string
}

// What stands in front of the 32 bytes of an Ed25519 private key in PKCS#8 (RFC 8410 §7).
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex')

export function createFuzzIssuer(chance: Chance): FuzzIssuer {
  const key = ed25519(chance.bytes(32))
  const stranger = ed25519(chance.bytes(32))
  const kid = chance.bytes(9).toString('base64url')
  const jwk = { ...createPublicKey(key).export({ format: 'jwk' }), kid, alg: 'EdDSA', use: 'sig' }
  const documents: Readonly<Record<string, object>> = {
    [`${issuer}/.well-known/oauth-authorization-server`]: { issuer, jwks_uri: `${issuer}/jwks` },
    [`${issuer}/jwks`]: { keys: [jwk] },
  }
  return {
    issuer,
    kid,
    async fetch(url) {
      const document = documents[url]
      // Whatever a token names is out of reach; a guard that goes there gives itself away.
      if (document === undefined) throw new Error(`the guard asked ${url}`)
      return Response.json(document, { headers: { 'cache-control': 'max-age=30' } })
    },
    claims: (now, jti) => ({
      iss: issuer,
      sub: 'user-1',
      aud: resource,
      client_id: 'client-1',
      scope: 'read',
      jti,
      iat: now,
      exp: now + lifetimeSeconds,
    }),
    header: () => ({ alg: 'EdDSA', kid, typ: 'at+jwt' }),
    sign(header, payload, byStranger = false) {
      const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload as string).toString('base64url')}`
      return `${input}.${sign(null, Buffer.from(input), byStranger ? stranger : key).toString('base64url')}`
    },
  }
}

function ed25519(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' })
}
