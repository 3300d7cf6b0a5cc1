import type { GuardRequest } from '../../request/guard-request.ts'
import type { Access } from '../../verification/token-check.ts'
import { headersOf } from '../node-message.ts'
import { type JsonBody, type NodeBodyRequest, readNodeBody } from './json-body.ts'

/**
 * The part of a request of `node:http` or Express that is used. A mounted router cuts `url`; `originalUrl` is what came. `body` is not
 * named: from here the compiler would infer its type for the handlers behind.
 */
export interface McpNodeRequest extends NodeBodyRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly originalUrl?: string | undefined
  readonly rawHeaders: readonly string[]
  /** Where both lines of the SDK look for the caller. */
  auth?: unknown
  access?: Access
}

/** What the guard sees of a request of Node; its body is not looked at for a token. */
export function nodeRequest({ method = '', url = '', originalUrl = url, rawHeaders }: McpNodeRequest): GuardRequest {
  return { method, url: originalUrl, headers: headersOf(rawHeaders) }
}

/** What the body says, whether a parser ran before the guard or not. */
export async function nodeBody(request: McpNodeRequest, limitBytes: number): Promise<JsonBody> {
  const { body }: McpNodeRequest & { readonly body?: unknown } = request
  return body === undefined ? readNodeBody(request, limitBytes) : { outcome: 'parsed', value: body }
}
