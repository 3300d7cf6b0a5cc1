import type { Answer } from '../answer.ts'
import { markPolicy } from '../policy/marked.ts'
import type { Policy } from '../policy/policy.ts'
import { answerMetadataRequest } from '../resource-metadata.ts'
import type { ResourceServer } from '../resource-server.ts'
import { markOpen } from '../routes.ts'
import type { Access } from '../verification/token-check.ts'
import { guardRequest, type NodeRequest } from './node-message.ts'

export { routesOf } from './koa-routes.ts'

/** The state of a guarded route: `new Router<AccessState>()` types `ctx.state.access`. */
export interface AccessState {
  access: Access
}

/** The part of Koa's context that is used. */
interface Context {
  readonly req: NodeRequest
  readonly request: { readonly body?: unknown }
  readonly originalUrl: string
  readonly state: { access?: Access }
  status: number
  body: unknown
  set(headers: Record<string, string>): void
}

type Middleware = (context: Context, next: () => Promise<unknown>) => Promise<void>

/** Guards the handlers that follow it; they find `ctx.state.access`. */
export function protect<S extends string>(api: ResourceServer<S>, policy: Policy<NoInfer<S>> = {}): Middleware {
  const decide = api.guard(policy)
  const middleware: Middleware = async (context, next) => {
    const decision = await decide(guardRequest(context.req, context.originalUrl, context.request.body))
    if (!decision.ok) return answer(context, decision.response)
    context.state.access = decision.access
    if (decision.cacheControl !== undefined) context.set({ 'cache-control': decision.cacheControl })
    await next()
  }
  return markPolicy(middleware, policy)
}

/** Declares that the handlers that follow it are for everybody. */
export function open(): Middleware {
  return markOpen(async (_context, next) => void (await next()))
}

/** Serves the metadata of the resource: `app.use(protectedResourceMetadata(api))`. RFC 9728 §3 */
export function protectedResourceMetadata(api: ResourceServer): Middleware {
  return async (context, next) => {
    const document = answerMetadataRequest(api, context.req.method ?? '', context.originalUrl)
    if (document !== undefined) return answer(context, document)
    await next()
  }
}

function answer(context: Context, { status, headers, body }: Answer): void {
  Object.assign(context, { status, body }).set({ ...headers })
}
