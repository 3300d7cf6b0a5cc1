import { nearestRule, type Route, ruleOf } from '../routes.ts'

/** The part of a layer of Express's router that is used. */
interface Layer {
  readonly handle: unknown
  readonly rawPath?: unknown
  readonly method?: string | undefined
  readonly route?: { readonly path: unknown; readonly stack: readonly Layer[] } | undefined
}

interface Router {
  readonly stack: readonly Layer[]
  readonly caseSensitive?: boolean | undefined
}

/** A path, and how much of its beginning is matched as it is written. */
interface Place {
  readonly path: string
  readonly exactLength: number
}

/** A guard that was mounted, and where. */
interface Mounted extends Place {
  readonly guard: unknown
}

/**
 * Every route of an application or a router of Express, with its policy. Guards count that stand before the handler: in the
 * route, or mounted earlier on a path that leads to it. What is mounted and answers everything is listed as a route: a function
 * that takes no `next`, and an application, whose routes Express hides. What answers some requests (`express.static`) is not.
 */
export function routesOf(app: object): readonly Route[] {
  const router = 'router' in app ? app.router : app
  return isRouter(router) ? routesUnder(router, { path: '', exactLength: 0 }, []) : []
}

function routesUnder(router: Router, prefix: Place, outer: readonly Mounted[]): Route[] {
  const mounted = [...outer]
  return router.stack.flatMap((layer) => {
    if (layer.route !== undefined) {
      const { path, stack: handlers } = layer.route
      return texts(path).flatMap((text) => routesAt(placeIn(router, prefix, text), handlers, mounted))
    }
    const { rawPath = '(mounted)', handle } = layer
    const places = texts(rawPath).map((text) => placeIn(router, prefix, text))
    if (isRouter(handle)) return places.flatMap((place) => routesUnder(handle, place, mounted))
    if (answersAll(handle)) return places.flatMap((place) => routesAt(place, [{ handle }], mounted))
    // What a pattern matches nobody can tell, and with some flags it is another thing each time.
    if (!(rawPath instanceof RegExp)) mounted.push(...places.map((place) => ({ ...place, guard: handle })))
    return []
  })
}

function routesAt(place: Place, handlers: readonly Layer[], mounted: readonly Mounted[]): Route[] {
  const { path } = place
  const outer = mounted.filter((above) => leadsTo(above, place)).map(({ guard }) => guard)
  return [...new Set(handlers.map(({ method }) => method))].flatMap((method) => {
    const own = handlers.filter((each) => each.method === undefined || each.method === method)
    // Guards alone, for all methods, stand before the handlers of some: `route.all(protect(api)).get(…)`.
    if (own.length < handlers.length && own.every(({ handle }) => ruleOf(handle) !== undefined)) return []
    // The last one answers: a guard in its place guards nothing.
    const guards = own.slice(0, -1).map(({ handle }) => handle)
    return [{ method: method?.toUpperCase() ?? '*', path, policy: nearestRule([...outer, ...guards]) }]
  })
}

/** Express wraps an application that is mounted, under this name. */
function answersAll(handle: unknown): boolean {
  if (typeof handle !== 'function' || ruleOf(handle) !== undefined) return false
  return handle.name === 'mounted_app' || handle.length === 1 || handle.length === 2
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

/** Where a path of a router is. As long as every router on the way is sensitive to case, so is the path. */
function placeIn(router: Router, prefix: Place, text: string): Place {
  const path = join(prefix.path, text)
  const isExact = router.caseSensitive === true && prefix.exactLength === prefix.path.length
  return { path, exactLength: isExact ? path.length : prefix.exactLength }
}

function leadsTo({ path: above, exactLength }: Place, { path, exactLength: ownLength }: Place): boolean {
  if (exactLength > ownLength) return false
  return above === '/' || above === '' || path === above || path.startsWith(above.endsWith('/') ? above : `${above}/`)
}
