import { nearestRule, type Route } from '../routes.ts'

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
 * handler is told from a middleware as Hono's own list does it: it takes no `next`.
 */
export function routesOf({ routes }: { readonly routes: readonly Entry[] }): readonly Route[] {
  return routes.flatMap((entry, at) => {
    if (targetOf(entry.handler).length >= 2) return []
    const before = routes.slice(0, at).filter((earlier) => precedes(earlier, entry))
    const policy = nearestRule(before.map(({ handler }) => targetOf(handler)))
    return [{ method: entry.method === 'ALL' ? '*' : entry.method, path: entry.path, policy }]
  })
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
