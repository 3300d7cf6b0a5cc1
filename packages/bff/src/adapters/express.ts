import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Bff } from '../bff.ts'

/** The part of a request of Express that is used. A mounted router cuts `url`; `originalUrl` is what came. */
type ExpressRequest = IncomingMessage & { readonly originalUrl?: string }
type Middleware = (request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void) => void

/** Answers what is the BFF's and hands on the rest: `app.use(bffMiddleware(bff))`, before whatever parses bodies. */
export function bffMiddleware(bff: Bff): Middleware {
  return (request, response, next) => {
    const abort = new AbortController()
    // Whoever leaves must not keep an API busy.
    response.once('close', () => abort.abort())
    const incoming = requestOf(request, abort.signal)
    const answered = incoming === undefined ? Promise.resolve(undefined) : bff.handle(incoming)
    answered
      .then(async (answer) => {
        if (answer === undefined) next()
        else await send(answer, request, response)
      })
      .catch((error) => (response.headersSent ? response.destroy() : next(error)))
  }
}

/** The request as Fetch has it; `undefined` for one whose target is no path (`*`, another host's URL). */
function requestOf(request: ExpressRequest, signal: AbortSignal): Request | undefined {
  const target = request.originalUrl ?? request.url ?? ''
  if (!target.startsWith('/') || !URL.canParse(`http://localhost${target}`)) return undefined
  const headers = new Headers()
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at] ?? ''
    // HTTP/2 has fields that are none.
    if (!name.startsWith(':')) headers.append(name, request.rawHeaders[at + 1] ?? '')
  }
  const method = request.method ?? 'GET'
  const hasBody = headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) > 0
  const body = hasBody && method !== 'GET' && method !== 'HEAD' ? lazyBody(request) : undefined
  return new Request(`http://localhost${target}`, { method, headers, signal, ...(body && { body, duplex: 'half' }) })
}

/** Not touched before somebody reads it: the request may be the application's own. */
function lazyBody(request: IncomingMessage): ReadableStream<Uint8Array> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  const source = {
    async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
      if (reader === undefined && request.readableEnded) {
        controller.error(new Error('the body was read before the BFF: mount it before body parsers'))
        return
      }
      reader ??= (Readable.toWeb(request) as ReadableStream<Uint8Array>).getReader()
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: async (reason: unknown): Promise<void> => await reader?.cancel(reason),
  }
  return new ReadableStream(source, { highWaterMark: 0 })
}

async function send(answer: Response, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const cookies = answer.headers.getSetCookie()
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => name !== 'set-cookie'))
  // What is left of a body that nobody wanted would be taken for the next request.
  const isRead = request.readableEnded || request.method === 'GET' || request.method === 'HEAD'
  response.writeHead(answer.status, {
    ...headers,
    ...(cookies.length > 0 && { 'set-cookie': cookies }),
    ...(!isRead && !request.complete && { connection: 'close' }),
  })
  if (answer.body === null) response.end()
  else await pipeline(Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0]), response)
}
