// What is compared: a raw signature check, ours, and four libraries, each set up to check what it can of the same.
import { type KeyObject, verify } from 'node:crypto'
import { resourceServer } from '@arctos/resource-server'
import { JwtVerifier } from 'aws-jwt-verify'
import { createVerifier } from 'fast-jwt'
import { createLocalJWKSet, jwtVerify } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import { audience, issuer, scope, type TokenSet } from './tokens.ts'

/** Checks one token, and throws (or rejects) when it is not good. */
export type Verifier = (token: string) => unknown

const requiredClaims = ['sub', 'client_id', 'jti', 'iat', 'exp']

/** Ours with everything a guard checks: form, type, key, signature, claims, revocation, scope. */
export async function ours(set: TokenSet, cacheSize: number): Promise<Verifier> {
  const api = resourceServer({
    resource: audience,
    authorizationServers: [issuer],
    scopes: { [scope]: 'Read notes' },
    jwksUri: `${issuer}/jwks`,
    fetch: async () => Response.json({ keys: [set.jwk] }),
    verifiedTokens: { size: cacheSize },
  })
  await api.reload()
  return api.verifier({ scope })
}

export function fastJwt(set: TokenSet, cacheSize: number): Verifier {
  return createVerifier({
    key: pem(set.publicKey),
    algorithms: [set.alg],
    allowedIss: issuer,
    allowedAud: audience,
    checkTyp: 'at+jwt',
    requiredClaims,
    cache: cacheSize === 0 ? false : cacheSize,
  })
}

/** It knows no typ, so that is compared here. */
export function jsonWebToken(set: TokenSet): Verifier {
  const options = { algorithms: [set.alg], issuer, audience, complete: true }
  return (token) => {
    const { header, payload } = jsonwebtoken.verify(token, set.publicKey, options)
    if (header.typ !== 'at+jwt') throw new Error('another type')
    return payload
  }
}

export function awsJwtVerify(set: TokenSet): Verifier {
  const verifier = JwtVerifier.create({
    issuer,
    audience,
    jwksUri: `${issuer}/jwks`,
    customJwtCheck({ header }: { readonly header: { readonly typ?: string | undefined } }) {
      if (header.typ !== 'at+jwt') throw new Error('another type')
    },
  })
  verifier.cacheJwks({ keys: [set.jwk] } as unknown as Parameters<typeof verifier.cacheJwks>[0])
  return (token) => verifier.verifySync(token)
}

export function jose(set: TokenSet): Verifier {
  const keys = createLocalJWKSet({ keys: [set.jwk] } as unknown as Parameters<typeof createLocalJWKSet>[0])
  const options = { issuer, audience, typ: 'at+jwt', algorithms: [set.alg], requiredClaims }
  return (token) => jwtVerify(token, keys, options)
}

/** The signature alone, over bytes that are ready: no verifier can be faster. */
export function rawSignature({ alg, publicKey, tokens }: TokenSet): (index: number) => void {
  const parts = tokens.map((token) => {
    const end = token.lastIndexOf('.')
    const signature = Buffer.from(token.toString('latin1', end + 1), 'base64url')
    return { input: token.subarray(0, end), signature: alg === 'ES256' ? derOf(signature) : signature }
  })
  const digest = alg === 'EdDSA' ? null : 'sha256'
  return (index) => {
    const part = parts[index]
    if (part === undefined || !verify(digest, part.input, publicKey, part.signature)) throw new Error('a bad signature')
  }
}

function derOf(concat: Buffer): Buffer {
  const integers = [concat.subarray(0, 32), concat.subarray(32)].map((half) => {
    const bytes = Buffer.from(
      BigInt(`0x${half.toString('hex')}`)
        .toString(16)
        .replace(/^(.(..)*)$/, '0$1'),
      'hex',
    )
    const whole = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
    return Buffer.concat([Buffer.of(2, whole.length), whole])
  })
  const body = Buffer.concat(integers)
  return Buffer.concat([Buffer.of(0x30, body.length), body])
}

function pem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString()
}
