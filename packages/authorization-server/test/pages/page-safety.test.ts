import { describe, expect, it } from 'vitest'
import { decide, openBrowser, pageOf, signedInBrowser, signIn } from './browser.ts'
import { appSettings, createClient, password, requestQuery, startSite, webCallback } from './site.ts'

const site = await startSite()
const browser = await signedInBrowser(site)
await createClient(
  site.store,
  'tv',
  appSettings({ grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'], redirectUris: [] }),
)
const device = await browser.post('/device_authorization', { client_id: 'tv' })
const { user_code: userCode } = (await device.json()) as { readonly user_code: string }
const typeCode = async (code: string) =>
  browser.post('/device', { ...(await browser.open('/device')).form('/device'), user_code: code })

const makeToken = async (changes = {}) => {
  const form = (await browser.open('/account/tokens?resource=https://notes.example')).form('/account/tokens')
  const typed = { name: 'laptop', days: '30', current_password: password, ...changes }
  return browser.post('/account/tokens', { ...form, ...typed })
}

/** Every kind of page that there is, as a browser gets it. */
const pages: readonly (readonly [string, Response])[] = [
  ['login', await openBrowser(site).get(`/authorize?${requestQuery()}`)],
  ['failed login', await signIn(browser, await browser.authorize({ prompt: 'login' }), { password: 'wrong' })],
  ['consent', await browser.get(`/authorize?${requestQuery()}`)],
  ['account', await browser.get('/account')],
  ['new token', await browser.get('/account/tokens?resource=https://notes.example')],
  ['token without a name', await makeToken({ name: '' })],
  ['token', await makeToken()],
  ['sign-out', await browser.get('/sign-out')],
  ['signed out', await openBrowser(site).get('/sign-out')],
  ['user code', await browser.get(`/device?user_code=${userCode}`)],
  ['wrong user code', await typeCode('BBBBB-BBBBB')],
  ['device', await typeCode(userCode)],
  ['device connected', await browser.get('/device?done=approved')],
  ['device refused', await browser.get('/device?done=denied')],
  ['bad client', await browser.get('/authorize?client_id=nobody')],
  ['forged form', await browser.post('/consent', { decision: 'approve' })],
  [
    'wrong password change',
    await browser.post('/account/password', { ...(await browser.open('/account')).form('/account/password') }),
  ],
]

describe.each(pages)('the page %s', (_, answer) => {
  const directives = (answer.headers.get('content-security-policy') ?? '').split('; ')

  it('runs no script and loads nothing from elsewhere [RFC 9700 §4.16]', async () => {
    expect(directives).toEqual([
      "default-src 'none'",
      expect.stringMatching(/^style-src 'sha256-[\w+/]{43}='$/),
      'img-src data:',
      expect.stringMatching(/^form-action 'self'/),
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ])
    expect(await answer.clone().text()).not.toMatch(/<script|\son\w+=|javascript:|<style>[^<]*url\(| style="/i)
  })

  it('cannot be framed [RFC 9700 §4.16]', () => {
    expect([directives.includes("frame-ancestors 'none'"), answer.headers.get('x-frame-options')]).toEqual([
      true,
      'DENY',
    ])
  })

  it('is kept nowhere, guessed at by nobody and leaves no referrer [RFC 9700 §4.2.4]', () => {
    const headers = [
      'cache-control',
      'x-content-type-options',
      'referrer-policy',
      'content-type',
      'access-control-allow-origin',
    ]
    expect(headers.map((name) => answer.headers.get(name))).toEqual([
      'no-store',
      'nosniff',
      'no-referrer',
      'text/html; charset=utf-8',
      null,
    ])
  })

  it('has a language, a title, one heading and a label for each field that is seen', async () => {
    const html = await answer.clone().text()
    const inputs = [...html.matchAll(/<input ([^>]*)>/g)].map(([, attributes = '']) => attributes)
    const seen = inputs.filter((attributes) => !/type="hidden"|\shidden/.test(attributes))
    const labelled = seen.filter((attributes) => html.includes(`<label for="${/id="([^"]*)"/.exec(attributes)?.[1]}">`))
    expect([/<html lang="en">/.test(html), /<title>[^<]+<\/title>/.test(html), html.match(/<h1/g)?.length]).toEqual([
      true,
      true,
      1,
    ])
    expect(labelled).toEqual(seen)
  })
})

describe('the form-action of a page', () => {
  const formAction = async (changes: Parameters<typeof requestQuery>[0]): Promise<string> => {
    const answer = await browser.get(`/authorize?${requestQuery(changes)}`)
    return /form-action ([^;]*)/.exec(answer.headers.get('content-security-policy') ?? '')?.[1] ?? ''
  }

  // Chromium holds it against the redirect to the client, and against those that follow.
  it.each([
    ['a host', { client_id: 'web', redirect_uri: webCallback }, "'self' https://web.example https:"],
    ['loopback', { redirect_uri: 'http://127.0.0.1:50000/callback' }, "'self' http://127.0.0.1:50000 https:"],
    [
      'IPv6 loopback, which cannot be written there',
      { client_id: 'six', redirect_uri: 'http://[::1]:50000/cb' },
      "'self' http: https:",
    ],
    ['an app', { client_id: 'native', redirect_uri: 'com.example.app:/cb' }, "'self' com.example.app: https:"],
  ])('lets the browser go on to %s', async (_, changes, expected) => {
    const own = await startSite()
    await createClient(own.store, 'six', appSettings({ redirectUris: ['http://[::1]:8765/cb'] }))
    await createClient(own.store, 'native', appSettings({ redirectUris: ['com.example.app:/cb'] }))
    const answer = await (await signedInBrowser(own)).get(`/authorize?${requestQuery(changes)}`)
    expect(answer.headers.get('content-security-policy')).toContain(`form-action ${expected};`)
  })

  it('lets it go on from the login page, too', async () => {
    const answer = await openBrowser(site).get(`/authorize?${requestQuery()}`)
    expect(answer.headers.get('content-security-policy')).toContain("form-action 'self' http://127.0.0.1:8765 https:;")
  })

  it('stays at home where no client waits', async () => {
    const answer = await browser.get('/account')
    expect(answer.headers.get('content-security-policy')).toContain("form-action 'self';")
  })

  it('is that of the request, and nothing that it can add to', async () => {
    expect(await formAction({ state: "x; script-src 'unsafe-inline'" })).toBe("'self' http://127.0.0.1:8765 https:")
  })
})

describe('HTML in what was sent', () => {
  const attack = `"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}\u2028`
  const isInert = (html: string): boolean => !html.includes('<script') && !html.includes('<img')

  it.each(['login_hint', 'state', 'prompt', 'ui_locales', 'nonce', 'x'])(
    'stays text on the login page: %s [RFC 6749 §10.14(a)]',
    async (name) => {
      const page = await openBrowser(site).authorize({ [name]: attack })
      expect([page.status, isInert(page.html)]).toEqual([200, true])
    },
  )

  it.each(['state', 'ui_locales', 'x'])('stays text on the consent page: %s [RFC 6749 §10.14(a)]', async (name) => {
    const page = await browser.authorize({ [name]: attack })
    expect([page.status, isInert(page.html), page.html.includes('Allow access?')]).toEqual([200, true, true])
  })

  it.each(['client_id', 'redirect_uri'])('stays out of the error page: %s [RFC 6749 §10.14(a)]', async (name) => {
    const page = await browser.authorize({ [name]: attack })
    expect([page.status, isInert(page.html), page.html.includes('alert(1)')]).toEqual([400, true, false])
  })

  it.each([
    'scope',
    'response_type',
    'response_mode',
    'code_challenge',
    'code_challenge_method',
    'resource',
    'max_age',
    'request',
  ])('is not repeated to the client: %s [RFC 6749 §10.14(a)]', async (name) => {
    const answer = await browser.get(`/authorize?${requestQuery({ [name]: attack })}`)
    expect([answer.status, decodeURIComponent(answer.headers.get('location') ?? '').includes('alert')]).toEqual([
      303,
      false,
    ])
  })

  it('stays text in a user name that is shown again [RFC 6749 §10.14(a)]', async () => {
    const guest = openBrowser(site)
    const page = await pageOf(await signIn(guest, await guest.open('/account'), { username: attack }))
    expect([isInert(page.html), page.form()['username']]).toEqual([true, attack.trim()])
  })
})

describe('the name of a client', () => {
  const consentFor = async (name: string): Promise<string> => {
    const own = await startSite()
    await createClient(own.store, 'odd', appSettings({ name }))
    return (await (await signedInBrowser(own)).authorize({ client_id: 'odd' })).html
  }

  it('stays text [RFC 6749 §10.14(a)]', async () => {
    const html = await consentFor('<b>Bank</b><script>alert(1)</script>')
    expect(html).toContain('&lt;b&gt;Bank&lt;/b&gt;&lt;script&gt;')
  })

  it.each([
    ['a change of direction', 'knaB\u202eBank'],
    ['an isolate', '\u2067Bank\u2069'],
    ['a zero-width space', 'Ba\u200bnk'],
    ['a byte order mark', '\ufeffBank'],
    ['a line end', 'Bank\u2028Allow'],
    ['a control character', 'Ba\u0007nk'],
    ['tags', 'Bank\u{e0041}'],
  ])('shows %s as a replacement character, and does not do what it says [RFC 6749 §10.14(a)]', async (_, name) => {
    const html = await consentFor(name)
    expect([html.includes('\ufffd'), html.includes(name)]).toEqual([true, false])
  })

  it('is cut when it is long [RFC 6749 §10.14(a)]', async () => {
    const html = await consentFor('Bear '.repeat(40))
    expect([html.includes('Bear '.repeat(16)), html.includes('…')]).toEqual([false, true])
  })

  it('keeps what it needs in other scripts', async () => {
    expect(await consentFor('\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u718a')).toContain(
      '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u718a',
    )
  })

  it('stacks no more than three marks on a letter', async () => {
    expect(await consentFor(`Z${'\u0301'.repeat(50)}ed`)).toContain(`Z${'\u0301'.repeat(3)}ed`)
  })
})

describe('a form that is too large or malformed', () => {
  it.each(['/sign-in', '/consent', '/sign-out', '/account/withdraw', '/account/password'])(
    'is refused by %s, on a page [RFC 6749 §10.14(a)]',
    async (path) => {
      const answers = [
        await browser.post(path, `form=${'a'.repeat(70_000)}`),
        await browser.post(path, 'form=%ff'),
        await browser.post(path, '{}', { 'content-type': 'application/json' }),
        await browser.post(path, 'form=a&form=b'),
        await browser.post(path, ''),
      ]
      expect(answers.map((answer) => answer.status)).toEqual([413, 400, 400, 400, 403])
      expect(answers.map((answer) => answer.headers.get('content-type'))).toEqual(
        Array(5).fill('text/html; charset=utf-8'),
      )
    },
  )

  it('does no harm to the next good one', async () => {
    expect((await decide(browser, await browser.authorize(), 'approve')).status).toBe(303)
  })
})
