import { nearestRule, type Route, ruleOf } from '../routes.ts'

/** The part of an entry of `app.routes` that is used. */
interface Entry {
  readonly method: string
  readonly path: string
  readonly handler: Handler
}

/** Hono wraps the handlers of a mounted application that has an error handler of its own. */
type Handler = ((...parts: never[]) => unknown) & { readonly __COMPOSED_HANDLER?: Handler }

/**
 * Every route of a Hono application, with its policy. Guards count that were added before the handler, for its path or above. A
 * handler is told from a middleware as Hono's own list does it: it takes no `next`; but what stands last for a method and a path
 * answers, whatever it takes. Not listed is what a handler mounted by `app.mount` serves: to Hono it is a middleware.
 */
export function routesOf({ routes }: { readonly routes: readonly Entry[] }): readonly Route[] {
  return routes.flatMap((entry, at) => {
    if (!answers(entry) && !isLast(entry, routes.slice(at + 1))) return []
    const before = routes.slice(0, at).filter((earlier) => precedes(earlier, entry))
    const policy = nearestRule(before.map(({ handler }) => targetOf(handler)))
    return [{ method: entry.method === 'ALL' ? '*' : entry.method, path: entry.path, policy }]
  })
}

function answers({ handler }: Entry): boolean {
  return targetOf(handler).length < 2
}

function isLast({ method, path, handler }: Entry, later: readonly Entry[]): boolean {
  if (method === 'ALL' || ruleOf(targetOf(handler)) !== undefined) return false
  return !later.some((each) => each.method === method && each.path === path)
}

function targetOf(handler: Handler): Handler {
  return handler.__COMPOSED_HANDLER ?? handler
}

function precedes(earlier: Entry, { method, path }: Entry): boolean {
  if (earlier.method !== 'ALL' && earlier.method !== method) return false
  const above = earlier.path.replace(/\/?\*$/, '')
  if (above === earlier.path) return path === above
  return path === above || path.startsWith(`${above}/`)
}
