import { createCookieJar } from './cookie-jar.ts'
import { type HtmlForm, readForms } from './html-form.ts'
import { type Answer, encodeForm, type Sent, send } from './http.ts'

/** What the user in front of this browser does. It stops at the page for which nothing is said. */
export interface User {
  readonly signIn?: { readonly username: string; readonly password: string }
  readonly decision?: 'approve' | 'deny'
}

/** Where a visit ended: the browser was sent to the client, or it shows a page. */
export interface Visit {
  /** Everything that was answered on the way, the last one too. */
  readonly answers: readonly Answer[]
  /** The address outside of the server to which the browser was sent; it was not asked. */
  readonly left: URL | undefined
  readonly last: Answer
  /** The form that the last page waits for. */
  readonly form: HtmlForm | undefined
}

/** A browser without scripts: cookies, redirects and forms by hand. */
export interface Browser {
  readonly visit: (url: string, user?: User) => Promise<Visit>
  /** Sends the form of a page with these values, and goes on from there. */
  readonly submit: (
    from: Answer,
    form: HtmlForm,
    values: Readonly<Record<string, string>>,
    user?: User,
  ) => Promise<Visit>
}

const stepLimit = 20

/**
 * @param redirectUri of the client; redirects to its origin, or to another host than that of the page, are not followed
 */
export function createBrowser(redirectUri: string): Browser {
  const cookies = createCookieJar()
  const clientOrigin = new URL(redirectUri).origin

  const ask = async (url: URL, sent: Sent): Promise<Answer> => {
    const cookie = cookies.headerFor(url)
    const headers = { accept: 'text/html', ...(cookie === undefined ? {} : { cookie }), ...sent.headers }
    const answer = await send(url.href, { ...sent, headers })
    cookies.keep(url, answer.headers.getSetCookie())
    return answer
  }

  const go = async (start: URL, first: Sent, user: User): Promise<Visit> => {
    const answers: Answer[] = []
    let [url, sent] = [start, first]
    for (let step = 0; step < stepLimit; step++) {
      const last = await ask(url, sent)
      answers.push(last)
      const location = last.headers.get('location')
      if (last.status >= 300 && last.status < 400 && location !== null) {
        const next = new URL(location, url)
        if (next.origin === clientOrigin || next.hostname !== url.hostname) {
          return { answers, left: next, last, form: undefined }
        }
        // RFC 9110 §15.4: 307 and 308 repeat the request, body included.
        if (![307, 308].includes(last.status)) sent = {}
        url = next
        continue
      }
      const form = readForms(last.text).find((each) => isSignIn(each) || isDecision(each)) ?? readForms(last.text)[0]
      const values = form && fillIn(form, user)
      if (last.status >= 400 || form === undefined || values === undefined)
        return { answers, left: undefined, last, form }
      ;({ url, sent } = requestOf(last, form, values))
    }
    throw new Error(`${start.href} led on and on: ${answers.map((answer) => answer.url).join(' ')}`)
  }

  return {
    visit: (url, user = {}) => go(new URL(url), {}, user),
    submit(from, form, values, user = {}) {
      const { url, sent } = requestOf(from, form, values)
      return go(url, sent, user)
    },
  }
}

/** A form to sign in has `username` and `password`. */
export function isSignIn({ fields }: HtmlForm): boolean {
  return fields.some(({ name }) => name === 'password')
}

/** A form of consent has buttons called `decision`. */
export function isDecision({ buttons }: HtmlForm): boolean {
  return buttons.some(({ name }) => name === 'decision')
}

function fillIn(form: HtmlForm, { signIn, decision }: User): Readonly<Record<string, string>> | undefined {
  if (isSignIn(form)) return signIn && { ...signIn }
  if (isDecision(form)) return decision && { decision }
  // A page that offers no choice: going on is all that can be done with it.
  return decision === 'approve' ? {} : undefined
}

function requestOf(
  from: Answer,
  form: HtmlForm,
  values: Readonly<Record<string, string>>,
): { readonly url: URL; readonly sent: Sent } {
  const given = form.fields.filter(({ name }) => !(name in values)).map(({ name, value }) => [name, value] as const)
  const body = encodeForm([...given, ...Object.entries(values)])
  const url = new URL(form.action === '' ? from.url : form.action, from.url)
  if (form.method === 'GET') {
    url.search = body
    return { url, sent: {} }
  }
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(from.url).origin }
  return { url, sent: { method: 'POST', body, headers } }
}
