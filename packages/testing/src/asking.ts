import { Agent, createServer, request as httpRequest, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as it is to stand on the wire. */
export interface SentRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Values of the Authorization header, one line each. */
  readonly authorization?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
  /** A form, unless a header says otherwise. */
  readonly body?: string | undefined
  /** More of the body is announced than ever comes. */
  readonly unfinished?: boolean | undefined
}

export interface ReceivedAnswer {
  readonly status: number
  /** By lower-case name; several lines of one name are joined. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/**
 * An application to be asked: where it listens; or `{ fetch }` (Hono, workers, route handlers); or `{ listener }` for
 * `node:http` (Express, `app.callback()` of Koa, `app.routing` of Fastify); or `{ ask }`, for anything else.
 */
export type Target =
  | string
  | URL
  | { readonly fetch: (request: Request) => Response | Promise<Response> }
  | { readonly listener: RequestListener }
  | { readonly ask: (request: SentRequest) => Promise<ReceivedAnswer> }

/** A target that is ready to be asked. */
export interface OpenTarget {
  readonly ask: (request: SentRequest) => Promise<ReceivedAnswer>
  readonly close: () => Promise<void>
}

/** Gets a target ready: a listener is served on a free port of 127.0.0.1 until `close`. */
export async function openTarget(target: Target): Promise<OpenTarget> {
  if (typeof target === 'string' || target instanceof URL) return openUrl(new URL(target))
  if ('ask' in target) return { ask: target.ask, close: async () => {} }
  if ('fetch' in target) return { ask: (request) => askFetch(target.fetch, request), close: async () => {} }
  const server = createServer(target.listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const opened = openUrl(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
  return {
    ask: opened.ask,
    async close() {
      await opened.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const connections = 64
const answerLimitMs = 10_000

function openUrl(base: URL): OpenTarget {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  return {
    ask: (request) => askOverHttp(base.origin, agent, request),
    async close() {
      agent.destroy()
    },
  }
}

/** Sends header lines as they are given: `fetch` would join two of one name, and tidy up the path. */
function askOverHttp(origin: string, agent: Agent, sent: SentRequest): Promise<ReceivedAnswer> {
  const { hostname, port } = new URL(origin)
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
        agent,
        method: sent.method,
        path: sent.path,
        headers: headersOf(sent),
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          body += chunk
        })
        response.on('error', reject)
        response.on('end', () => {
          const headers = Object.entries(response.headersDistinct).map(([name, values]) => [name, values?.join(', ')])
          resolve({ status: response.statusCode ?? 0, headers: Object.fromEntries(headers), body })
          if (sent.unfinished === true) request.destroy()
        })
      },
    )
    request.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve({ status: response.statusCode ?? 101, headers: {}, body: '' })
    })
    const { authorization = [] } = sent
    if (authorization.length > 0) request.setHeader('authorization', authorization)
    request.setTimeout(answerLimitMs, () => request.destroy(new Error(`none within ${answerLimitMs} ms`)))
    request.on('error', reject)
    if (sent.unfinished === true) request.write(sent.body ?? '')
    else request.end(sent.body)
  })
}

function headersOf({ headers, body }: SentRequest): Record<string, string> {
  return body === undefined ? { ...headers } : { 'content-type': 'application/x-www-form-urlencoded', ...headers }
}

async function askFetch(
  handler: (request: Request) => Response | Promise<Response>,
  sent: SentRequest,
): Promise<ReceivedAnswer> {
  const headers = new Headers(headersOf(sent))
  for (const value of sent.authorization ?? []) headers.append('authorization', value)
  const body = sent.unfinished === true ? endless(sent.body ?? '') : (sent.body ?? null)
  // Fetch wants this said of every body that is a stream; its types do not know.
  const init = { method: sent.method, headers, body, duplex: 'half' } as RequestInit
  const response = await handler(new Request(`http://127.0.0.1${sent.path}`, init))
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
}

/** A body that begins, and waits for ever. */
function endless(beginning: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(beginning))
    },
  })
}
