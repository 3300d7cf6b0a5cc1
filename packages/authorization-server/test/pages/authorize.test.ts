import { isCodeVerifier, parseOpaqueToken } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { type Browser, decide, openBrowser, pageOf, signedInBrowser, signIn } from './browser.ts'
import {
  answerOf,
  appSettings,
  type Changes,
  callback,
  clientSecret,
  createClient,
  issuer,
  locationOf,
  mail,
  notes,
  requestQuery,
  startSite,
  verifier,
  webCallback,
} from './site.ts'

const site = await startSite()
await createClient(
  site.store,
  'web2',
  appSettings({ authenticationMethods: ['client_secret_post'], redirectUris: [webCallback] }),
)
const web: Changes = { client_id: 'web', redirect_uri: webCallback }

/** Redeems a code; returns the token endpoint's answer. */
async function redeem(code: string, changes: Readonly<Record<string, string>> = {}): Promise<Response> {
  const fields = {
    grant_type: 'authorization_code',
    code,
    client_id: 'app',
    redirect_uri: callback,
    code_verifier: verifier,
  }
  return await openBrowser(site).post('/token', { ...fields, ...changes })
}

async function approve(browser: Browser, changes: Changes = {}): Promise<Response> {
  return await decide(browser, await browser.authorize(changes), 'approve')
}

describe('an approved request', () => {
  it('answers with a code at the redirection URI, by 303 [RFC 6749 §4.1.2(c)]', async () => {
    const answer = await approve(await signedInBrowser(site))
    const { origin, pathname } = locationOf(answer)
    expect([answer.status, origin + pathname, [...answerOf(answer).keys()]]).toEqual([
      303,
      callback,
      ['code', 'state', 'iss'],
    ])
  })

  it('gives a code of 256 random bits with a checksum [RFC 6749 §10.10(a)(b)]', async () => {
    const browser = await signedInBrowser(site)
    const codes = [await approve(browser), await approve(browser)].map((answer) => answerOf(answer).get('code') ?? '')
    const bytes = codes.map((code) => parseOpaqueToken('authorizationCode', code, 32)?.toString('hex') ?? code)
    expect(new Set(bytes).size).toBe(2)
    expect(bytes.every((each) => /^[0-9a-f]{64}$/.test(each))).toBe(true)
  })

  it.each(['xyz', 'a&code=evil', 'a+b %20', '\u00e9\u{1f43b}', "it's"])(
    'brings state %j back unchanged, once [RFC 6749 §4.1.2(d)]',
    async (state) => {
      const answer = await approve(await signedInBrowser(site), { state })
      expect(answerOf(answer).getAll('state')).toEqual([state])
    },
  )

  it('brings no state when none was sent [RFC 6749 §4.1.2(d)]', async () => {
    const answer = await approve(await signedInBrowser(site), { state: undefined })
    expect(answerOf(answer).has('state')).toBe(false)
  })

  it('names the issuer [RFC 9207 §2]', async () => {
    expect(answerOf(await approve(await signedInBrowser(site))).get('iss')).toBe(issuer)
  })

  it('keeps the query of the redirection URI [RFC 6749 §3.1.2(b)]', async () => {
    const answer = await approve(await signedInBrowser(site), web)
    expect(answer.headers.get('location')).toMatch(/^https:\/\/web\.example\/callback\?tenant=7&code=arctos_ac_/)
  })

  it('sends the browser to the very port of the program that asked [RFC 6749 §3.1.2.3(a)]', async () => {
    const answer = await approve(await signedInBrowser(site), { redirect_uri: 'http://127.0.0.1:50123/callback' })
    expect(locationOf(answer).port).toBe('50123')
  })

  it('gives a code that its verifier redeems, for the scopes that were shown [RFC 7636 §4.4(a), RFC 6749 §3.3(a)]', async () => {
    const code = answerOf(await approve(await signedInBrowser(site), { scope: 'write read' })).get('code') ?? ''
    const answer = await redeem(code)
    expect([answer.status, await answer.json()]).toMatchObject([200, { token_type: 'Bearer', scope: 'write read' }])
  })

  it('keeps the challenge out of the answer and of the code [RFC 7636 §4.4(b)]', async () => {
    const location = (await approve(await signedInBrowser(site))).headers.get('location') ?? ''
    expect(isCodeVerifier(verifier)).toBe(true)
    expect(location).not.toContain(new URLSearchParams(requestQuery()).get('code_challenge'))
  })

  it('gives a code that knows the address it was sent to [RFC 6749 §4.1.3(a)]', async () => {
    const code = answerOf(await approve(await signedInBrowser(site))).get('code') ?? ''
    const answer = await redeem(code, { redirect_uri: 'http://127.0.0.1:1/callback' })
    expect(await answer.json()).toMatchObject({ error: 'invalid_grant' })
  })

  it('gives a code that is redeemed with the address if the request had it, else without [RFC 6749 §4.1.3(a)]', async () => {
    const browser = await signedInBrowser(site)
    const status = async (redirectUri: string | undefined): Promise<number> => {
      const code = answerOf(await approve(browser, { redirect_uri: redirectUri })).get('code') ?? ''
      return (await redeem(code, { redirect_uri: '' })).status
    }
    expect([await status(callback), await status(undefined)]).toEqual([400, 200])
  })

  it('gives a code for the resource that was asked for [RFC 8707 §2]', async () => {
    const answer = await approve(await signedInBrowser(site), { resource: mail, scope: 'send' })
    const tokens = await (await redeem(answerOf(answer).get('code') ?? '')).json()
    expect(tokens).toMatchObject({ access_token: expect.stringMatching(/^arctos_at_/), scope: 'send' })
  })

  it('gives a refresh token for offline_access, and only then [RFC 6749 §3.3(a)]', async () => {
    const browser = await signedInBrowser(site)
    const tokens = async (scope: string): Promise<object> => {
      const code = answerOf(await approve(browser, { scope })).get('code') ?? ''
      return (await (await redeem(code)).json()) as object
    }
    expect(await tokens('read offline_access')).toHaveProperty('refresh_token')
    expect(await tokens('read')).not.toHaveProperty('refresh_token')
  })

  it('is journalled with its user, and without the code [RFC 6749 §4.1.2(c)]', async () => {
    const browser = await signedInBrowser(site)
    const page = await browser.authorize()
    await decide(browser, page, 'approve')
    const event = { endpoint: 'consent', subject: site.userId, outcome: 'issued', status: 303 }
    expect(site.events.at(-1)).toEqual(event)
  })
})

