import { accessOf, resourceServer } from '@arctos/resource-server'
import { protect as protectExpress } from '@arctos/resource-server/express'
import { protect as protectFastify } from '@arctos/resource-server/fastify'
import { type AccessVariables, protect as protectHono } from '@arctos/resource-server/hono'
import { mcpGuard } from '@arctos/resource-server/mcp'
import type { TestAuthorizationServer } from '@arctos/testing'
import { getRequestListener } from '@hono/node-server'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { listen } from '../support/listening.ts'
import { type ComparedGuard, resource, scopes } from './guard.ts'

const words = ['read', 'write'] as const

function describeApi({ issuer }: TestAuthorizationServer) {
  return resourceServer({ resource, scopes, authorizationServers: [issuer], journal: () => {} })
}

/** Our guard in four frameworks, as their guides set it up. */
export const ourGuards: readonly ComparedGuard[] = [
  {
    name: 'Arctos Express',
    packages: ['@arctos/resource-server', 'express'],
    setup: '`protect(api, { scope })`',
    async start(as) {
      const api = describeApi(as)
      const app = express()
      for (const scope of words) {
        app.all(`/${scope}`, protectExpress(api, { scope }), (request, response) => {
          response.json({ subject: accessOf(request).subject })
        })
      }
      return listen(app)
    },
  },
  {
    name: 'Arctos Fastify',
    packages: ['@arctos/resource-server', 'fastify'],
    setup: '`onRequest: protect(api, { scope })`',
    async start(as) {
      const api = describeApi(as)
      const app = fastify()
      app.addContentTypeParser('application/x-www-form-urlencoded', (_request, _body, done) => done(null, {}))
      for (const scope of words) {
        app.route({
          method: ['GET', 'POST'],
          url: `/${scope}`,
          onRequest: protectFastify(api, { scope }),
          handler: async (request) => ({ subject: accessOf(request).subject }),
        })
      }
      return { origin: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
    },
  },
  {
    name: 'Arctos Hono',
    packages: ['@arctos/resource-server', 'hono', '@hono/node-server'],
    setup: '`protect(api, { scope })`',
    async start(as) {
      const api = describeApi(as)
      const app = new Hono<{ Variables: AccessVariables }>()
      for (const scope of words) {
        app.all(`/${scope}`, protectHono(api, { scope }), (context) =>
          context.json({ subject: context.var.access.subject }),
        )
      }
      return listen(getRequestListener(app.fetch))
    },
  },
  {
    name: 'Arctos MCP',
    packages: ['@arctos/resource-server', '@modelcontextprotocol/sdk'],
    setup: '`mcpGuard(api, …).middleware` in Express',
    // An MCP endpoint takes JSON: its body can hold no form.
    routes: { read: 'GET /read', write: 'GET /write' },
    async start(as) {
      const api = describeApi(as)
      const app = express()
      for (const scope of words) {
        const newServer = () => new McpServer({ name: 'notes', version: '1.0.0' })
        const guard = mcpGuard(api, newServer, () => {}, { policy: { scope } })
        app.all(`/${scope}`, guard.middleware, (request, response) => {
          response.json({ subject: accessOf(request).subject })
        })
      }
      return listen(app)
    },
  },
]
