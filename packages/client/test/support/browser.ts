/** A browser as far as logging in needs one: it keeps cookies, fills in forms and follows redirects. */
export interface Browser {
  /** Opens a page, signs in where it is asked to, decides where it is asked to, and follows on to the end. */
  visit(url: string): Promise<string>
}

export interface BrowserUser {
  readonly username: string
  readonly password: string
  readonly decision: 'approve' | 'deny'
}

const pageLimit = 10

export function createBrowser(user: BrowserUser): Browser {
  const cookies = new Map<string, string>()

  const load = async (url: string, form?: URLSearchParams): Promise<{ url: string; body: string }> => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    // Of a form, a browser says where its page is from.
    const headers = { cookie, ...(form && { origin: new URL(url).origin, 'sec-fetch-site': 'same-origin' }) }
    const posted = form === undefined ? {} : { method: 'POST', body: form }
    const response = await fetch(url, { headers, redirect: 'manual', ...posted })
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    const body = await response.text()
    return location === null ? { url, body } : await load(new URL(location, url).href)
  }

  return {
    async visit(url) {
      let page = await load(url)
      for (let count = 0; count < pageLimit; count++) {
        const form = fillIn(page.body, user)
        if (form === undefined) return page.body
        page = await load(new URL(form.action, page.url).href, form.fields)
      }
      throw new Error('the pages have no end')
    },
  }
}

/** The one form of a page, filled in; `undefined` for a page without. */
function fillIn(body: string, user: BrowserUser): { action: string; fields: URLSearchParams } | undefined {
  const action = /<form method="post" action="([^"]*)"/.exec(body)?.[1]
  if (action === undefined) return undefined
  const fields = new URLSearchParams()
  for (const [, name = '', value = ''] of body.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)) {
    fields.set(name, unescapeHtml(value))
  }
  const userCode = /<input id="user_code"[^>]* value="([^"]*)"/.exec(body)?.[1]
  if (userCode !== undefined) fields.set('user_code', unescapeHtml(userCode))
  else if (body.includes('name="password"')) {
    fields.set('username', user.username)
    fields.set('password', user.password)
  } else fields.set('decision', user.decision)
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