describe('signing in on the way', () => {
  it('comes back to the very same request [RFC 6749 §3.1(a)]', async () => {
    const browser = openBrowser(site)
    const changes = { state: `it's <"odd"> & +x%20`, scope: 'read offline_access', resource: [notes, mail] }
    const back = await signIn(browser, await browser.authorize(changes))
    expect(back.status).toBe(303)
    const answer = await decide(browser, await browser.open(back.headers.get('location') ?? ''), 'approve')
    expect(answerOf(answer).get('state')).toBe(changes.state)
  })

  it('looks at the request again on the way back [RFC 6749 §10.14(a)]', async () => {
    const browser = openBrowser(site)
    await createClient(site.store, 'fleeting', appSettings({}))
    const page = await browser.authorize({ client_id: 'fleeting' })
    await site.store.updateClient({ id: 'fleeting', disabled: true, actor: 'test' })
    const back = await signIn(browser, page)
    expect((await browser.open(back.headers.get('location') ?? '')).status).toBe(400)
  })

  it('fills in the user name that the client expects [RFC 6749 §3.1(a)]', async () => {
    const page = await openBrowser(site).authorize({ login_hint: 'alice' })
    expect(page.form()['username']).toBe('alice')
  })

  it('sends users of a signed-in browser straight to the question [RFC 6749 §3.1(a)]', async () => {
    expect((await (await signedInBrowser(site)).authorize()).html).toContain('Allow access?')
  })
})

