import type { Answer } from '../answer.ts'
import { markPolicy } from '../policy/marked.ts'
import type { Policy } from '../policy/policy.ts'
import { metadataAnswer } from '../resource-metadata.ts'
import type { ResourceServer } from '../resource-server.ts'
import { guardRequest, type NodeRequest } from './node-message.ts'

export { guardRoutes } from './fastify-routes.ts'

/** The parts of Fastify that are used. */
interface FastifyRequest {
  readonly raw: NodeRequest
  readonly body?: unknown
}

interface FastifyReply {
  code(status: number): unknown
  headers(values: Record<string, string>): unknown
  send(body: string): unknown
}

interface FastifyInstance {
  get(path: string, options: { readonly config: { readonly access: 'open' } }, handler: Hook): unknown
}

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

/** An `onRequest` hook: `app.get(path, { onRequest: protect(api, policy) }, handler)`; the handler finds `request.access`. */
export function protect<Scope extends string>(api: ResourceServer<Scope>, policy: Policy<NoInfer<Scope>> = {}): Hook {
  const decide = api.guard(policy)
  const hook: Hook = async (request, reply) => {
    const decision = await decide(guardRequest(request.raw, request.raw.url, request.body))
    if (!decision.ok) return send(reply, decision.response)
    Object.assign(request, { access: decision.access })
    if (decision.cacheControl !== undefined) reply.headers({ 'cache-control': decision.cacheControl })
    return undefined
  }
  return markPolicy(hook, policy)
}

/** Serves the metadata of the resource: `app.register(protectedResourceMetadata(api))`. RFC 9728 §3 */
export function protectedResourceMetadata(api: ResourceServer): (instance: FastifyInstance) => Promise<void> {
  return async (instance) => {
    instance.get(api.metadataPath, { config: { access: 'open' } }, async (_request, reply) =>
      send(reply, metadataAnswer(api)),
    )
  }
}

/** A hook that returns its reply has answered: Fastify goes no further. */
function send(reply: FastifyReply, { status, headers, body }: Answer): FastifyReply {
  reply.code(status)
  reply.headers({ ...headers })
  reply.send(body)
  return reply
}
