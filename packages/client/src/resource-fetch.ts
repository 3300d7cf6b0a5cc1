import { type AccessDemand, readChallenge, rejectsToken } from './challenges.ts'
import type { Fetch } from './environment.ts'
import { ClientError } from './errors.ts'
import { readResourceOption } from './options.ts'
import { type CarriedAnswer, followRedirects, isReplayable } from './redirects.ts'
import type { DemandHandler } from './step-up.ts'
import type { HeldToken } from './token-answer.ts'
import type { TokenKeeper } from './token-keeper.ts'

/**
 * Like fetch, with the resource's access token. A relative URL is resolved against the resource; a URL elsewhere throws
 * `outside_resource` before anything is sent.
 */
export type ResourceFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/**
 * A fetch locked to one resource: the token goes to URLs of its origin at or below its path, to no other, also not by a
 * redirect (RFC 6750 §5.3). An answer that rejects the token is tried once more with a new one, one that demands more with what
 * `demands` gets, both only if the body can be sent again; every other answer, 503 too, is handed on as it is.
 */
export function createResourceFetch(
  resource: string,
  keeper: TokenKeeper,
  fetch: Fetch,
  demands?: DemandHandler,
): ResourceFetch {
  const boundary = createBoundary(resource)

  return async (input, init = {}) => {
    const url = boundary.resolve(input)
    const request = input instanceof Request ? requestInit(input, init) : init
    const send = (held: HeldToken): Promise<CarriedAnswer> => {
      return followRedirects({ fetch, url, init: request, token: held.token, isInside: boundary.isInside })
    }
    let isReplaced = false
    let met: AccessDemand | undefined

    /** The token to repeat a refused request with; `undefined` where its answer is the one to hand on. */
    const betterToken = async (response: Response, held: HeldToken, ticket: number): Promise<HeldToken | undefined> => {
      if (!isReplaced && rejectsToken(response)) {
        isReplaced = true
        const other = await keeper.replace(held)
        return other === held ? undefined : other
      }
      const demand = demands && readChallenge(response)
      if (demands === undefined || demand === undefined) return undefined
      if (!(await demands.meet(ticket, demand, held))) return undefined
      met = demand
      return await keeper.current()
    }

    let held = await unlessAborted(() => keeper.current(), request.signal)
    for (let count = 1; ; count++) {
      const ticket = demands?.ticket() ?? 0
      const { response, carriedToken } = await send(held)
      if (met !== undefined) demands?.settle(met, carriedToken ? readChallenge(response) : undefined)
      // Whoever did not get the token has nothing to say about it.
      if (!carriedToken || count === attemptLimit || (response.status !== 401 && response.status !== 403))
        return response
      if (!isReplayable(request.body)) {
        // The next call shall not meet the same refusal, but this one cannot be repeated.
        if (rejectsToken(response)) keeper.replace(held).catch(() => undefined)
        return response
      }
      const sent = held
      const better = await unlessAborted(() => betterToken(response, sent, ticket), request.signal)
      if (better === undefined) return response
      await response.body?.cancel()
      held = better
    }
  }
}

/** One token replaced, and two demands met one after the other, is all that one request is worth. */
const attemptLimit = 4

interface Boundary {
  resolve(input: string | URL | Request): URL
  isInside(url: URL): boolean
}

/** What belongs to a resource: the URLs of its origin at or below its path. */
export function createBoundary(resource: string): Boundary {
  const root = new URL(readResourceOption(resource))
  const prefix = root.pathname.replace(/\/$/, '')
  // With a slash at its end, or the last segment of the resource's path would be taken for a file name and replaced.
  const base = `${root.origin}${prefix}/`

  const isInside = (url: URL): boolean => {
    if (url.origin !== root.origin || url.username !== '' || url.password !== '') return false
    if (prefix === '') return true
    // A server may decode these and walk up, after we have compared.
    if (/%2f|%5c/i.test(url.pathname) && /(^|\/|%2f|%5c)(\.|%2e){2}($|\/|%2f|%5c)/i.test(url.pathname)) return false
    return url.pathname === prefix || url.pathname.startsWith(`${prefix}/`)
  }
  return {
    isInside,
    resolve(input) {
      const text = input instanceof Request ? input.url : String(input)
      const url = text === '' ? root : URL.canParse(text, base) ? new URL(text, base) : undefined
      if (url !== undefined && isInside(url)) return url
      const where = url === undefined ? 'what is no URL' : `${url.origin}${url.pathname}`
      throw new ClientError('outside_resource', `${where} is not within the resource ${resource}, so it gets no token`)
    },
  }
}

/** What a Request asks for, as an init, so that it can be sent with other headers. */
function requestInit(request: Request, init: RequestInit): RequestInit {
  const { method, headers, body, redirect, signal } = request
  const streamed = body === null ? {} : ({ body, duplex: 'half' } as const)
  return { method, headers, redirect, signal, ...streamed, ...init }
}

/** Waits for a token no longer than the caller cares; what is under way goes on for the others. */
async function unlessAborted<Value>(
  begin: () => Promise<Value>,
  signal: AbortSignal | null | undefined,
): Promise<Value> {
  if (!signal) return await begin()
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([begin(), aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
