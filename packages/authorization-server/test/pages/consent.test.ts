import { describe, expect, it } from 'vitest'
import { decide, openBrowser, pageOf, signedInBrowser, signIn } from './browser.ts'
import { answerOf, appSettings, callback, createClient, issuer, locationOf, startSite, webCallback } from './site.ts'

const site = await startSite()

const isCode = (answer: Response): boolean =>
  answer.status === 303 && (answer.headers.get('location') ?? '').includes('code=')

describe('the consent page', () => {
  it('says who asks, for what, where, and where the answer goes [RFC 6749 §10.2(c)]', async () => {
    const { html } = await (await signedInBrowser(site)).authorize({ client_id: 'web', redirect_uri: webCallback })
    const texts = ['Web Client', 'alice', 'Read your notes', 'https://notes.example', 'web.example']
    expect(texts.filter((text) => !html.includes(text))).toEqual([])
  })

  it('says that access lasts while the user is away, when it does [RFC 6749 §10.2(c)]', async () => {
    const browser = await signedInBrowser(site)
    const pages = [await browser.authorize({ scope: 'read offline_access' }), await browser.authorize()]
    expect(pages.map((page) => page.html.includes('while you are away'))).toEqual([true, false])
  })

  it.each([
    ['a loopback address', { redirect_uri: callback }, true],
    ['localhost', { client_id: 'local', redirect_uri: 'http://localhost:9000/cb' }, true],
    ['a host', { client_id: 'web', redirect_uri: webCallback }, false],
  ])('warns that nobody knows the program behind %s: %j [RFC 6749 §10.2(d)]', async (_, changes, warned) => {
    const own = await startSite()
    await createClient(own.store, 'local', appSettings({ redirectUris: ['http://localhost:8765/cb'] }))
    const { html } = await (await signedInBrowser(own)).authorize(changes)
    expect(html.includes('Nobody can check which one it is')).toBe(warned)
  })
})

describe('a decision', () => {
  it('to deny is told to the client, with state and issuer [RFC 6749 §4.1.2.1(a)(c), RFC 9207 §2]', async () => {
    const browser = await signedInBrowser(site)
    const answer = await decide(browser, await browser.authorize(), 'deny')
    const { origin, pathname, searchParams } = locationOf(answer)
    expect([answer.status, origin + pathname]).toEqual([303, callback])
    expect(Object.fromEntries(searchParams)).toMatchObject({ error: 'access_denied', state: 'xyz', iss: issuer })
  })

  it('to deny is spent: going back and agreeing gives no code [RFC 6749 §10.12(b)]', async () => {
    const browser = await signedInBrowser(site)
    const page = await browser.authorize()
    await decide(browser, page, 'deny')
    expect((await decide(browser, page, 'approve')).status).toBe(403)
  })

  it('to deny is remembered by nobody [RFC 6749 §10.12(b)]', async () => {
    const browser = await signedInBrowser(site)
    const changes = { client_id: 'web', redirect_uri: webCallback }
    await decide(browser, await browser.authorize(changes), 'deny')
    expect((await browser.authorize(changes)).html).toContain('Allow access?')
  })

  it.each(['', 'yes', 'APPROVE', 'approve deny'])(
    'is one of two words, and %j is neither [RFC 6749 §10.14(a)]',
    async (decision) => {
      const browser = await signedInBrowser(site)
      expect((await decide(browser, await browser.authorize(), decision)).status).toBe(400)
    },
  )

  it('that is repeated is refused as a whole [RFC 6749 §10.14(a)]', async () => {
    const browser = await signedInBrowser(site)
    const form = new URLSearchParams((await browser.authorize()).form()).toString()
    expect((await browser.post('/consent', `${form}&decision=deny&decision=approve`)).status).toBe(400)
  })

  it('sent twice at once gives one code [RFC 6749 §10.12(b)]', async () => {
    const browser = await signedInBrowser(site)
    const page = await browser.authorize()
    const answers = await Promise.all(Array.from({ length: 10 }, () => decide(browser, page, 'approve')))
    expect(answers.map((answer) => answer.status).sort()).toEqual([303, ...Array<number>(9).fill(403)])
  })

  it('approve and deny at once: one of them counts [RFC 6749 §10.12(b)]', async () => {
    const browser = await signedInBrowser(site)
    const page = await browser.authorize()
    const answers = await Promise.all([decide(browser, page, 'approve'), decide(browser, page, 'deny')])
    expect(answers.map((answer) => answer.status).sort()).toEqual([303, 403])
  })

  it('after going back gives no second code, and nobody is sent anywhere [RFC 6749 §10.12(b)]', async () => {
    const browser = await signedInBrowser(site)
    const page = await browser.authorize()
    await decide(browser, page, 'approve')
    const answer = await decide(browser, page, 'approve')
    expect([answer.status, answer.headers.get('location')]).toEqual([403, null])
  })

  it('in two tabs is two decisions [RFC 6749 §4.1.2(c)]', async () => {
    const browser = await signedInBrowser(site)
    const [first, second] = [await browser.authorize({ state: 'one' }), await browser.authorize({ state: 'two' })]
    const denied = await decide(browser, first, 'deny')
    const approved = await decide(browser, second, 'approve')
    expect([answerOf(denied).get('state'), answerOf(approved).get('state'), isCode(approved)]).toEqual([
      'one',
      'two',
      true,
    ])
  })
})

