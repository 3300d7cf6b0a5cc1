import type { Answer } from '../answer.ts'
import type { FormFields } from '../request/form-body.ts'
import type { GuardRequest, HeaderLookup } from '../request/guard-request.ts'
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
 * What the guard sees of a request of Node.
 *
 * @param url what came, where a framework cuts `request.url`
 * @param body what a body parser left, if one ran before the guard
 */
export function guardRequest(request: NodeRequest, url = request.url, body?: unknown): GuardRequest {
  const form = isFields(body) ? body : () => readForm(request)
  return { method: request.method ?? '', url: url ?? '', headers: headersOf(request.rawHeaders), form }
}

/**
 * Node's `headers` drops the second of two Authorization headers without a word; `rawHeaders` has both (RFC 6750 §2). Looked up
 * when asked for: most requests are decided by one of them.
 */
export function headersOf(rawHeaders: readonly string[]): HeaderLookup {
  const valuesOf = (name: string): readonly string[] => {
    const values: string[] = []
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      const found = rawHeaders[at]
      if (found?.length === name.length && found.toLowerCase() === name) values.push(rawHeaders[at + 1] ?? '')
    }
    return values
  }
  return {
    valuesOf,
    get(name) {
      const lower = name.toLowerCase()
      const values = valuesOf(lower)
      // HTTP/2 has the host under a name of its own (RFC 9113 §8.3.1).
      const all = values.length === 0 && lower === 'host' ? valuesOf(':authority') : values
      return all.length === 0 ? null : all.join(', ')
    },
  }
}

const discardFactor = 32

/**
 * The body of a request; `undefined` for a longer one. Its rest is read, within bounds, for a request that is given up loses its
 * connection, and with it the answer.
 */
export async function readBytes(request: AsyncIterable<unknown>, byteLimit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('the body was read before, as text')
    length += chunk.length
    if (length > discardFactor * byteLimit) return undefined
    if (length <= byteLimit) chunks.push(chunk)
  }
  return length > byteLimit ? undefined : Buffer.concat(chunks)
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
