import type { GuardRequest } from '../guard-request.ts'
import { markPolicy } from '../policy/marked.ts'
import type { Policy } from '../policy/policy.ts'
import type { Decision, ResourceServer } from '../resource-server.ts'
import { markOpen, ruleOf } from '../routes.ts'
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

/** On the function itself and not beside it: a class that extends a guarded controller inherits its guard. */
const enforce = Symbol.for('arctos.enforce')

/** Says what a controller, or one of its methods, asks of a token. Where both speak, the method's word counts alone. */
export function Protect<S extends string>(api: ResourceServer<S>, policy: Policy<NoInfer<S>> = {}): Decorator {
  const value = api.guard(policy)
  return (target, _name, descriptor) => {
    Object.defineProperty(markPolicy((descriptor?.value ?? target) as Handler, policy), enforce, { value })
  }
}

/** Declares that a controller, or one of its methods, is for everybody. */
export function Open(): Decorator {
  return (target, _name, descriptor) => void markOpen((descriptor?.value ?? target) as Handler)
}

/**
 * Enforces what `@Protect` and `@Open` say: `app.useGlobalGuards(accessGuard)`, or `@UseGuards(accessGuard)`. Where neither says
 * anything, nobody comes in: the answer is 500, for the mistake is ours. Handlers find `request.access`.
 */
export const accessGuard = {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const declared = [context.getHandler(), context.getClass()].find((each) => ruleOf(each) !== undefined)
    if (declared !== undefined && ruleOf(declared) === 'open') return true
    const decide = (declared as { [enforce]?: (request: GuardRequest) => Promise<Decision> } | undefined)?.[enforce]
    if (decide === undefined) throw new TypeError('this route has neither @Protect nor @Open')
    const http = context.switchToHttp()
    const request = http.getRequest() as NestRequest
    const response = http.getResponse() as NestResponse
    const decision = await decide(nestGuardRequest(request))
    if (!decision.ok) return sendByNest(response, decision.response)
    Object.assign(request, { access: decision.access })
    if (decision.cacheControl !== undefined) response.header('cache-control', decision.cacheControl)
    return true
  },
}
