import { accessOf } from '@arctos/resource-server'
import { protect, protectedResourceMetadata } from '@arctos/resource-server/fastify'
import fastify from 'fastify'
import { guardScenario } from '../support/guarded.ts'

export const scenario = guardScenario('fastify', async (api) => {
  const app = fastify()
  await app.register(protectedResourceMetadata(api))
  for (const scope of ['read', 'write'] as const) {
    app.get(`/${scope}`, { onRequest: protect(api, { scope }) }, async (request) => ({
      subject: accessOf(request).subject,
    }))
  }
  return { origin: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
})
