import { markPolicy } from '../policy/marked.ts'
import type { Policy } from '../policy/policy.ts'
import type { ResourceServer } from '../resource-server.ts'
import { toResponse } from './fetch.ts'
import { createAdmission } from './mcp/admission.ts'
import { authInfoOf, type McpAuthInfo } from './mcp/auth-info.ts'
import { remember } from './mcp/call-check.ts'
import { bodyLimitBytes, readFetchBody } from './mcp/json-body.ts'
import { type McpNodeRequest, nodeBody, nodeRequest } from './mcp/node-request.ts'
import { createPolicies, type McpPolicyEntry } from './mcp/policies.ts'
import { type McpServerLike, type Needs, registrarOf } from './mcp/registration.ts'
import { endingResponse, endResponse } from './mcp/stream-end.ts'
import { type NodeResponse, send } from './node-message.ts'

export { type Argument, argument, type McpDetailsPolicy, type McpPolicy } from './mcp/argument.ts'
export { accessOf, type McpAuthInfo, type McpContext } from './mcp/auth-info.ts'
export { McpCallRefused } from './mcp/call-check.ts'
export type { McpKind } from './mcp/message.ts'
export type { McpPolicyEntry } from './mcp/policies.ts'
export type { McpServerLike, Needs, Registrar } from './mcp/registration.ts'
export { type McpTokenVerifier, tokenVerifier } from './mcp/token-verifier.ts'

export interface McpGuardOptions<Scope extends string> {
  /** What every request to the endpoint needs, beside what it names: also `initialize`, lists and streams. By default any good token. */
  readonly policy?: Policy<Scope> | undefined
  /** How large a body may be; by default 4 MiB, as in both SDKs. */
  readonly maxBodyBytes?: number | undefined
}

/** What the `fetch` of an MCP server is told beside the request; both lines of the SDK take it. */
export interface McpCallOptions {
  readonly authInfo: McpAuthInfo
  readonly parsedBody?: unknown
}

interface McpNodeResponse extends NodeResponse {
  on(event: 'close', listener: () => void): unknown
}

/** The guard of one MCP endpoint, and the maker of the servers behind it. */
export interface McpGuard<Server> {
  /** A server with everything registered. Where the SDK serves each request by a server of its own, give it this. */
  readonly createServer: () => Server
  /** Guards a Fetch handler, such as `fetch` of `createMcpHandler`: it runs only for calls that may be made. */
  readonly protect: (
    handler: (request: Request, options: McpCallOptions) => Response | Promise<Response>,
  ) => (request: Request) => Promise<Response>
  /**
   * Guards the handlers after it in Express, Connect or a listener of `node:http`. They find the parsed body as `request.body`, to
   * hand on to the SDK, which finds `request.auth`.
   */
  readonly middleware: (request: McpNodeRequest, response: McpNodeResponse, next: (error?: unknown) => void) => void
  /** Every tool, resource and prompt, with its policy. */
  readonly policies: () => readonly McpPolicyEntry[]
}

/**
 * Guards an MCP server that is built with either line of the TypeScript SDK. `register` gets `needs(policy)`, which has the
 * methods of the SDK to register tools, resources and prompts; there is no other way to register one. It runs once now, so that a
 * server that cannot be guarded does not start. Throws a TypeError then.
 *
 * A call that may not be made is answered before the SDK sees it, with a challenge of HTTP (RFC 6750 §3), by its headers `Mcp-Method`
 * and `Mcp-Name` and by its body, which must agree.
 */
export function mcpGuard<Scope extends string, Server extends McpServerLike>(
  api: ResourceServer<Scope>,
  newServer: () => Server,
  register: (needs: Needs<Scope, Server>) => void,
  { policy = {}, maxBodyBytes = bodyLimitBytes }: McpGuardOptions<NoInfer<Scope>> = {},
): McpGuard<Server> {
  checkTransports(api)
  const policies = createPolicies(api, policy)
  const admit = createAdmission(api, policy, policies)

  const createServer = (): Server => {
    const server = newServer()
    register(registrarOf<Scope, Server>(server, policies))
    return server
  }
  createServer()

  const protect: McpGuard<Server>['protect'] = (handler) => {
    const guarded = async (request: Request): Promise<Response> => {
      const admission = await admit(request, () => readFetchBody(request, maxBodyBytes))
      if (!admission.ok) return toResponse(admission.response)
      const { access, rules, body } = admission
      const authInfo = authInfoOf(api, access)
      remember(authInfo, request, rules)
      const response = await handler(request, body === undefined ? { authInfo } : { authInfo, parsedBody: body })
      return endingResponse(response, api.endOf(access))
    }
    return markPolicy(guarded, policy)
  }

  const middleware: McpGuard<Server>['middleware'] = (request, response, next) => {
    const asked = nodeRequest(request)
    admit(asked, () => nodeBody(request, maxBodyBytes))
      .then((admission) => {
        if (!admission.ok) return send(response, admission.response)
        const { access, rules, body } = admission
        const authInfo = authInfoOf(api, access)
        remember(authInfo, asked, rules)
        Object.assign(request, { auth: authInfo, access }, body === undefined ? {} : { body })
        endResponse(response, api.endOf(access))
        next()
      })
      .catch(next)
  }

  return { createServer, protect, middleware: markPolicy(middleware, policy), policies: policies.list }
}

/** MCP takes tokens from the header and from nowhere else. MCP 2026-07-28, Authorization, Token Requirements */
function checkTransports({ metadata }: Pick<ResourceServer, 'metadata'>): void {
  const others = metadata.bearer_methods_supported.filter((method) => method !== 'header')
  if (others.length > 0)
    throw new TypeError(`mcpGuard: the resource takes tokens by ${others.join(', ')}; MCP by header only`)
}
