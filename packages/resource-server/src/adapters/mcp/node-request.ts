import type { GuardRequest } from '../../guard-request.ts'
import type { Access } from '../../token-check.ts'
import { type JsonBody, type NodeBodyRequest, readNodeBody } from './json-body.ts'

/** The part of a request of `node:http` or Express that is used. A mounted router cuts `url`; `originalUrl` is what came. */
export interface McpNodeRequest extends NodeBodyRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly originalUrl?: string | undefined
  readonly rawHeaders: readonly string[]
  /** What a body parser left, if one ran before the guard. */
  body?: unknown
  /** Where both lines of the SDK look for the caller. */
  auth?: unknown
  access?: Access
}

const headersUsed = new Set(['authorization', 'mcp-method', 'mcp-name', 'mcp-session-id'])

/** Each header with every value it came with: Node's `headers` drops the second of two Authorization headers (RFC 6750 §2). */
export function nodeRequest({ method = '', url = '', originalUrl = url, rawHeaders }: McpNodeRequest): GuardRequest {
  const headers: Record<string, string[]> = {}
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? ''
    const value = rawHeaders[at + 1]
    if (value !== undefined && headersUsed.has(name)) headers[name] = [...(headers[name] ?? []), value]
  }
  return { method, url: originalUrl, headers }
}

/** What the body says, whether a parser ran before the guard or not. */
export async function nodeBody(request: McpNodeRequest, limitBytes: number): Promise<JsonBody> {
  const { body } = request
  return body === undefined ? readNodeBody(request, limitBytes) : { outcome: 'parsed', value: body }
}
