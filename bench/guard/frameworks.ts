import type { AddressInfo } from 'node:net'
import type { ResourceServer } from '@arctos/resource-server'
import { protect as protectExpress } from '@arctos/resource-server/express'
import { protect as protectFastify } from '@arctos/resource-server/fastify'
import { protect as protectHono } from '@arctos/resource-server/hono'
import fastifyJwt from '@fastify/jwt'
import { serve } from '@hono/node-server'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'
import fastify from 'fastify'
import buildGetJwks from 'get-jwks'
import { Hono } from 'hono'
import { jwk } from 'hono/jwk'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { body, cold, open, type ServerSetting, scope, warm } from './setting.ts'

export interface Guards {
  readonly cold: ResourceServer<typeof scope>
  readonly warm: ResourceServer<typeof scope>
}

type Started = (setting: ServerSetting, guards: Guards) => Promise<number>
const algorithms = ['RS256', 'ES256'] as const

export const startExpress: Started = ({ issuer, audience }, guards) => {
  const app = express()
  app.disable('etag')
  const answer = (_request: unknown, response: express.Response): void => {
    response.setHeader('content-type', 'application/json')
    response.setHeader('content-length', body.length)
    response.end(body)
  }
  app.get(open.path, answer)
  app.get(cold.path, protectExpress(guards.cold, { scope }), answer)
  app.get(warm.path, protectExpress(guards.warm, { scope }), answer)
  app.get('/auth0', auth({ issuer, audience, jwksUri: `${issuer}/jwks`, strict: true }), answer)
  app.get(
    '/mcp',
    requireBearerAuth({ verifier: joseVerifier(issuer, audience) as never, requiredScopes: [scope] }),
    answer,
  )
  return new Promise((resolve) => {
    const server = app.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

/** What the guide of the MCP SDK leaves to its user: here with jose, as most do it. */
function joseVerifier(issuer: string, audience: string) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`))
  const options = { issuer, audience, typ: 'at+jwt', algorithms: [...algorithms] }
  return {
    async verifyAccessToken(token: string) {
      try {
        const { payload } = await jwtVerify(token, keys, options)
        const { client_id: clientId, scope: words, exp: expiresAt } = payload
        return { token, clientId, scopes: String(words).split(' '), expiresAt, extra: payload }
      } catch (error) {
        throw new InvalidTokenError(String(error))
      }
    },
  }
}

export const startFastify: Started = async ({ issuer, audience }, guards) => {
  const app = fastify()
  const answer = async (_request: unknown, reply: fastify.FastifyReply) =>
    reply.header('content-type', 'application/json').send(body)
  const getJwks = buildGetJwks({ jwksPath: '/jwks', issuersWhitelist: [issuer], checkIssuer: () => true })
  await app.register(fastifyJwt, {
    decode: { complete: true },
    verify: { allowedIss: issuer, allowedAud: audience, checkTyp: 'at+jwt', algorithms: [...algorithms] },
    secret: (_request: unknown, token: Complete, done: (error: unknown, key?: string) => void) => {
      const { header, payload } = token
      getJwks
        .getPublicKey({ kid: header.kid, domain: payload.iss, alg: header.alg })
        .then((key: string) => done(null, key), done)
    },
  })
  app.get(open.path, answer)
  app.get(cold.path, { onRequest: protectFastify(guards.cold, { scope }) }, answer)
  app.get(warm.path, { onRequest: protectFastify(guards.warm, { scope }) }, answer)
  const verify = async (request: { jwtVerify?: () => Promise<unknown> }): Promise<void> =>
    void (await request.jwtVerify?.())
  app.get('/peer', { onRequest: verify as never }, answer)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

interface Complete {
  readonly header: { readonly kid: string; readonly alg: string }
  readonly payload: { readonly iss: string }
}

export const startHono: Started = async ({ issuer, audience }, guards) => {
  const app = new Hono()
  const answer = (): Response =>
    new Response(body, { headers: { 'content-type': 'application/json', 'content-length': String(body.length) } })
  app.get(open.path, answer)
  app.get(cold.path, protectHono(guards.cold, { scope }), answer)
  app.get(warm.path, protectHono(guards.warm, { scope }), answer)
  // It would fetch the keys for every request, so it is given them; and it takes no typ but JWT unless it is told.
  const { keys } = (await (await fetch(`${issuer}/jwks`)).json()) as { keys: never[] }
  const verification = { iss: issuer, aud: audience, typ: 'at+jwt' }
  app.get('/peer', jwk({ keys, alg: [...algorithms], verification } as never), answer)
  return new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => resolve(port))
    server.on('error', (error: Error) => {
      throw error
    })
  })
}
