import { request as httpRequest } from 'node:http'
import { Readable } from 'node:stream'

export interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | URLSearchParams | Uint8Array | Readable
  readonly signal?: AbortSignal
}

const bodiless = [204, 205, 304]

/**
 * One request as it stands here: the platform's fetch says `Sec-Fetch-Mode: cors` of itself and has no say in what a browser
 * would tell of a page.
 */
export function send(url: string, { method = 'GET', headers = {}, body, signal }: Sent = {}): Promise<Response> {
  return new Promise((resolve, reject) => {
    const form = body instanceof URLSearchParams
    const type = form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}
    const bytes = form ? body.toString() : body
    const length =
      typeof bytes === 'string' || bytes instanceof Uint8Array
        ? { 'content-length': `${Buffer.byteLength(bytes)}` }
        : {}
    const options = { method, headers: { ...type, ...length, ...headers }, agent: false, ...(signal && { signal }) }
    const request = httpRequest(url, options, (incoming) => {
      const received = new Headers()
      for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
        received.append(incoming.rawHeaders[at] ?? '', incoming.rawHeaders[at + 1] ?? '')
      }
      const status = incoming.statusCode ?? 0
      const isEmpty = bodiless.includes(status) || method === 'HEAD'
      if (isEmpty) incoming.resume()
      const stream = isEmpty ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>)
      resolve(new Response(stream, { status, headers: received }))
    })
    request.on('error', reject)
    if (bytes instanceof Readable) bytes.pipe(request)
    else request.end(bytes)
  })
}
