import { nearestRule, type Route } from '../routes.ts'

/** The part of a layer of Express's router that is used. */
interface Layer {
  readonly handle: unknown
  readonly rawPath?: unknown
  readonly method?: string | undefined
  readonly route?: { readonly path: unknown; readonly stack: readonly Layer[] } | undefined
}

interface Router {
  readonly stack: readonly Layer[]
}

/** A guard that was mounted, and where. */
interface Mounted {
  readonly path: string
  readonly guard: unknown
}

/**
 * Every route of an application or a router of Express, with its policy. Guards count that stand before the handler: in the
 * route, or mounted earlier on a path that leads to it. What answers without being a route (`express.static`) is not listed.
 */
export function routesOf(app: object): readonly Route[] {
  const router = 'router' in app ? app.router : app
  return isRouter(router) ? routesUnder(router, '', []) : []
}

function routesUnder({ stack }: Router, prefix: string, outer: readonly Mounted[]): Route[] {
  const mounted = [...outer]
  return stack.flatMap((layer) => {
    if (layer.route !== undefined) {
      const { path, stack: handlers } = layer.route
      return texts(path).flatMap((text) => routesAt(join(prefix, text), handlers, mounted))
    }
    const paths = texts(layer.rawPath ?? '(mounted)').map((text) => join(prefix, text))
    const { handle } = layer
    if (isRouter(handle)) return paths.flatMap((path) => routesUnder(handle, path, mounted))
    for (const path of paths) mounted.push({ path, guard: handle })
    return []
  })
}

function routesAt(path: string, handlers: readonly Layer[], mounted: readonly Mounted[]): Route[] {
  const outer = mounted.filter(({ path: above }) => leadsTo(above, path)).map(({ guard }) => guard)
  return [...new Set(handlers.map(({ method }) => method))].map((method) => {
    const own = handlers.filter((each) => each.method === undefined || each.method === method)
    // The last one answers: a guard in its place guards nothing.
    const guards = own.slice(0, -1).map(({ handle }) => handle)
    return { method: method?.toUpperCase() ?? '*', path, policy: nearestRule([...outer, ...guards]) }
  })
}

function isRouter(value: unknown): value is Router {
  return (typeof value === 'function' || typeof value === 'object') && value !== null && 'stack' in value
}

function texts(path: unknown): string[] {
  return (Array.isArray(path) ? path : [path]).map(String)
}

function join(prefix: string, path: string): string {
  return path === '/' && prefix !== '' ? prefix : `${prefix === '/' ? '' : prefix}${path}`
}

function leadsTo(above: string, path: string): boolean {
  return above === '/' || above === '' || path === above || path.startsWith(above.endsWith('/') ? above : `${above}/`)
}
