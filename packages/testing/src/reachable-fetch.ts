/** `fetch` as guards and clients take it. */
export type TestFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

const redirectLimit = 5

/**
 * A `fetch` without sockets: one origin answers, by its handler; nothing else can be reached, as if it were not there. Redirects
 * and aborts are as the platform has them.
 */
export function createReachableFetch(origin: string, handle: (request: Request) => Promise<Response>): TestFetch {
  const ask = async (input: string | URL | Request, init: RequestInit, redirectsLeft: number): Promise<Response> => {
    const request = new Request(input, init)
    if (new URL(request.url).origin !== origin) throw new TypeError('fetch failed', { cause: unreachable(request.url) })
    const response = await untilAborted(handle(request), request.signal)
    const location = response.headers.get('location')
    if (location === null || response.status < 300 || response.status > 399 || request.redirect === 'manual')
      return response
    if (request.redirect === 'error' || redirectsLeft === 0)
      throw new TypeError('fetch failed', { cause: 'a redirect' })
    return ask(new URL(location, request.url).href, { ...init, method: 'GET', body: null }, redirectsLeft - 1)
  }
  return (input, init = {}) => ask(input, init, redirectLimit)
}

function unreachable(url: string): Error {
  return Object.assign(new Error(`nothing listens at ${new URL(url).origin}`), { code: 'ECONNREFUSED' })
}

function untilAborted(answer: Promise<Response>, signal: AbortSignal): Promise<Response> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  // Whichever comes second has nobody to tell.
  promise.catch(() => {})
  return Promise.race([answer, promise]).finally(() => signal.removeEventListener('abort', abort))
}
