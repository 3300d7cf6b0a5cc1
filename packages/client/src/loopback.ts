import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ClientError } from './errors.ts'

/** A redirection endpoint on this machine, open for one answer (RFC 8252 §7.3). */
export interface LoopbackListener {
  /** The redirection URI, with the port that is listened on. */
  readonly redirectUri: string
  /** The query of the first request that `isExpected` accepts; everything else is answered 4xx and changes nothing. */
  readonly callback: Promise<URLSearchParams>
  /** Stops listening. Ends `callback` with the error, if it is still open. */
  close(error?: unknown): void
}

const serverOptions = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  keepAlive: false,
}
const connectionLimit = 16
const farewellMs = 1_000

/**
 * Listens on 127.0.0.1 alone, on the port of the given redirection URI or any free one.
 *
 * @param isExpected whether a query answers the request that was made; asked before anything in it is believed
 */
export async function listenOnLoopback(
  redirectUri: string,
  isExpected: (query: URLSearchParams) => boolean,
): Promise<LoopbackListener> {
  const wanted = readRedirectUri(redirectUri)
  const { promise: callback, resolve, reject } = Promise.withResolvers<URLSearchParams>()
  // Whoever awaits the callback gets its error; nobody may be awaiting yet.
  callback.catch(() => undefined)
  let authority = ''
  let answered = false

  const server = createServer(serverOptions, (request, response) => {
    const query = answered ? undefined : readCallback(request, authority, wanted.pathname)
    if (typeof query !== 'object') return answerPage(response, query ?? 410)
    if (!isExpected(query)) return answerPage(response, 400)
    answered = true
    answerPage(response, query.has('error') ? 'refused' : 'received')
    resolve(query)
  })
  server.maxConnections = connectionLimit

  const { promise: listening, resolve: listens, reject: fails } = Promise.withResolvers<void>()
  server.once('error', fails).listen({ host: '127.0.0.1', port: wanted.port, exclusive: true }, listens)
  try {
    await listening
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error'
    throw new ClientError('invalid_option', `cannot listen on 127.0.0.1:${wanted.port} (${code})`)
  }
  authority = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    redirectUri: `http://${authority}${wanted.pathname}`,
    callback,
    close(error) {
      answered = true
      reject(error)
      server.close()
      // The browser gets its page; whoever else is connected must not keep the program from ending.
      setTimeout(() => server.closeAllConnections(), farewellMs).unref()
    },
  }
}

function readRedirectUri(text: string): { readonly port: number; readonly pathname: string } {
  // No name: whatever `localhost` resolves to may not be this machine's loopback alone. RFC 8252 §8.3
  const parts = /^http:\/\/127\.0\.0\.1(?::(\d{1,5}))?(\/[A-Za-z0-9\-._~/]*)?$/.exec(text)
  const port = Number(parts?.[1] ?? 0)
  if (parts === null || port > 65_535) {
    throw new ClientError(
      'invalid_option',
      'redirectUri must be http://127.0.0.1, a port if one is needed, and a plain path',
    )
  }
  return { port, pathname: parts[2] ?? '/' }
}

/** The query of a request for our path, or the status that refuses it. */
function readCallback(
  { method, url = '', headers }: IncomingMessage,
  authority: string,
  path: string,
): URLSearchParams | number {
  // A page on the web can make the browser ask 127.0.0.1 under a name of its own (DNS rebinding).
  if (headers.host !== authority) return 421
  const [pathname, query = ''] = url.split(/\?(.*)/s)
  if (pathname !== path) return 404
  return method === 'GET' ? new URLSearchParams(query) : 405
}

const pages = {
  received: [200, 'The answer has arrived', 'You can close this window and return to the program.'],
  refused: [200, 'Access was not granted', 'You can close this window and return to the program.'],
} as const

function answerPage(response: ServerResponse, page: keyof typeof pages | number): void {
  const [status, title, text] = typeof page === 'number' ? [page, 'Not expected', 'Nothing was done.'] : pages[page]
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
    // The address of this page holds the code.
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  })
  response.end(
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1><p>${text}</p></html>\n`,
  )
}
