import { type Changes, password, requestQuery, type Site, username } from './site.ts'

/** A page as a browser has it. */
export interface Page {
  readonly status: number
  readonly url: string
  readonly headers: Headers
  readonly html: string
  /** The fields of the page's form with this action, or of its first one. */
  readonly form: (action?: string) => Record<string, string>
}

export type Fields = Readonly<Record<string, string>>

/** A browser with a cookie jar of its own, without script, as simple as one that curl makes. */
export interface Browser {
  readonly cookies: Map<string, string>
  readonly address: string
  /** One request, with cookies; does not follow redirects. */
  readonly send: (path: string, init?: RequestInit) => Promise<Response>
  readonly get: (path: string, headers?: Fields) => Promise<Response>
  readonly post: (path: string, fields: Fields | string, headers?: Fields) => Promise<Response>
  /** Opens an address and follows redirects within the site. */
  readonly open: (path: string) => Promise<Page>
  readonly authorize: (changes?: Changes) => Promise<Page>
}

let browsers = 0

export function openBrowser(site: Site): Browser {
  browsers++
  const cookies = new Map<string, string>()
  // Each from another address, so that one test's guesses are not counted for another's.
  const address = `198.51.100.${browsers % 250}`

  const send: Browser['send'] = async (path, init = {}) => {
    const headers = new Headers(init.headers)
    const jar = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    if (jar !== '' && !headers.has('cookie')) headers.set('cookie', jar)
    const request = new Request(new URL(path, site.issuer), { ...init, headers })
    const response = await site.server.handle(request, { address })
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';')
      const at = pair.indexOf('=')
      if (cookie.includes('Max-Age=0')) cookies.delete(pair.slice(0, at))
      else cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return response
  }
  const get: Browser['get'] = (path, headers = {}) => send(path, { headers })
  const post: Browser['post'] = (path, fields, headers = {}) =>
    send(path, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(),
    })
  const open: Browser['open'] = async (path) => {
    let url = new URL(path, site.issuer).href
    for (let hops = 0; hops < 5; hops++) {
      const response = await get(url)
      const location = response.headers.get('location')
      const next = location === null ? undefined : new URL(location, site.issuer)
      if (next === undefined || next.origin !== new URL(site.issuer).origin) return await pageOf(response, url)
      url = next.href
    }
    throw new Error(`redirected in a circle at ${url}`)
  }
  const authorize: Browser['authorize'] = (changes) => open(`/authorize?${requestQuery(changes)}`)
  return { cookies, address, send, get, post, open, authorize }
}

/** Reads a page that an answer holds. */
export async function pageOf(response: Response, url = ''): Promise<Page> {
  const html = await response.text()
  const form = (action = ''): Record<string, string> => {
    const start = html.search(new RegExp(`<form [^>]*action="${action.replaceAll('/', '\\/')}`))
    const text = start < 0 ? '' : html.slice(start, html.indexOf('</form>', start))
    const inputs = text.matchAll(/<input [^>]*?name="([^"]*)"(?:[^>]*?value="([^"]*)")?/g)
    return Object.fromEntries([...inputs].map(([, name = '', value = '']) => [name, unescapeText(value)]))
  }
  return { status: response.status, url, headers: response.headers, html, form }
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#96': '`' }

function unescapeText(text: string): string {
  return text.replace(/&(#?\w+);/g, (_, name: string) => entities[name] ?? '')
}

/** Fills in a login page and sends it; the answer is not followed. */
export function signIn(browser: Browser, page: Page, changes: Fields = {}): Promise<Response> {
  return browser.post('/sign-in', { ...page.form(), username, password, ...changes })
}

/** A browser in which the user is signed in. */
export async function signedInBrowser(site: Site): Promise<Browser> {
  const browser = openBrowser(site)
  const answer = await signIn(browser, await browser.open('/account'))
  if (answer.status !== 303) throw new Error(`signing in answered ${answer.status}`)
  return browser
}

/** Sends a consent page's form; the answer is not followed. */
export function decide(browser: Browser, page: Page, decision: string, headers: Fields = {}): Promise<Response> {
  return browser.post('/consent', { ...page.form(), decision }, headers)
}