describe('prompt=login and max_age', () => {
  const isSignIn = (html: string): boolean => html.includes('name="password"')

  it.each([
    ['prompt=login', { prompt: 'login' }],
    ['max_age=0', { max_age: '0' }],
    ['prompt=login consent', { prompt: 'login consent' }],
    ['max_age and a state with an apostrophe', { max_age: '0', state: "it's" }],
  ])('%s asks for a new sign-in once, and then goes on [RFC 6749 §3.1(a)]', async (_, changes) => {
    const browser = await signedInBrowser(site)
    const page = await browser.authorize(changes)
    expect(isSignIn(page.html)).toBe(true)
    const back = await signIn(browser, page)
    const next = await browser.open(back.headers.get('location') ?? '')
    expect(next.html).toContain('Allow access?')
  })

  it('prompt=login is not satisfied by the proof of another sign-in [RFC 6749 §3.1(a)]', async () => {
    const browser = await signedInBrowser(site)
    const back = await signIn(browser, await browser.authorize({ prompt: 'login' }))
    const proof = new URL(back.headers.get('location') ?? '', issuer).searchParams.get('signed_in') ?? ''
    const other = await browser.open(
      `/authorize?${requestQuery({ prompt: 'login', scope: 'write' })}&signed_in=${proof}`,
    )
    expect(isSignIn(other.html)).toBe(true)
  })

  it('prompt=login is not satisfied by a sign-in in another browser [RFC 6749 §3.1(a)]', async () => {
    const [browser, other] = [await signedInBrowser(site), await signedInBrowser(site)]
    const back = (await signIn(browser, await browser.authorize({ prompt: 'login' }))).headers.get('location') ?? ''
    expect([isSignIn((await other.open(back)).html), isSignIn((await browser.open(back)).html)]).toEqual([true, false])
  })

  it('prompt=login is not satisfied ten minutes later [RFC 6749 §3.1(a)]', async () => {
    const browser = await signedInBrowser(site)
    const back = (await signIn(browser, await browser.authorize({ prompt: 'login' }))).headers.get('location') ?? ''
    site.pass(600)
    expect(isSignIn((await browser.open(back)).html)).toBe(true)
  })

  it('max_age lets a sign-in of that age pass, and no older one [RFC 6749 §3.1(a)]', async () => {
    const browser = await signedInBrowser(site)
    site.pass(60)
    const pages = [await browser.authorize({ max_age: '60' }), await browser.authorize({ max_age: '59' })]
    expect(pages.map((page) => isSignIn(page.html))).toEqual([false, true])
  })

  it.each([{ prompt: 'none', max_age: '0' }, { prompt: 'none' }])(
    'none never shows a page, but says login_required: %j [RFC 6749 §4.1.2.1(a)]',
    async (changes) => {
      const browser = 'max_age' in changes ? await signedInBrowser(site) : openBrowser(site)
      const answer = await browser.get(`/authorize?${requestQuery(changes)}`)
      expect(answerOf(answer).get('error')).toBe('login_required')
    },
  )
})

