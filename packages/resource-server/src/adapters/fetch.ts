import type { Answer } from '../answer.ts'
import { markPolicy } from '../policy/marked.ts'
import type { Policy } from '../policy/policy.ts'
import { answerMetadataRequest } from '../resource-metadata.ts'
import type { ResourceServer } from '../resource-server.ts'
import type { Access } from '../verification/token-check.ts'
import { guardRequest, lacksPrivacy, markPrivate, readBytes } from './fetch-message.ts'

/** A Fetch answer from a plain one. */
export function toResponse(answer: Answer): Response {
  return new Response(answer.body === '' ? null : answer.body, { status: answer.status, headers: answer.headers })
}

/** Guards a Fetch handler (also a route handler of Next): it runs only for good tokens, with the access after the request. */
export function protect<Scope extends string, Incoming extends Request, Rest extends readonly unknown[]>(
  api: ResourceServer<Scope>,
  policy: Policy<NoInfer<Scope>>,
  handler: (request: Incoming, access: Access, ...rest: Rest) => Response | Promise<Response>,
): (request: Incoming, ...rest: Rest) => Promise<Response> {
  const decide = api.guard(policy)
  const guarded = async (request: Incoming, ...rest: Rest): Promise<Response> => {
    const decision = await decide(guardRequest(request))
    if (!decision.ok) return toResponse(decision.response)
    const response = await handler(request, decision.access, ...rest)
    return decision.cacheControl !== undefined && lacksPrivacy(response) ? markPrivate(response) : response
  }
  return markPolicy(guarded, policy)
}

/** Answers requests for the metadata of the resource; `undefined` for others. RFC 9728 §3 */
export function protectedResourceMetadata(api: ResourceServer): (request: Request) => Response | undefined {
  return (request) => {
    const answer = answerMetadataRequest(api, request.method, request.url)
    return answer && toResponse(answer)
  }
}

/** Takes the events of a revocation feed that pushes them to this address. RFC 8935 §2 */
export function revocationEvents(api: ResourceServer): (request: Request) => Promise<Response> {
  return async (request) => {
    const { method, headers } = request
    return toResponse(await api.receiveEvents({ method, headers, read: (limit) => readBytes(request, limit) }))
  }
}
