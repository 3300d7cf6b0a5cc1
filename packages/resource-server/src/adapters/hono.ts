import type { Policy } from '../policy/policy.ts'
import { answerMetadataRequest } from '../resource-metadata.ts'
import type { ResourceServer } from '../resource-server.ts'
import type { Access } from '../token-check.ts'
import { toResponse } from './fetch.ts'

/** The variables of a guarded route: `new Hono<{ Variables: AccessVariables }>()` types `c.var.access`. */
export interface AccessVariables {
  readonly access: Access
}

/** The part of Hono's context that is used. */
interface Context {
  readonly req: { readonly raw: Request }
  set(key: 'access', value: Access): void
}

type Middleware = (context: Context, next: () => Promise<void>) => Promise<Response | undefined>

/** Guards the handlers that follow it; they find `c.var.access`. */
export function protect<Scope extends string>(api: ResourceServer<Scope>, policy: Policy<Scope> = {}): Middleware {
  const decide = api.guard(policy)
  return async (context, next) => {
    const decision = await decide(context.req.raw)
    if (!decision.ok) return toResponse(decision.response)
    context.set('access', decision.access)
    await next()
    return undefined
  }
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
