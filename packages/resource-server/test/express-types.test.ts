import express from 'express'
import { expect, expectTypeOf, it } from 'vitest'
import { protect } from '../src/adapters/express.ts'
import { mcpGuard } from '../src/adapters/mcp.ts'
import { resourceServer } from '../src/index.ts'
import { SmallServer } from './mcp-app.ts'

const api = resourceServer({
  resource: 'https://api.example.com',
  authorizationServers: ['https://as.example.com'],
  scopes: { read: 'Read notes' },
})

/** What the compiler takes the request to be in a handler behind these two; `any` is what Express says of a body itself. */
it('leaves the types of body and parameters to Express', () => {
  const app = express()
  app.post('/notes/:id', protect(api, { scope: 'read' }), express.json(), (request) => {
    expectTypeOf(request.body).toBeAny()
    expectTypeOf(request.params.id).toBeString()
  })
  const mcp = mcpGuard(
    api,
    () => new SmallServer(),
    () => {},
  )
  app.post('/mcp/:id', mcp.middleware, (request) => {
    expectTypeOf(request.body).toBeAny()
    expectTypeOf(request.params.id).toBeString()
  })
  expect(app.router.stack).toHaveLength(2)
})
