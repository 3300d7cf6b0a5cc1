import { ClientError, Unavailable } from '@arctos/client'
import { errorAnswer, jsonAnswer } from './answers.ts'
import { createApiProxy, loginRequired, type ProxiedApi } from './api-proxy.ts'
import { createCookie } from './cookies.ts'
import { createLoginEndpoints } from './login-endpoints.ts'
import { type BffOptions, readOptions } from './options.ts'
import { callHeader, foreignCall } from './request-origin.ts'
import { createSessions } from './sessions.ts'

/** The backend of one web application's pages. */
export interface Bff {
  /**
   * Answers requests for the endpoints (`/bff/login`, `/bff/callback`, `/bff/session`, `/bff/logout`) and for the APIs; `undefined`
   * for everything else, which is the application's own. Only path and query of the URL are read, no `Host`.
   */
  handle(request: Request): Promise<Response | undefined>
  /** Removes what is over, revoking what was not revoked yet. Happens by itself after logins, every ten minutes at most. */
  sweep(): Promise<void>
}

const sweepSeconds = 600

/** Makes one. Throws `TypeError` for options that cannot be used. */
export function bff(given: BffOptions): Bff {
  const options = readOptions(given)
  const { client, store, origin, path, apis, absoluteSeconds, loginSeconds, nowSeconds, random, report } = options
  const isSecure = origin.startsWith('https:')
  const sessions = createSessions(options)
  const sessionCookie = createCookie({ name: 'bff', isSecure, sameSite: 'Strict', lifetimeSeconds: absoluteSeconds })
  const loginCookie = createCookie({ name: 'bff-login', isSecure, sameSite: 'Lax', lifetimeSeconds: loginSeconds })
  const { scope, user } = options
  const resources = [...new Set(apis.map(({ resource }) => resource))]
  const endpoints = createLoginEndpoints({
    ...{ client, store, sessions, origin, path, scope, resources, loginSeconds },
    ...{ sessionCookie, loginCookie, user, nowSeconds, random, report },
  })
  const loginPath = `${path}/login`
  const { limits } = options
  const proxy = createApiProxy({ limits, loginPath, report, markOver: sessions.markOver })
  // The longest first, so that an API below another one's path is found.
  const byLength = apis.toSorted((left, right) => right.prefix.length - left.prefix.length)
  let sweptAt = nowSeconds()

  const sweepNowAndThen = (): void => {
    if (nowSeconds() < sweptAt + sweepSeconds) return
    sweptAt = nowSeconds()
    sessions.sweep().catch((error) => report('sweeping', error))
  }

  const refuseForeign = (request: Request): Response | undefined => {
    const why = foreignCall(request, origin)
    if (why === undefined) return undefined
    const message = `This takes calls by fetch from pages of ${origin}, with the header ${callHeader}: 1.`
    return errorAnswer(403, 'foreign_call', message, { members: { why } })
  }

  const find = async (request: Request, touches: boolean) => {
    const id = sessionCookie.read(request)
    return id === undefined ? undefined : await sessions.find(id, touches)
  }

  const callApi = async (request: Request, url: URL, api: ProxiedApi): Promise<Response> => {
    const refused = refuseForeign(request)
    if (refused !== undefined) return refused
    const found = await find(request, true)
    return found === undefined ? loginRequired(loginPath) : await proxy(request, url, api, found)
  }

  const tellSession = async (request: Request): Promise<Response> => {
    const refused = refuseForeign(request)
    if (refused !== undefined) return refused
    // Asking is no use of the session, or a page that asks now and then would keep it for ever.
    const found = await find(request, false)
    if (found === undefined) return jsonAnswer({ loggedIn: false, login: loginPath })
    const { user: known, scope: granted, createdAt } = found.record
    return jsonAnswer({ loggedIn: true, user: known, scope: granted, endsAt: Math.floor(createdAt + absoluteSeconds) })
  }

  const logOut = async (request: Request): Promise<Response> => {
    const refused = refuseForeign(request)
    if (refused !== undefined) return refused
    const id = sessionCookie.read(request)
    const revoked = id === undefined || (await sessions.end(id))
    return jsonAnswer({ loggedIn: false, revoked }, 200, { 'set-cookie': sessionCookie.clear })
  }

  const routes = new Map<string, readonly [string, (request: Request, url: URL) => Promise<Response>]>([
    [loginPath, ['GET', endpoints.login]],
    [`${path}/callback`, ['GET', endpoints.callback]],
    [`${path}/session`, ['GET', tellSession]],
    [`${path}/logout`, ['POST', logOut]],
  ])

  const answer = async (request: Request, url: URL): Promise<Response | undefined> => {
    const route = routes.get(url.pathname)
    if (route !== undefined) {
      const [method, run] = route
      if (request.method === method) return await run(request, url)
      return errorAnswer(405, 'method_not_allowed', `This takes ${method}.`, { headers: { allow: method } })
    }
    const api = byLength.find(({ prefix }) => url.pathname === prefix || url.pathname.startsWith(`${prefix}/`))
    return api === undefined ? undefined : await callApi(request, url, api)
  }

  return {
    async handle(request) {
      try {
        const response = await answer(request, new URL(request.url))
        if (response?.headers.has('set-cookie')) sweepNowAndThen()
        return response
      } catch (error) {
        report('answering', error)
        const isOut = error instanceof ClientError && error.code === 'store_unavailable'
        if (isOut || error instanceof Unavailable) return errorAnswer(503, 'unavailable', 'Not now. Try again.')
        return errorAnswer(500, 'fault', 'Something is wrong here, and nothing with the request.')
      }
    },
    sweep: sessions.sweep,
  }
}
