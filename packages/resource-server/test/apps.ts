import type { Api, App } from './apps/app.ts'
import { expressApp, expressRouterApp } from './apps/express.ts'
import { fastifyApp } from './apps/fastify.ts'
import { fetchApp, nextApp } from './apps/fetch.ts'
import { honoApp } from './apps/hono.ts'
import { koaApp } from './apps/koa.ts'
import { nestApp } from './apps/nest.ts'
import { nodeApp } from './apps/node.ts'
import { plainApp } from './apps/plain.ts'

/** `/read` and `/write` are guarded, each in its framework's own way, and answer with the subject and the field `note` of a form. */
export const apps: Readonly<Record<string, (api: Api) => Promise<App>>> = {
  'plain data': plainApp,
  'node:http': nodeApp,
  Fetch: fetchApp,
  'Next route handlers': nextApp,
  Hono: honoApp,
  Express: expressApp,
  'Express, in routers': expressRouterApp,
  Fastify: fastifyApp,
  Koa: koaApp,
  NestJS: nestApp,
}
