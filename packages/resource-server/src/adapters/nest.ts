import { markPolicy } from '../policy/marked.ts'
import type { Policy } from '../policy/policy.ts'
import type { ResourceServer } from '../resource-server.ts'
import { markOpen } from '../routes.ts'
import { declare, declaredOn } from './nest-declaration.ts'
import { type NestRequest, type NestResponse, nestGuardRequest, sendByNest } from './nest-message.ts'

export { protectedResourceMetadata } from './express.ts'
export { routesOf } from './nest-routes.ts'

/** The part of Nest's execution context that is used. */
interface ExecutionContext {
  getHandler(): object
  getClass(): object
  switchToHttp(): { getRequest(): unknown; getResponse(): unknown }
}

type Handler = (...parts: never[]) => unknown
/** A decorator of a controller or of one of its methods. */
type Decorator = (target: object, name?: string | symbol, descriptor?: PropertyDescriptor) => void

/** Says what a controller, or one of its methods, asks of a token. Where both speak, the method's word counts alone. */
export function Protect<Scope extends string>(
  api: ResourceServer<Scope>,
  policy: Policy<NoInfer<Scope>> = {},
): Decorator {
  const decide = api.guard(policy)
  return (target, _name, descriptor) => {
    declare(markPolicy((descriptor?.value ?? target) as Handler, policy), { rule: policy, decide })
  }
}

/** Declares that a controller, or one of its methods, is for everybody. */
export function Open(): Decorator {
  return (target, _name, descriptor) => declare(markOpen((descriptor?.value ?? target) as Handler), { rule: 'open' })
}

/**
 * Enforces what `@Protect` and `@Open` say: `app.useGlobalGuards(accessGuard)`, or `@UseGuards(accessGuard)`. Where neither says
 * anything, nobody comes in: the answer is 500, for the mistake is ours. Handlers find `request.access`.
 */
export const accessGuard = {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const declared = declaredOn(context.getHandler()) ?? declaredOn(context.getClass())
    if (declared?.rule === 'open') return true
    if (declared?.decide === undefined) throw new TypeError('this route has neither @Protect nor @Open')
    const http = context.switchToHttp()
    const request = http.getRequest() as NestRequest
    const response = http.getResponse() as NestResponse
    const decision = await declared.decide(nestGuardRequest(request))
    if (!decision.ok) return sendByNest(response, decision.response)
    Object.assign(request, { access: decision.access })
    if (decision.cacheControl !== undefined) response.header('cache-control', decision.cacheControl)
    return true
  },
}
