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
  destroy(): unknown
  readonly headersSent: boolean
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

/** Ends a request that failed, where no framework would: an answer that has begun can only be broken off. */
export function fail(response: NodeResponse, error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : 'a handler failed'}\n`)
  if (response.headersSent) response.destroy()
  else send(response, { status: 500, headers: { 'cache-control': 'no-store' }, body: '' })
}
