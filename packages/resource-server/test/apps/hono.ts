import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { type AccessVariables, open, protect, protectedResourceMetadata, routesOf } from '../../src/adapters/hono.ts'
import { type Api, type App, guardedPaths, noteOf, serve } from './app.ts'

export function honoApp(api: Api): Promise<App> {
  const app = new Hono<{ Variables: AccessVariables }>()
  app.use(protectedResourceMetadata(api))
  for (const [path, scope] of Object.entries(guardedPaths)) {
    app.all(path, protect(api, { scope }), async (context) =>
      context.json({ subject: context.var.access.subject, ...noteOf(await context.req.text()) }),
    )
  }
  app.get('/open', open(), (context) => context.text('open'))
  app.get('/forgotten', (context) => context.text('open'))
  return serve(getRequestListener(app.fetch), routesOf(app))
}
