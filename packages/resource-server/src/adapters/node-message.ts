import type { Answer } from '../answer.ts'
import type { GuardRequest } from '../guard-request.ts'

/** The part of a request of `node:http` (or `node:http2`) that is used. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly rawHeaders: readonly string[]
}

/** The part of a response of `node:http` that is used. */
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown
  end(body: string): unknown
}

/** Node's `headers` drops the second of two Authorization headers without a word; `rawHeaders` has both (RFC 6750 §2). */
export function guardRequest(request: NodeRequest, url = request.url): GuardRequest {
  const authorization: string[] = []
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const value = request.rawHeaders[at + 1]
    if (request.rawHeaders[at]?.toLowerCase() === 'authorization' && value !== undefined) authorization.push(value)
  }
  return { method: request.method ?? '', url: url ?? '', headers: { authorization } }
}

export function send(response: NodeResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) })
  response.end(body)
}
