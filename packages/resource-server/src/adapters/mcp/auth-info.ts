import type { ResourceServer } from '../../resource-server.ts'
import type { Access } from '../../verification/token-check.ts'

/** What both lines of the SDK give to handlers about the caller (`AuthInfo`), with our access beside it. */
export interface McpAuthInfo {
  /**
   * Not the token: a handler that held it could send it on, which MCP forbids, and whatever logs a context would log it. Both SDKs
   * demand a text here and read it nowhere. MCP 2026-07-28, Authorization, Token Handling
   */
  token: string
  clientId: string
  scopes: string[]
  /** Epoch seconds. */
  expiresAt: number
  resource: URL
  resourceMetadataUrl: string
  extra: { access: Access } & Record<string, unknown>
}

/** What stands in for the token. */
export const withheldToken = '(withheld)'

/** One object for each request: what was decided about the request is remembered by it. */
export function authInfoOf(api: Pick<ResourceServer, 'resource' | 'metadataUrl'>, access: Access): McpAuthInfo {
  return {
    token: withheldToken,
    clientId: access.clientId,
    scopes: [...access.scopes],
    expiresAt: access.expiresAt,
    resource: new URL(api.resource),
    resourceMetadataUrl: api.metadataUrl,
    extra: { access },
  }
}

/** What a handler gets last: `extra` of the first line of the SDK, `ctx` of the second. */
export interface McpContext {
  readonly authInfo?: unknown
  readonly http?: { readonly authInfo?: unknown } | undefined
}

/** The access of a call, from what its handler got: `accessOf(extra)`, `accessOf(ctx)`. Throws a TypeError where no guard was. */
export function accessOf(context: McpContext): Access {
  const access = (authInfoIn(context) as Partial<McpAuthInfo> | undefined)?.extra?.access
  if (access === undefined) throw new TypeError('this call passed no guard: protect the endpoint')
  return access
}

/** The object that was put into a call, if any was. */
export function authInfoIn(context: McpContext | undefined): object | undefined {
  const authInfo = context?.http?.authInfo ?? context?.authInfo
  return typeof authInfo === 'object' && authInfo !== null ? authInfo : undefined
}
