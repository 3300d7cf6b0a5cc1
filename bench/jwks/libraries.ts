// What is compared, each set up as its documentation says, with its own cache. Where the age of keys can be set, it is that of the answer.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { resourceServer } from '@arctos/resource-server'
import { JwtVerifier } from 'aws-jwt-verify'
import { SimpleJwksCache } from 'aws-jwt-verify/jwk'
import getJwks from 'get-jwks'
import { verifyWithJwks } from 'hono/jwt'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import jwksClient from 'jwks-rsa'
import { allowInsecureRequests, validateJwtAccessToken } from 'oauth4webapi'
import { audience, type Issuer, maxAgeSeconds } from './issuer.ts'

/** Checks one token with the keys of one issuer; rejects when it is not good. */
export type Checker = (token: string) => Promise<unknown>

export interface Library {
  readonly name: string
  readonly connect: (issuer: Issuer) => Checker
}

const cacheMaxAge = maxAgeSeconds * 1_000

export const ours: Library = {
  name: 'Arctos',
  connect({ issuer, jwksUri }) {
    const guard = resourceServer({
      resource: audience,
      authorizationServers: [{ issuer, jwksUri }],
      scopes: { read: 'Read' },
      journal: () => {},
    }).guard({ scope: 'read' })
    return async (token) => {
      const decision = await guard({ method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } })
      if (!decision.ok) throw new Error(decision.reason)
    }
  },
}

const jose: Library = {
  name: named('jose'),
  connect({ issuer, jwksUri }) {
    const keys = createRemoteJWKSet(new URL(jwksUri), { cacheMaxAge })
    return (token) => jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt' })
  },
}

// It takes addresses of TLS only, so it is given a fetcher that does what its own does.
const awsJwtVerify: Library = {
  name: named('aws-jwt-verify'),
  connect({ issuer, jwksUri }) {
    const fetcher = {
      async fetch(url: string): Promise<ArrayBuffer> {
        const response = await fetch(url, { signal: AbortSignal.timeout(3_000) })
        if (response.status !== 200) throw new Error(`HTTP ${response.status}`)
        return await response.arrayBuffer()
      },
    }
    const jwksCache = new SimpleJwksCache({ fetcher })
    const verifier = JwtVerifier.create({ issuer, audience, jwksUri }, { jwksCache })
    return (token) => verifier.verify(token)
  },
}

function jwksRsa(name: string, options: object): Library {
  return {
    name: `${named('jwks-rsa')}${name}`,
    connect({ issuer, jwksUri }) {
      const client = jwksClient({ jwksUri, cache: true, rateLimit: true, cacheMaxAge, ...options })
      return async (token) => {
        const key = await client.getSigningKey(kidOf(token))
        return jsonwebtoken.verify(token, key.getPublicKey(), { issuer, audience, algorithms: ['ES256'] })
      }
    },
  }
}

const getJwksLibrary: Library = {
  name: named('get-jwks'),
  connect({ issuer }) {
    const keys = getJwks({ ttl: cacheMaxAge, issuersWhitelist: [`${issuer}/`], jwksPath: '/jwks' })
    return async (token) => {
      const key = await keys.getPublicKey({ domain: issuer, alg: 'ES256', kid: kidOf(token) })
      return jsonwebtoken.verify(token, key, { issuer, audience, algorithms: ['ES256'] })
    }
  },
}

const hono: Library = {
  name: `${named('hono')} verifyWithJwks`,
  connect({ issuer, jwksUri }) {
    const verification = { iss: issuer, aud: audience, typ: 'at+jwt' }
    return (token) => verifyWithJwks(token, { jwks_uri: jwksUri, allowedAlgorithms: ['ES256'], verification })
  },
}

const oauth4webapi: Library = {
  name: named('oauth4webapi'),
  connect({ issuer, jwksUri }) {
    const server = { issuer, jwks_uri: jwksUri }
    return (token) => {
      const request = new Request(audience, { headers: { authorization: `Bearer ${token}` } })
      return validateJwtAccessToken(server, request, audience, { [allowInsecureRequests]: true })
    }
  },
}

export const peers: readonly Library[] = [
  jose,
  awsJwtVerify,
  jwksRsa('', {}),
  jwksRsa(' with fallback', { cacheMaxAgeFallback: 3_600_000 }),
  getJwksLibrary,
  hono,
  oauth4webapi,
]

/** With the version that is installed. */
function named(name: string): string {
  const file = join(import.meta.dirname, '../node_modules', name, 'package.json')
  return `${name} ${JSON.parse(readFileSync(file, 'utf8')).version}`
}

function kidOf(token: string): string {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
}
