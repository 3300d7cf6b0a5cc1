import { user } from './servers.ts'
import { type Sent, send } from './wire.ts'

/** A browser as far as it matters here: cookies for the host, whatever the port, and what it says about its requests. */
export interface Visitor {
  readonly cookies: Map<string, string>
  /** Everything that was set, as it was set. */
  readonly setCookies: string[]
  /** Addresses it has been at. */
  readonly visited: string[]
  /** Goes to a page, without following redirects. */
  go(url: string, init?: Sent): Promise<Response>
  /** Goes on, through sign-in and consent, until a page does not lead on, or to where `stopAt` begins with, which it does not visit. */
  follow(
    url: string,
    stopAt?: string,
  ): Promise<{ readonly response: Response; readonly text: string; readonly url: string }>
}

const stepLimit = 15

export function createVisitor(decision: 'approve' | 'deny' = 'approve'): Visitor {
  const cookies = new Map<string, string>()
  const setCookies: string[] = []
  const visited: string[] = []

  const go: Visitor['go'] = async (url, init = {}) => {
    visited.push(url)
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await send(url, { ...init, headers: { ...init.headers, ...(cookie !== '' && { cookie }) } })
    for (const set of response.headers.getSetCookie()) {
      setCookies.push(set)
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
      if (/Max-Age=0/i.test(set)) cookies.delete(name)
      else cookies.set(name, value)
    }
    return response
  }

  return {
    cookies,
    setCookies,
    visited,
    go,
    async follow(start, stopAt) {
      let url = start
      let init: Sent = { headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } }
      for (let count = 0; count < stepLimit; count++) {
        if (stopAt !== undefined && url.startsWith(stopAt)) return { response: new Response(), text: '', url }
        const response = await go(url, init)
        init = { headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } }
        const location = response.headers.get('location')
        const text = await response.text()
        const form = fillIn(text, decision)
        if (location !== null) url = new URL(location, url).href
        else if (form !== undefined) {
          const headers = { origin: new URL(url).origin, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' }
          url = new URL(form.action, url).href
          init = { method: 'POST', body: form.fields, headers }
        } else return { response, text, url }
      }
      throw new Error('the pages have no end')
    },
  }
}

function fillIn(page: string, decision: string): { action: string; fields: URLSearchParams } | undefined {
  const action = /<form method="post" action="([^"]*)"/.exec(page)?.[1]
  if (action === undefined) return undefined
  const fields = new URLSearchParams()
  for (const [, name = '', value = ''] of page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)) {
    fields.set(name, unescapeHtml(value))
  }
  if (page.includes('name="password"')) {
    fields.set('username', user.username)
    fields.set('password', user.password)
  } else fields.set('decision', decision)
  return { action: unescapeHtml(action), fields }
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}
