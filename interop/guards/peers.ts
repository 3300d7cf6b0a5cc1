import fastifyJwt from '@fastify/jwt'
import { getRequestListener } from '@hono/node-server'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import express from 'express'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'
import fastify from 'fastify'
import buildGetJwks from 'get-jwks'
import { Hono } from 'hono'
import { jwk } from 'hono/jwk'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { listen } from '../support/listening.ts'
import { type ComparedGuard, resource } from './guard.ts'

const words = ['read', 'write'] as const

function expressApp() {
  const app = express()
  // Else every refusal is printed as a fault.
  app.set('env', 'test')
  app.use(express.urlencoded({ extended: false }))
  return app
}

function expressOauth2(strict: boolean): ComparedGuard['start'] {
  return async ({ issuer }) => {
    const app = expressApp()
    app.use(auth({ issuerBaseURL: issuer, audience: resource, tokenSigningAlg: 'RS256', strict }))
    for (const scope of words) {
      app.all(`/${scope}`, requiredScopes(scope), (request, response) => {
        // Another package here gives `request.auth` another type.
        const { auth: given } = request as { auth?: { payload?: { sub?: string } } }
        response.json({ subject: given?.payload?.sub })
      })
    }
    return listen(app)
  }
}

/** Guards that are in wide use, each set up as its README says, with issuer, audience, RS256 and the key set. */
export const peerGuards: readonly ComparedGuard[] = [
  {
    name: 'Express OAuth2',
    packages: ['express-oauth2-jwt-bearer', 'express'],
    setup: '`auth({ issuerBaseURL, audience })`, `requiredScopes`',
    start: expressOauth2(false),
  },
  {
    name: 'Express OAuth2 strict',
    packages: ['express-oauth2-jwt-bearer', 'express'],
    setup: 'the same with `strict: true`',
    start: expressOauth2(true),
  },
  {
    name: 'Fastify JWT',
    packages: ['@fastify/jwt', 'get-jwks', 'fastify'],
    setup: '`jwtVerify`, keys by get-jwks; it has no check of scopes',
    async start({ issuer }) {
      const app = fastify()
      app.addContentTypeParser('application/x-www-form-urlencoded', (_request, _body, done) => done(null, {}))
      // The issuer is pinned, which the README's wiring forgets to.
      const getJwks = buildGetJwks({ providerDiscovery: true, issuersWhitelist: [issuer] })
      await app.register(fastifyJwt, {
        decode: { complete: true },
        verify: { allowedIss: issuer, allowedAud: resource, algorithms: ['RS256'] },
        secret: (_request: unknown, token: unknown, callback: (error: unknown, key?: string) => void) => {
          const { header, payload } = token as { header: { kid: string; alg: string }; payload: { iss: string } }
          getJwks
            .getPublicKey({ kid: header.kid, alg: header.alg, domain: payload.iss })
            .then((key) => callback(null, key), callback)
        },
      } as never)
      app.addHook('onRequest', async (request) => {
        await request.jwtVerify()
      })
      for (const scope of words) {
        app.route({ method: ['GET', 'POST'], url: `/${scope}`, handler: async (request) => ({ user: request.user }) })
      }
      return { origin: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
    },
  },
  {
    name: 'Hono jwk',
    packages: ['hono', '@hono/node-server'],
    setup: '`jwk({ jwks_uri, alg, verification })`; it has no check of scopes',
    keysFrom: 'configuration',
    async start({ issuer }) {
      const app = new Hono()
      app.use(
        jwk({
          jwks_uri: `${issuer}/jwks`,
          alg: ['RS256'],
          verification: { iss: issuer, aud: resource, typ: 'at+jwt' },
        }),
      )
      for (const scope of words)
        app.all(`/${scope}`, (context) => context.json({ user: context.get('jwtPayload' as never) }))
      // Else every refusal is printed as a fault.
      app.onError((error, context) =>
        'getResponse' in error && typeof error.getResponse === 'function'
          ? error.getResponse()
          : context.text('Internal Server Error', 500),
      )
      return listen(getRequestListener(app.fetch))
    },
  },
  {
    name: 'MCP SDK + jose',
    packages: ['@modelcontextprotocol/sdk', 'jose', 'express'],
    setup: '`requireBearerAuth`, a verifier of jose’s `jwtVerify` and `createRemoteJWKSet`',
    keysFrom: 'configuration',
    async start({ issuer }) {
      const app = expressApp()
      const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`))
      const verifier = {
        async verifyAccessToken(token: string) {
          try {
            const { payload } = await jwtVerify(token, keys, { issuer, audience: resource, algorithms: ['RS256'] })
            const { client_id: clientId, scope, exp } = payload as { client_id?: string; scope?: string; exp?: number }
            const facts = { token, clientId: clientId ?? '', scopes: scope?.split(' ') ?? [] }
            return exp === undefined ? facts : { ...facts, expiresAt: exp }
          } catch (error) {
            // What is wrong with the token, as against what is wrong with the keys.
            const isOutage = error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)
            if (isOutage || error.code === 'ERR_JOSE_GENERIC') throw error
            throw new InvalidTokenError(error.message)
          }
        },
      }
      for (const scope of words) {
        app.all(`/${scope}`, requireBearerAuth({ verifier, requiredScopes: [scope] }), (request, response) => {
          response.json({ client: (request as { auth?: { clientId: string } }).auth?.clientId })
        })
      }
      return listen(app)
    },
  },
]
