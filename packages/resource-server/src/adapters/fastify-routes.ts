import type { ResourceServer } from '../resource-server.ts'
import { type AccessRule, nearestRule, type Route, requirePolicy } from '../routes.ts'
import { protect } from './fastify.ts'

/** The part of the options of a route that is used. */
interface RouteOptions {
  readonly method: string | readonly string[]
  readonly url: string
  readonly config?: object | undefined
  onRequest?: unknown
  readonly preParsing?: unknown
  readonly preValidation?: unknown
  readonly preHandler?: unknown
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
  const added = new WeakSet<object>()
  instance.addHook('onRoute', (options) => {
    const declared = (options.config as { readonly access?: AccessRule } | undefined)?.access
    const hooks = listOf(options.onRequest)
    // The route of HEAD that Fastify makes of one for GET has the guard of that one already.
    const isGuarded = hooks.some((hook) => typeof hook === 'function' && added.has(hook))
    if (declared !== undefined && declared !== 'open' && !isGuarded) {
      const guard = protect<string>(api, declared)
      added.add(guard)
      hooks.unshift(guard)
      options.onRequest = hooks
    }
    const later = [options.preParsing, options.preValidation, options.preHandler].flatMap(listOf)
    const policy = nearestRule([...hooks, ...later]) ?? declared
    for (const method of [options.method].flat()) routes.push({ method, path: options.url, policy })
  })
  instance.addHook('onReady', async () => {
    if (routes.length > 0) requirePolicy(routes)
  })
  return routes
}

function listOf(hooks: unknown): unknown[] {
  return hooks === undefined ? [] : [hooks].flat()
}