describe('what the user agreed to before', () => {
  it('is not asked again for a confidential client [RFC 6749 §10.12(b)]', async () => {
    const browser = await signedInBrowser(site)
    await approve(browser, web)
    const answer = await browser.get(`/authorize?${requestQuery(web)}`)
    expect(answerOf(answer).get('code')).toMatch(/^arctos_ac_/)
  })

  it('is asked again for a public client, whose name anyone can use [RFC 6749 §10.2(d)]', async () => {
    const browser = await signedInBrowser(site)
    await approve(browser)
    expect((await browser.authorize()).html).toContain('Allow access?')
  })

  it('is consent_required with prompt=none for a public client [RFC 6749 §10.2(d)]', async () => {
    const browser = await signedInBrowser(site)
    await approve(browser)
    const answer = await browser.get(`/authorize?${requestQuery({ prompt: 'none' })}`)
    expect(answerOf(answer).get('error')).toBe('consent_required')
  })

  it('gives a code with prompt=none to a confidential client [RFC 6749 §4.1.2(c)]', async () => {
    const browser = await signedInBrowser(site)
    await approve(browser, web)
    const answer = await browser.get(`/authorize?${requestQuery({ ...web, prompt: 'none' })}`)
    expect(answerOf(answer).get('code')).toMatch(/^arctos_ac_/)
  })

  it.each([
    ['with prompt=consent', { ...web, prompt: 'consent' }],
    ['for another scope', { ...web, scope: 'read write' }],
    ['for access while the user is away', { ...web, scope: 'read offline_access' }],
    ['for another resource', { ...web, resource: mail, scope: 'send' }],
    ['for a resource more', { ...web, resource: [notes, mail] }],
    ['by another client', { ...web, client_id: 'web2' }],
  ])('is asked again %s [RFC 6749 §10.12(b)]', async (_, changes) => {
    const own = await startSite()
    await createClient(
      own.store,
      'web2',
      appSettings({ authenticationMethods: ['client_secret_post'], redirectUris: [webCallback] }),
    )
    const browser = await signedInBrowser(own)
    await approve(browser, web)
    expect((await browser.authorize(changes)).html).toContain('Allow access?')
  })

  it('does not count for another user [RFC 6749 §10.12(b)]', async () => {
    const own = await startSite()
    const alice = await own.store.readUserByName('alice')
    await own.store.createUser({ username: 'bob', passwordHash: alice?.passwordHash ?? '', actor: 'test' })
    const browser = await signedInBrowser(own)
    await approve(browser, web)
    const other = openBrowser(own)
    await signIn(other, await other.open('/account'), { username: 'bob' })
    expect((await other.authorize(web)).html).toContain('Allow access?')
  })

  it('is asked every time when there is no scope to remember [RFC 6749 §10.12(b)]', async () => {
    const own = await startSite()
    const settings = {
      identifier: 'https://bare.example',
      scopes: {},
      tokenFormat: 'jwt',
      tokenType: 'at+jwt',
      accessTokenLifetimeSeconds: 60,
    } as const
    await own.store.createResource({ settings, actor: 'test' })
    const page = await (await signedInBrowser(own)).authorize({
      ...web,
      scope: undefined,
      resource: 'https://bare.example',
    })
    expect(page.html).toContain('Allow access?')
  })

  it('is asked again when it was withdrawn in the very moment [RFC 6749 §10.12(b)]', async () => {
    const own = await startSite()
    const browser = await signedInBrowser(own)
    await approve(browser, web)
    // The consent is read, then the withdrawal comes, then the code is asked for.
    const { store } = own
    const readConsent = store.readConsent
    const withdrawing = async (question: Parameters<typeof readConsent>[0]) => {
      const agreed = await readConsent(question)
      await store.withdrawApplication({ userId: own.userId, clientId: 'web' })
      return agreed
    }
    Object.assign(store, { readConsent: withdrawing })
    const answer = await browser.get(`/authorize?${requestQuery(web)}`)
    Object.assign(store, { readConsent })
    expect(answer.headers.get('location')).toMatch(/^\/authorize\?/)
    expect((await browser.open(answer.headers.get('location') ?? '')).html).toContain('Allow access?')
  })

  it('is a code of its own for each request [RFC 6749 §4.1.2(c)]', async () => {
    const browser = await signedInBrowser(site)
    await approve(browser, web)
    const again = await browser.get(`/authorize?${requestQuery(web)}`)
    const changes = { client_id: 'web', client_secret: clientSecret, redirect_uri: webCallback }
    expect((await redeem(answerOf(again).get('code') ?? '', changes)).status).toBe(200)
  })
})

describe('a store that does not answer', () => {
  it('is no reason to send the user away, for nobody knows where to [RFC 6749 §3.1.2.4(a)]', async () => {
    const own = await startSite()
    const browser = await signedInBrowser(own)
    const page = await browser.authorize()
    await own.store.close()
    const answer = await decide(browser, page, 'approve')
    expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('location')]).toEqual([503, '1', null])
    expect((await pageOf(answer)).html).toContain('cannot be decided now')
  })
})
