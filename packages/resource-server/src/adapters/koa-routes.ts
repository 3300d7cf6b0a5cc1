import { nearestRule, type Route } from '../routes.ts'

/** The part of a layer of `@koa/router` that is used; one without methods came by `router.use`. */
interface Layer {
  readonly methods: readonly string[]
  readonly path: string | RegExp
  readonly stack: readonly unknown[]
  match(path: string): boolean
}

/**
 * Every route of a Koa application that `@koa/router` serves, with its policy. Guards count that stand before the handler: in the
 * route, in its router or in the application.
 */
export function routesOf(app: { readonly middleware: readonly unknown[] }): readonly Route[] {
  return app.middleware.flatMap((middleware, at) => {
    const layers = layersOf(middleware)
    const outer = app.middleware.slice(0, at)
    return layers.flatMap((layer, place) => {
      const path = String(layer.path)
      const before = layers.slice(0, place).filter((each) => each.methods.length === 0 && each.match(path))
      // The last one answers: a guard in its place guards nothing.
      const guards = [...outer, ...before.flatMap(({ stack }) => stack), ...layer.stack.slice(0, -1)]
      // `router.get` serves HEAD by the same handlers.
      const methods = layer.methods.filter((method) => method !== 'HEAD' || !layer.methods.includes('GET'))
      return methods.map((method) => ({ method, path, policy: nearestRule(guards) }))
    })
  })
}

function layersOf(middleware: unknown): readonly Layer[] {
  return (middleware as { readonly router?: { readonly stack: readonly Layer[] } }).router?.stack ?? []
}
