import type { Answer } from '../answer.ts'
import type { FormFields } from '../form-body.ts'
import type { GuardRequest } from '../guard-request.ts'
import { readForm } from './node-form.ts'

/** The part of a request of `node:http` (or `node:http2`) that is used. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly rawHeaders: readonly string[]
}

/** The part of a response of `node:http` that is used. */
export interface NodeResponse {
  setHeader(name: string, value: string): unknown
  writeHead(status: number, headers: Record<string, string>): unknown
  end(body: string): unknown
  destroy(): unknown
  readonly headersSent: boolean
}

/**
 * Node's `headers` drops the second of two Authorization headers without a word; `rawHeaders` has both (RFC 6750 §2).
 *
 * @param url what came, where a framework cuts `request.url`
 * @param body what a body parser left, if one ran before the guard
 */
export function guardRequest(request: NodeRequest, url = request.url, body?: unknown): GuardRequest {
  const authorization: string[] = []
  const contentType: string[] = []
  const { rawHeaders } = request
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    const value = rawHeaders[at + 1]
    if (name === undefined || value === undefined) continue
    if (name.length === 13 && name.toLowerCase() === 'authorization') authorization.push(value)
    else if (name.length === 12 && name.toLowerCase() === 'content-type') contentType.push(value)
  }
  const form = isFields(body) ? body : () => readForm(request)
  return { method: request.method ?? '', url: url ?? '', headers: { authorization, 'content-type': contentType }, form }
}

function isFields(body: unknown): body is FormFields {
  return typeof body === 'object' && body !== null
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
