import type { Bff } from '../bff.ts'

type RouteHandler = (request: Request) => Promise<Response>
type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

/**
 * The handlers of a catch-all route of Next (`app/bff/[...path]/route.ts`, and one for each API's path):
 * `export const { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS } = routeHandlers(bff)`.
 */
export function routeHandlers(bff: Bff): Readonly<Record<Method, RouteHandler>> {
  const handler: RouteHandler = async (request) => (await bff.handle(request)) ?? new Response(null, { status: 404 })
  return { GET: handler, HEAD: handler, POST: handler, PUT: handler, PATCH: handler, DELETE: handler, OPTIONS: handler }
}
