import { markPolicy } from '../policy/marked.ts'
import type { Policy } from '../policy/policy.ts'
import { answerMetadataRequest } from '../resource-metadata.ts'
import type { ResourceServer } from '../resource-server.ts'
import { markOpen } from '../routes.ts'
import type { Access } from '../verification/token-check.ts'
import { toResponse } from './fetch.ts'
import { guardRequest, lacksPrivacy } from './fetch-message.ts'

export { routesOf } from './hono-routes.ts'

/** The variables of a guarded route: `new Hono<{ Variables: AccessVariables }>()` types `c.var.access`. */
export interface AccessVariables {
  readonly access: Access
}

/** The part of Hono's context that is used. */
interface Context {
  readonly req: { readonly raw: Request; parseBody(options: { all: true }): Promise<Record<string, unknown>> }
  readonly res: Response
  set(key: 'access', value: Access): void
  header(name: string, value: string): void
}

type Middleware = (context: Context, next: () => Promise<void>) => Promise<Response | undefined>

/** Guards the handlers that follow it; they find `c.var.access`. */
export function protect<S extends string>(api: ResourceServer<S>, policy: Policy<NoInfer<S>> = {}): Middleware {
  const decide = api.guard(policy)
  const middleware: Middleware = async (context, next) => {
    const { raw } = context.req
    // A body that Hono has read, it keeps: only Hono can show it again.
    const form = raw.bodyUsed ? { form: () => context.req.parseBody({ all: true }) } : {}
    const decision = await decide({ ...guardRequest(raw), ...form })
    if (!decision.ok) return toResponse(decision.response)
    context.set('access', decision.access)
    await next()
    if (decision.cacheControl && lacksPrivacy(context.res)) context.header('cache-control', decision.cacheControl)
    return undefined
  }
  return markPolicy(middleware, policy)
}

/** Declares that the handlers that follow it are for everybody. */
export function open(): Middleware {
  return markOpen(async (_context, next) => void (await next()))
}

/** Serves the metadata of the resource: `app.use(protectedResourceMetadata(api))`. RFC 9728 §3 */
export function protectedResourceMetadata(api: ResourceServer): Middleware {
  return async ({ req }, next) => {
    const answer = answerMetadataRequest(api, req.raw.method, req.raw.url)
    if (answer !== undefined) return toResponse(answer)
    await next()
    return undefined
  }
}
