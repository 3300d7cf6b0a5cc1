import { ClientError, type OAuthClient, OAuthError, type Session, Unavailable } from '@arctos/client'
import { encodeBase64url, type JsonObject, sha256Base64url } from '@arctos/core'
import { pageAnswer } from './answers.ts'
import type { Cookie } from './cookies.ts'
import { isNavigation } from './request-origin.ts'
import { returnUrl } from './return-url.ts'
import { formatLoginRecord, type LoginRecord, parseLoginRecord } from './session-record.ts'
import type { Sessions } from './sessions.ts'
import type { BffStore } from './store.ts'

export interface LoginEndpointsOptions {
  readonly client: OAuthClient
  readonly store: BffStore
  readonly sessions: Sessions
  readonly origin: string
  /** Path of the endpoints. */
  readonly path: string
  readonly scope: string | undefined
  readonly resources: readonly string[]
  readonly loginSeconds: number
  readonly sessionCookie: Cookie
  /** Binds an answer to the browser that asked. Strict would keep it from coming along with the answer, from another site. */
  readonly loginCookie: Cookie
  readonly user: (session: Session) => Promise<JsonObject | undefined>
  readonly nowSeconds: () => number
  readonly random: (byteLength: number) => Uint8Array
  readonly report: (what: string, error: unknown) => void
}

export interface LoginEndpoints {
  login(request: Request, url: URL): Promise<Response>
  callback(request: Request, url: URL): Promise<Response>
}

const idBytes = 32

export function createLoginEndpoints(options: LoginEndpointsOptions): LoginEndpoints {
  const { client, store, sessions, origin, path, sessionCookie, loginCookie, nowSeconds, report } = options
  const redirectUri = `${origin}${path}/callback`
  const loginUrl = `${origin}${path}/login`
  const again = { href: loginUrl, text: 'Log in' }

  // The browser's own random value is part of the name, so that the state alone, which travels in URLs, leads nowhere.
  const nameOf = (browser: string, state: string): string => `login.${sha256Base64url(`${browser}.${state}`)}`

  /** Takes a login away from everybody else: of two answers that arrive at once only one finds it. */
  const take = async (name: string): Promise<LoginRecord | undefined> => {
    const cell = store.cell(name)
    const text = await cell.read()
    if (text === undefined) return undefined
    const record = parseLoginRecord(text)
    if (record.pending === undefined || nowSeconds() >= record.createdAt + options.loginSeconds) return undefined
    const taken = await cell.compareAndSwap(text, formatLoginRecord({ ...record, pending: undefined }))
    return taken ? record : undefined
  }

  const failed = (error: unknown, returnTo: string): Response => {
    if (error instanceof Unavailable) {
      const text = 'The server that logs you in cannot be reached. Please try again in a moment.'
      return pageAnswer({ status: 503, title: 'Not now', text, link: again })
    }
    if (error instanceof OAuthError && error.error === 'access_denied') {
      const link = { href: returnTo, text: 'Back to the application' }
      return pageAnswer({ status: 403, title: 'Access was not granted', text: 'You are not logged in.', link })
    }
    report('login', error)
    const isForged = error instanceof ClientError && error.code === 'callback_refused'
    const text = isForged ? 'The answer does not belong to this login.' : 'The login could not be completed.'
    return pageAnswer({ status: isForged ? 400 : 502, title: 'Not logged in', text, link: again })
  }

  return {
    async login(request, url) {
      const asked = url.searchParams.getAll('return_to')
      const returnTo = returnUrl(asked[0] ?? '/', origin, path)
      const demand = readDemand(url.searchParams)
      if (!isNavigation(request) || asked.length > 1 || returnTo === undefined || demand === undefined) {
        const text = 'This link does not lead to a page of this application.'
        return pageAnswer({ status: 400, title: 'Not logged in', text, link: again })
      }
      const { resources, scope } = options
      try {
        const wanted = scope === undefined ? demand : { ...demand, scope }
        const begun = await client.beginLogin({ resource: resources, redirectUri, ...wanted })
        // The same for all tabs of a browser, so that each of them can finish its own login.
        const browser = loginCookie.read(request) ?? encodeBase64url(options.random(idBytes))
        const record = { createdAt: nowSeconds(), returnTo, pending: begun.pending }
        await store.cell(nameOf(browser, begun.state)).compareAndSwap(undefined, formatLoginRecord(record))
        const headers = new Headers({
          location: begun.url,
          'cache-control': 'no-store',
          'referrer-policy': 'no-referrer',
        })
        headers.append('set-cookie', loginCookie.set(browser))
        return new Response(null, { status: 303, headers })
      } catch (error) {
        return failed(error, returnTo)
      }
    },

    async callback(request, url) {
      const browser = loginCookie.read(request)
      const state = url.searchParams.get('state')
      const isAnswer = isNavigation(request) && browser !== undefined && state !== null
      const name = isAnswer ? nameOf(browser, state) : undefined
      const begun = name === undefined ? undefined : await take(name)
      if (name === undefined || begun?.pending === undefined) {
        const text = 'This login was not begun in this browser, took too long, or was finished before.'
        return pageAnswer({ status: 400, title: 'Not logged in', text, link: again })
      }
      const { pending, returnTo } = begun
      try {
        const query = url.searchParams
        const id = await sessions.begin((cell) => client.finishLogin({ query, pending, store: cell }), options.user)
        const former = sessionCookie.read(request)
        // The new one is good, whatever becomes of the old one.
        if (former !== undefined)
          await sessions.end(former).catch((error) => report('ending the former session', error))
        // By a page and not by a redirect: a Strict cookie does not come along on a way that began at another site.
        const link = { href: returnTo, text: 'Go on' }
        const answer = pageAnswer({ status: 200, title: 'You are logged in', text: '', link, goesOn: true })
        answer.headers.append('set-cookie', sessionCookie.set(id))
        return answer
      } catch (error) {
        return failed(error, returnTo)
      } finally {
        await store.remove(name)
      }
    },
  }
}

interface Demand {
  readonly acrValues?: readonly string[]
  readonly maxAgeSeconds?: number
}

const contextForm = /^[\x21\x23-\x5b\x5d-\x7e]{1,200}( [\x21\x23-\x5b\x5d-\x7e]{1,200}){0,9}$/

/** How the user shall authenticate, as an API asked for it (RFC 9470 §4); `undefined` for what nobody can ask for. */
function readDemand(query: URLSearchParams): Demand | undefined {
  const [contexts, ages] = [query.getAll('acr_values'), query.getAll('max_age')]
  if (contexts.length > 1 || ages.length > 1) return undefined
  const [context, age] = [contexts[0], ages[0]]
  if (context !== undefined && !contextForm.test(context)) return undefined
  if (age !== undefined && !/^\d{1,9}$/.test(age)) return undefined
  return {
    ...(context !== undefined && { acrValues: context.split(' ') }),
    ...(age !== undefined && { maxAgeSeconds: Number(age) }),
  }
}
