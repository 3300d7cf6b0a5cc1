import { fastify } from 'fastify'
import { guardRoutes, protect, protectedResourceMetadata } from '../../src/adapters/fastify.ts'
import { accessOf } from '../../src/index.ts'
import { type Api, type App, askOverHttp } from './app.ts'

export async function fastifyApp(api: Api): Promise<App> {
  const app = fastify()
  const routes = guardRoutes(app, api)
  app.register(protectedResourceMetadata(api))
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  )
  const handler = async (request: { readonly body?: unknown }) => {
    const { note } = (request.body ?? {}) as { readonly note?: string }
    return { subject: accessOf(request).subject, ...(note !== undefined && { note }) }
  }
  app.all('/read', { config: { access: { scope: 'read' } } }, handler)
  app.all('/write', { onRequest: protect(api, { scope: 'write' }) }, handler)
  app.get('/open', { config: { access: 'open' } }, async () => 'open')
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  return { ask: (sent) => askOverHttp(origin, sent), close: async () => void (await app.close()), origin, routes }
}
