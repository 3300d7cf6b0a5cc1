import { nearestRule, type Route } from '../routes.ts'

/** The part of a layer of `@koa/router` that is used; one without methods came by `router.use`. */
interface Layer {
  readonly methods: readonly string[]
  readonly path: string | RegExp
  readonly stack: readonly unknown[]
  readonly opts: { readonly sensitive?: boolean | undefined; readonly pathAsRegExp?: boolean | undefined }
  match(path: string): boolean
}

interface Router {
  readonly stack: readonly Layer[]
  /** Runs one of the layers that match, and so none of the guards before it. */
  readonly exclusive?: unknown
}

/**
 * Every route of a Koa application that `@koa/router` serves, with its policy. Guards count that stand before the handler: in the
 * route, in its router or in the application. A middleware that takes no `next` answers every request that comes to it, and is
 * listed as a route.
 */
export function routesOf(app: { readonly middleware: readonly unknown[] }): readonly Route[] {
  return app.middleware.flatMap((middleware, at) => {
    const outer = app.middleware.slice(0, at)
    const router = routerOf(middleware)
    if (router !== undefined) return routesOfRouter(router, outer)
    const isLast = typeof middleware === 'function' && middleware.length < 2
    return isLast ? [{ method: '*', path: '(any)', policy: nearestRule(outer) }] : []
  })
}

function routesOfRouter({ stack, exclusive }: Router, outer: readonly unknown[]): Route[] {
  return stack.flatMap((layer, place) => {
    const isBefore = (each: Layer): boolean => each.methods.length === 0 && leadsTo(each, layer)
    const before = exclusive ? [] : stack.slice(0, place).filter(isBefore)
    // The last one answers: a guard in its place guards nothing.
    const guards = [...outer, ...before.flatMap((each) => each.stack), ...layer.stack.slice(0, -1)]
    // `router.get` serves HEAD by the same handlers.
    const methods = layer.methods.filter((method) => method !== 'HEAD' || !layer.methods.includes('GET'))
    return methods.map((method) => ({ method, path: String(layer.path), policy: nearestRule(guards) }))
  })
}

/** Whether a guard stands before every request of a route, in each form that its path has. */
function leadsTo(above: Layer, { path, opts }: Layer): boolean {
  // Nobody can tell what a pattern matches, but everything is under the root.
  if (typeof path !== 'string' || opts.pathAsRegExp === true) return above.match('/')
  const isSensitive = above.opts.sensitive === true && opts.sensitive !== true
  const forms = [path, path.replaceAll(/[{}]/g, ''), withoutOptional(path)]
  return forms.every((form) => above.match(form) && (!isSensitive || above.match(swapCase(form))))
}

function withoutOptional(path: string): string {
  let text = path
  for (let inner = ''; inner !== text; ) {
    inner = text
    text = inner.replace(/\{[^{}]*\}/g, '')
  }
  return text
}

function swapCase(text: string): string {
  return text.replace(/[a-z]/gi, (letter) => (letter < 'a' ? letter.toLowerCase() : letter.toUpperCase()))
}

function routerOf(middleware: unknown): Router | undefined {
  return (middleware as { readonly router?: Router }).router
}
