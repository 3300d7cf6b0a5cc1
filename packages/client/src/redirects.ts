import type { Secret } from '@arctos/core'
import type { Fetch } from './environment.ts'
import { ClientError } from './errors.ts'
import { isSecure } from './secure-url.ts'

export interface CarriedRequest {
  readonly fetch: Fetch
  readonly url: URL
  readonly init: RequestInit
  readonly token: Secret
  /** Whether a URL is within the resource, and so gets the token. */
  readonly isInside: (url: URL) => boolean
}

const redirectLimit = 10
const redirectStatuses = [301, 302, 303, 307, 308]
// What a foreign origin may learn of a request that was meant for the resource.
const harmlessHeaders = ['accept', 'accept-language', 'range', 'user-agent']

export interface CarriedAnswer {
  readonly response: Response
  /** Whether the token was part of the request that this answers. */
  readonly carriedToken: boolean
}

/**
 * Sends a request with the token and follows redirects by the rules of the Fetch standard, but by hand: within the resource the
 * token goes along, to any other place neither the token nor a body nor headers of the caller's do (RFC 6750 §5.3).
 */
export async function followRedirects({ fetch, url, init, token, isInside }: CarriedRequest): Promise<CarriedAnswer> {
  const mode = init.redirect ?? 'follow'
  let target = url
  let request = init
  // Once gone, it does not come back: a foreign origin must not choose what is done with the token within the resource.
  let carriesToken = true
  for (let count = 0; ; count++) {
    const sent = carriesToken ? withToken(request, token) : request
    const response = await fetch(target.href, { ...sent, redirect: mode === 'error' ? 'error' : 'manual' })
    const location = mode === 'follow' ? redirectLocation(response) : undefined
    if (location === undefined) return { response, carriedToken: carriesToken }
    await response.body?.cancel()
    if (count === redirectLimit)
      throw new ClientError('answer_refused', `${target.origin} redirects more than ${redirectLimit} times`)
    const next = URL.canParse(location, target.href) ? new URL(location, target.href) : undefined
    if (next === undefined || !isSecure(next) || (target.protocol === 'https:' && next.protocol === 'http:')) {
      throw new ClientError('answer_refused', `${target.origin} redirects to where no request can safely go`)
    }
    request = redirected(request, response.status)
    if (carriesToken && !isInside(next)) {
      request = stripped(request, next)
      carriesToken = false
    }
    target = next
  }
}

/** Whether a body can be sent a second time: everything but a stream. */
export function isReplayable(body: RequestInit['body']): boolean {
  if (body === undefined || body === null || typeof body === 'string') return true
  const kinds = [ArrayBuffer, URLSearchParams, FormData, Blob]
  return ArrayBuffer.isView(body) || kinds.some((kind) => body instanceof kind)
}

function redirectLocation(response: Response): string | undefined {
  if (!redirectStatuses.includes(response.status)) return undefined
  return response.headers.get('location') ?? undefined
}

function withToken(init: RequestInit, token: Secret): RequestInit {
  const headers = new Headers(init.headers)
  // The header, always and alone: a token in a URL ends up in logs (RFC 6750 §2.1, RFC 6750 §5.3).
  headers.set('authorization', `Bearer ${token.reveal()}`)
  return { ...init, headers }
}

/** The request that a redirect of this status asks for. */
function redirected(init: RequestInit, status: number): RequestInit {
  const method = (init.method ?? 'GET').toUpperCase()
  const becomesGet = status === 303 ? method !== 'HEAD' : (status === 301 || status === 302) && method === 'POST'
  if (becomesGet) {
    const { body: _body, duplex: _duplex, ...rest } = init
    const headers = new Headers(init.headers)
    for (const name of [...headers.keys()]) if (name.startsWith('content-')) headers.delete(name)
    return { ...rest, method: 'GET', headers }
  }
  if (!isReplayable(init.body)) {
    throw new ClientError(
      'answer_refused',
      'a redirect asks for the body again, which is a stream that was sent already',
    )
  }
  return init
}

function stripped(init: RequestInit, next: URL): RequestInit {
  if (init.body !== undefined && init.body !== null) {
    throw new ClientError(
      'answer_refused',
      `a redirect asks to send the body on to ${next.origin}, outside the resource`,
    )
  }
  const given = new Headers(init.headers)
  const kept = harmlessHeaders.flatMap((name): [string, string][] => {
    const value = given.get(name)
    return value === null ? [] : [[name, value]]
  })
  return { ...init, headers: new Headers(kept) }
}
