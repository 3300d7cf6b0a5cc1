import { text } from 'node:stream/consumers'
import Router from '@koa/router'
import Koa from 'koa'
import { type AccessState, open, protect, protectedResourceMetadata, routesOf } from '../../src/adapters/koa.ts'
import { type Api, type App, guardedPaths, noteOf, serve } from './app.ts'

export function koaApp(api: Api): Promise<App> {
  const app = new Koa()
  const router = new Router<AccessState>()
  for (const [path, scope] of Object.entries(guardedPaths)) {
    router.all(path, protect(api, { scope }), async (context) => {
      context.body = { subject: context.state.access.subject, ...noteOf(await text(context.req)) }
    })
  }
  router.get('/open', open(), (context) => {
    context.body = 'open'
  })
  router.get('/forgotten', (context) => {
    context.body = 'open'
  })
  app.use(protectedResourceMetadata(api)).use(router.routes()).use(router.allowedMethods())
  return serve(app.callback(), routesOf(app))
}