describe('a forged decision is refused', () => {
  it('without the proof of the form [RFC 6749 §10.12(a)]', async () => {
    const answer = await (await signedInBrowser(site)).post('/consent', { decision: 'approve' })
    expect([answer.status, answer.headers.get('location')]).toEqual([403, null])
  })

  it('with the form of another browser, signed in or not [RFC 6749 §10.12(a), RFC 6749 §10.12(b)]', async () => {
    const page = await (await signedInBrowser(site)).authorize()
    const answers = [
      await decide(await signedInBrowser(site), page, 'approve'),
      await decide(openBrowser(site), page, 'approve'),
    ]
    expect(answers.map((answer) => answer.status)).toEqual([403, 403])
  })

  it('when the browser lost its own cookie [RFC 6749 §10.12(a)]', async () => {
    const browser = await signedInBrowser(site)
    const page = await browser.authorize()
    browser.cookies.delete('arctos_browser')
    expect((await decide(browser, page, 'approve')).status).toBe(403)
  })

  it.each(['cross-site', 'same-site'])(
    'when the browser says it comes from elsewhere: %s [RFC 6749 §10.12(a)]',
    async (from) => {
      const browser = await signedInBrowser(site)
      const answer = await decide(browser, await browser.authorize(), 'approve', { 'sec-fetch-site': from })
      expect(answer.status).toBe(403)
    },
  )

  it.each([
    'https://evil.example',
    'http://localhost:4001',
    'https://localhost:4000',
    'http://localhost:4000.evil.example',
  ])('when it has another origin: %s [RFC 6749 §10.12(a)]', async (origin) => {
    const browser = await signedInBrowser(site)
    expect((await decide(browser, await browser.authorize(), 'approve', { origin })).status).toBe(403)
  })

  it.each([
    ['its own origin', { origin: issuer }],
    ['no origin, as our pages send no referrer', { origin: 'null', 'sec-fetch-site': 'same-origin' }],
    ['neither header, as from an old browser', {}],
  ])('but not when it has %s [RFC 6749 §10.12(a)]', async (_, headers) => {
    const browser = await signedInBrowser(site)
    expect(isCode(await decide(browser, await browser.authorize(), 'approve', headers))).toBe(true)
  })

  it('when any character of the proof is altered [RFC 6749 §10.12(a)]', async () => {
    const browser = await signedInBrowser(site)
    const { form = '' } = (await browser.authorize()).form()
    const dot = form.indexOf('.')
    const places = [0, 10, Math.floor(dot / 2), dot - 1, dot + 1, form.length - 1]
    const altered = places.map((at) => form.slice(0, at) + (form[at] === 'A' ? 'B' : 'A') + form.slice(at + 1))
    const cut = [
      form.slice(0, -1),
      form.slice(0, dot),
      form.slice(0, dot + 1),
      `${form}.`,
      `${form}A`,
      '.',
      `.${form.slice(dot)}`,
    ]
    const answers = await Promise.all(
      [...altered, ...cut].map((each) => browser.post('/consent', { form: each, decision: 'approve' })),
    )
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([403]))
  })

  it('with the proof of another form of the same browser [RFC 6749 §10.12(a)]', async () => {
    const browser = await signedInBrowser(site)
    const { form = '' } = (await browser.open('/sign-out')).form()
    expect((await browser.post('/consent', { form, decision: 'approve' })).status).toBe(403)
  })

  it('ten minutes after the page was shown, and not before [RFC 6749 §10.12(a)]', async () => {
    const own = await startSite()
    const browser = await signedInBrowser(own)
    const pages = [await browser.authorize(), await browser.authorize()] as const
    own.pass(599)
    expect(isCode(await decide(browser, pages[0], 'approve'))).toBe(true)
    own.pass(1)
    expect((await decide(browser, pages[1], 'approve')).status).toBe(403)
  })

  it('by GET [RFC 6749 §10.12(a)]', async () => {
    const browser = await signedInBrowser(site)
    const fields = new URLSearchParams({ ...(await browser.authorize()).form(), decision: 'approve' })
    expect((await browser.get(`/consent?${fields}`)).status).toBe(405)
  })

  it('on a page that shows the receipt [RFC 6749 §10.12(a)]', async () => {
    const answer = await (await signedInBrowser(site)).post('/consent', { decision: 'approve' })
    expect((await pageOf(answer)).html).toContain(answer.headers.get('arctos-receipt') ?? 'no receipt')
  })
})

