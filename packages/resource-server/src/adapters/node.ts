import { markPolicy } from '../policy/marked.ts'
import type { Policy } from '../policy/policy.ts'
import { answerMetadataRequest } from '../resource-metadata.ts'
import type { ResourceServer } from '../resource-server.ts'
import type { Access } from '../verification/token-check.ts'
import { fail, guardRequest, headersOf, type NodeRequest, type NodeResponse, readBytes, send } from './node-message.ts'

export { protectUpgrade } from './node-upgrade.ts'

/**
 * Guards a listener of `node:http`: it runs only for good tokens, with `request.access`. One that throws or rejects is answered
 * with 500 and told on stderr: `node:http` drops the promise, and nobody else would hear of it.
 */
export function protect<Scope extends string, Request extends NodeRequest, Response extends NodeResponse>(
  api: ResourceServer<Scope>,
  policy: Policy<NoInfer<Scope>>,
  handler: (request: Request & { readonly access: Access }, response: Response) => unknown,
): (request: Request, response: Response) => Promise<void> {
  const decide = api.guard(policy)
  const listener = async (request: Request, response: Response): Promise<void> => {
    try {
      const decision = await decide(guardRequest(request))
      if (!decision.ok) return send(response, decision.response)
      if (decision.cacheControl !== undefined) response.setHeader('cache-control', decision.cacheControl)
      await handler(Object.assign(request, { access: decision.access }), response)
    } catch (error) {
      fail(response, error)
    }
  }
  return markPolicy(listener, policy)
}

/** Answers requests for the metadata of the resource; says whether this was one. RFC 9728 §3 */
export function protectedResourceMetadata(
  api: ResourceServer,
): (request: NodeRequest, response: NodeResponse) => boolean {
  return (request, response) => {
    const answer = answerMetadataRequest(api, request.method ?? '', request.url ?? '')
    if (answer !== undefined) send(response, answer)
    return answer !== undefined
  }
}

/** Takes the events of a revocation feed that pushes them to this address. RFC 8935 §2 */
export function revocationEvents(
  api: ResourceServer,
): (request: NodeRequest & AsyncIterable<unknown>, response: NodeResponse) => Promise<void> {
  return async (request, response) => {
    try {
      const { method = '', rawHeaders } = request
      const read = (limit: number) => readBytes(request, limit)
      send(response, await api.receiveEvents({ method, headers: headersOf(rawHeaders), read }))
    } catch (error) {
      fail(response, error)
    }
  }
}
