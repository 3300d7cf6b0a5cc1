import { markPolicy } from '../policy/marked.ts'
import type { Policy } from '../policy/policy.ts'
import { answerMetadataRequest } from '../resource-metadata.ts'
import type { ResourceServer } from '../resource-server.ts'
import { markOpen } from '../routes.ts'
import type { Access } from '../verification/token-check.ts'
import { guardRequest, type NodeRequest, type NodeResponse, send } from './node-message.ts'

export { routesOf } from './express-routes.ts'

declare global {
  namespace Express {
    interface Request {
      /** What the guard of this route verified; absent where there is none. `accessOf(request)` says so aloud. */
      access?: Access
    }
  }
}

/**
 * The part of a request of Express that is used. A mounted router cuts `url`; `originalUrl` is what came. `body` is not named, though a
 * parser may have left one: the compiler would infer its type from here, and `request.body` be `unknown` to every handler behind.
 */
interface ExpressRequest extends NodeRequest {
  readonly originalUrl?: string | undefined
  access?: Access
}

type Middleware = (request: ExpressRequest, response: NodeResponse, next: (error?: unknown) => void) => void

/** Guards the handlers that follow it; they find `request.access`. */
export function protect<S extends string>(api: ResourceServer<S>, policy: Policy<NoInfer<S>> = {}): Middleware {
  const decide = api.guard(policy)
  const middleware: Middleware = (request, response, next) => {
    const { body }: ExpressRequest & { readonly body?: unknown } = request
    decide(guardRequest(request, request.originalUrl ?? request.url, body))
      .then((decision) => {
        if (!decision.ok) return send(response, decision.response)
        request.access = decision.access
        if (decision.cacheControl !== undefined) response.setHeader('cache-control', decision.cacheControl)
        next()
      })
      .catch(next)
  }
  return markPolicy(middleware, policy)
}

/** Declares that the handlers that follow it are for everybody. */
export function open(): Middleware {
  return markOpen((_request, _response, next) => next())
}

/** Serves the metadata of the resource: `app.use(protectedResourceMetadata(api))`. RFC 9728 §3 */
export function protectedResourceMetadata(api: ResourceServer): Middleware {
  return (request, response, next) => {
    const answer = answerMetadataRequest(api, request.method ?? '', request.originalUrl ?? request.url ?? '')
    if (answer === undefined) next()
    else send(response, answer)
  }
}
