import type { ResourceServer } from '../resource-server.ts'
import { type AccessRule, nearestRule, type Route, requirePolicy } from '../routes.ts'
import { protect } from './fastify.ts'

/** The part of the options of a route that is used. */
interface RouteOptions {
  readonly method: string | readonly string[]
  readonly url: string
  readonly config?: object | undefined
  onRequest?: unknown
}

interface FastifyInstance {
  addHook(name: 'onRoute' | 'onReady', hook: (options: RouteOptions) => unknown): unknown
}

/**
 * Guards every route that is added after this call with the policy in its `config.access`, and lets Fastify not become ready while a
 * route has none; `config: { access: 'open' }` declares one that everybody may call. The list grows as routes are added.
 */
export function guardRoutes<Scope extends string>(app: object, api: ResourceServer<Scope>): readonly Route[] {
  const instance = app as FastifyInstance
  const routes: Route[] = []
  instance.addHook('onRoute', (options) => {
    const hooks = [options.onRequest ?? []].flat()
    const declared = (options.config as { readonly access?: AccessRule } | undefined)?.access
    // The route of HEAD that Fastify makes of one for GET has the guard of that one already.
    const policy = nearestRule(hooks) ?? declared
    if (nearestRule(hooks) === undefined && policy !== undefined && policy !== 'open') {
      options.onRequest = [protect<string>(api, policy), ...hooks]
    }
    for (const method of [options.method].flat()) routes.push({ method, path: options.url, policy })
  })
  instance.addHook('onReady', async () => requirePolicy(routes))
  return routes
}