describe('a decision that comes too late', () => {
  it('starts over with a sign-in after a sign-out in another tab [RFC 6749 §3.1(a)]', async () => {
    const browser = await signedInBrowser(site)
    const page = await browser.authorize()
    await browser.post('/sign-out', (await browser.open('/sign-out')).form())
    const answer = await decide(browser, page, 'approve')
    const next = await browser.open(answer.headers.get('location') ?? '')
    expect([answer.status, next.html.includes('name="password"')]).toEqual([303, true])
  })

  it('starts over with the question after another sign-in, for whoever is signed in now [RFC 6749 §10.12(b)]', async () => {
    const browser = await signedInBrowser(site)
    const page = await browser.authorize()
    await signIn(browser, await browser.authorize({ prompt: 'login' }))
    const answer = await decide(browser, page, 'approve')
    const next = await browser.open(answer.headers.get('location') ?? '')
    expect([isCode(answer), next.html.includes('Allow access?')]).toEqual([false, true])
  })

  it('starts over when the registration says something else by now [RFC 6749 §10.12(b)]', async () => {
    const own = await startSite()
    const browser = await signedInBrowser(own)
    const page = await browser.authorize()
    await own.store.updateClient({ id: 'app', settings: appSettings({ name: 'Another name' }), actor: 'test' })
    const answer = await decide(browser, page, 'approve')
    const next = await browser.open(answer.headers.get('location') ?? '')
    expect([isCode(answer), next.html.includes('Another name')]).toEqual([false, true])
  })

  it('goes nowhere when the client is gone [RFC 6749 §3.1.2.4(a)]', async () => {
    const own = await startSite()
    const browser = await signedInBrowser(own)
    const page = await browser.authorize()
    await own.store.deleteClient({ id: 'app', actor: 'test' })
    const answer = await decide(browser, page, 'approve')
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
  })

  it('goes nowhere when the address was taken out of the registration [RFC 6749 §3.1.2.4(a)]', async () => {
    const own = await startSite()
    const browser = await signedInBrowser(own)
    const page = await browser.authorize()
    await own.store.updateClient({ id: 'app', settings: appSettings({ redirectUris: [] }), actor: 'test' })
    const answer = await decide(browser, page, 'approve')
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
  })

  it('gives nothing when the user was disabled [RFC 6749 §3.1(a)]', async () => {
    const own = await startSite()
    const browser = await signedInBrowser(own)
    const page = await browser.authorize()
    await own.store.changeUser({ id: own.userId, disabled: true, actor: 'test' })
    expect(isCode(await decide(browser, page, 'approve'))).toBe(false)
  })
})
