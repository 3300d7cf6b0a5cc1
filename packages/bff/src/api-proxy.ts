import { ClientError, SessionOver, Unavailable } from '@arctos/client'
import { errorAnswer } from './answers.ts'
import { answerBody, BodyTooLong, requestBody } from './proxied-body.ts'
import { forwardedHeaders, returnedHeaders } from './proxied-headers.ts'
import { isBelow, proxiedUrl } from './proxied-path.ts'
import type { FoundSession } from './sessions.ts'

/** An API that pages may call. */
export interface ProxiedApi {
  /** Path of the application below which it is found. */
  readonly prefix: string
  readonly resource: string
  readonly baseUrl: string
  readonly methods: readonly string[]
  readonly requestHeaders: readonly string[]
  readonly answerHeaders: readonly string[]
}

export interface ProxyLimits {
  readonly requestBytes: number
  readonly answerBytes: number
  /** Until the answer begins, and between two parts of it. */
  readonly timeoutMs: number
}

export interface ProxyOptions {
  readonly limits: ProxyLimits
  readonly loginPath: string
  readonly report: (what: string, error: unknown) => void
  readonly markOver: (found: FoundSession) => Promise<void>
}

const redirectStatuses = [301, 302, 303, 307, 308]
const bodilessStatuses = [204, 205, 304]

export type ApiProxy = (request: Request, url: URL, api: ProxiedApi, found: FoundSession) => Promise<Response>

/** Sends a page's call on to an API with the session's token, and the answer back without it (RFC 10017 §6.1.1). */
export function createApiProxy({ limits, loginPath, report, markOver }: ProxyOptions): ApiProxy {
  const refuse = async (error: unknown, found: FoundSession, timedOut: boolean): Promise<Response> => {
    if (timedOut) return errorAnswer(504, 'api_timeout', 'The API gave no answer in time.')
    if (error instanceof SessionOver) {
      await markOver(found)
      return loginRequired(loginPath)
    }
    if (error instanceof Unavailable) {
      const seconds = String(Math.ceil(error.retryAfterSeconds ?? 5))
      const message = 'The authorization server cannot be reached. You are still logged in; try again.'
      return errorAnswer(503, 'unavailable', message, { headers: { 'retry-after': seconds } })
    }
    report('calling an API', error)
    if (error instanceof ClientError && error.code !== 'answer_refused') {
      return errorAnswer(502, 'token_refused', 'There is no token for this API. Logging in again does not help.')
    }
    return errorAnswer(502, 'api_unreachable', 'The API cannot be reached.')
  }

  return async (request, url, api, found) => {
    if (!api.methods.includes(request.method)) {
      const headers = { allow: api.methods.join(', ') }
      return errorAnswer(405, 'method_not_allowed', `${api.prefix} does not take this method.`, { headers })
    }
    const target = proxiedUrl(api.baseUrl, url.pathname.slice(api.prefix.length), url.search)
    if (target === undefined) return errorAnswer(400, 'path_refused', 'This path does not stay within the API.')

    const abort = new AbortController()
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      abort.abort()
    }, limits.timeoutMs)
    const leave = (): void => abort.abort(request.signal.reason)
    const release = (): void => request.signal.removeEventListener('abort', leave)
    if (request.signal.aborted) leave()
    request.signal.addEventListener('abort', leave, { once: true })

    let isTooLong = (): boolean => false
    try {
      const body = await requestBody(request, limits.requestBytes)
      isTooLong = body.isTooLong
      const headers = forwardedHeaders(request.headers, api.requestHeaders)
      const init = { ...body.init, method: request.method, headers, redirect: 'manual', signal: abort.signal } as const
      const response = await found.session.fetch({ resource: api.resource })(target, init)
      const token = (await found.session.accessToken({ resource: api.resource })).reveal()
      return answerOf(response, { api, token, limits, release, report, loginPath })
    } catch (error) {
      release()
      if (error instanceof BodyTooLong || isTooLong()) {
        return errorAnswer(413, 'body_too_long', `The body is longer than ${limits.requestBytes} bytes.`)
      }
      return await refuse(error, found, timedOut)
    } finally {
      clearTimeout(timer)
    }
  }
}

export function loginRequired(loginPath: string): Response {
  return errorAnswer(401, 'login_required', 'Nobody is logged in.', { members: { login: loginPath } })
}

interface AnswerOptions {
  readonly api: ProxiedApi
  readonly token: string
  readonly limits: ProxyLimits
  readonly loginPath: string
  readonly release: () => void
  readonly report: (what: string, error: unknown) => void
}

/** The answer of an API as a page may see it. */
function answerOf(response: Response, { api, token, limits, loginPath, release, report }: AnswerOptions): Response {
  const { status } = response
  const refused = (answer: Response): Response => {
    release()
    void response.body?.cancel().catch(() => undefined)
    return answer
  }
  if (status === 401) return refused(refusedByApi(response, loginPath))
  const location = response.headers.get('location')
  const headers = returnedHeaders(response.headers, api.answerHeaders)
  if (location !== null) {
    const moved = movedTo(location, response.url, api)
    if (moved !== undefined) headers.set('location', moved)
    else if (redirectStatuses.includes(status)) {
      return refused(errorAnswer(502, 'api_answer_refused', 'The API redirects to somewhere outside of it.'))
    }
  }
  if ([...headers.values()].some((value) => value.includes(token))) {
    report('calling an API', new Error('the API has sent its access token back in a header'))
    return refused(errorAnswer(502, 'api_answer_refused', 'The answer of the API may not be handed on.'))
  }
  if (response.body === null || bodilessStatuses.includes(status)) {
    return refused(new Response(null, { status, headers }))
  }
  const body = answerBody(response.body, {
    limitBytes: limits.answerBytes,
    idleMs: limits.timeoutMs,
    token,
    ended: (error) => {
      release()
      if (error instanceof Error && error.name !== 'AbortError') report('handing on an answer', error)
    },
  })
  return new Response(body, { status, headers })
}

/** A token that was new was rejected: what the page can do about it, if anything. */
function refusedByApi({ headers }: Response, loginPath: string): Response {
  const challenge = headers.get('www-authenticate') ?? ''
  if (/\berror="insufficient_user_authentication"/.test(challenge)) {
    const acrValues = /\bacr_values="([\x20\x21\x23-\x5b\x5d-\x7e]{1,200})"/.exec(challenge)?.[1]
    const maxAge = /\bmax_age="?(\d{1,9})\b/.exec(challenge)?.[1]
    const members = {
      login: loginPath,
      acr_values: acrValues,
      max_age: maxAge === undefined ? undefined : Number(maxAge),
    }
    return errorAnswer(401, 'step_up_required', 'The API wants the user to authenticate again.', { members })
  }
  return errorAnswer(502, 'api_refused_token', 'The API rejects new tokens, too. Logging in again does not help.')
}

/** Where a `Location` within the API is found by pages; `undefined` for one outside. */
function movedTo(location: string, from: string, { baseUrl, prefix }: ProxiedApi): string | undefined {
  if (!URL.canParse(location, from)) return undefined
  const url = new URL(location, from)
  if (!isBelow(url, baseUrl)) return undefined
  return `${prefix}${url.pathname.slice(new URL(baseUrl).pathname.replace(/\/$/, '').length)}${url.search}`
}
