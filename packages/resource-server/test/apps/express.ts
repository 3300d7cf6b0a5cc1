import express from 'express'
import { open, protect, protectedResourceMetadata, routesOf } from '../../src/adapters/express.ts'
import { accessOf } from '../../src/index.ts'
import { type Api, type App, guardedPaths, serve } from './app.ts'

export function expressApp(api: Api): Promise<App> {
  const app = express()
  app.use(protectedResourceMetadata(api))
  for (const [path, scope] of Object.entries(guardedPaths)) {
    // The parser after the guard: it finds the body whole.
    app.all(path, protect(api, { scope }), express.urlencoded(), (request, response) => {
      response.json({ subject: accessOf(request).subject, note: noteIn(request.body) })
    })
  }
  app.get('/open', open(), (_request, response) => void response.send('open'))
  app.get('/forgotten', (_request, response) => void response.send('open'))
  return serve(app, routesOf(app))
}

/** The parser before the guard, and the routes in a router of their own: the guard sees what came, not what is left of it. */
export function expressRouterApp(api: Api): Promise<App> {
  const app = express()
  const router = express.Router()
  for (const [path, scope] of Object.entries(guardedPaths)) {
    const notes = express.Router()
    notes.use(protect(api, { scope }))
    notes.all('/', (request, response) => {
      response.json({ subject: request.access?.subject, note: noteIn(request.body) })
    })
    router.use(path, notes)
  }
  router.get('/open', open(), (_request, response) => void response.send('open'))
  router.get('/forgotten', (_request, response) => void response.send('open'))
  app.use(express.urlencoded(), protectedResourceMetadata(api), router)
  return serve(app, routesOf(app))
}

/** What the parser left; `undefined` where there was no form. */
function noteIn(body: unknown): unknown {
  return (body as { readonly note?: unknown } | undefined)?.note
}
