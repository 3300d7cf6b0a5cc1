import { parseOpaqueToken, sha256Base64url } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { type Browser, openBrowser, pageOf, signedInBrowser, signIn } from './browser.ts'
import { issuer, password, requestQuery, startSite, username } from './site.ts'

const site = await startSite()

const isSignedIn = async (browser: Browser): Promise<boolean> =>
  (await browser.open('/account')).html.includes('Signed in as')

describe('the login page', () => {
  it('is a plain form: user name, password, POST [RFC 6749 §3.1(a)]', async () => {
    const { html } = await openBrowser(site).authorize()
    expect(html).toMatch(/<form method="post" action="\/sign-in">/)
    expect(Object.keys((await openBrowser(site).authorize()).form())).toEqual(['form', 'username', 'password'])
  })

  it('says which application waits [RFC 6749 §3.1(a)]', async () => {
    expect((await openBrowser(site).authorize()).html).toContain('Notes App')
  })

  it('has its own address, and leads to the account from there [RFC 6749 §3.1(a)]', async () => {
    const browser = openBrowser(site)
    const answer = await signIn(browser, await browser.open('/sign-in'))
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/account'])
  })

  it('is not shown to who is signed in already [RFC 6749 §3.1(a)]', async () => {
    const answer = await (await signedInBrowser(site)).get('/sign-in')
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/account'])
  })
})

describe('signing in', () => {
  it('answers by 303, so that the password is not sent on [RFC 9700 §4.12]', async () => {
    const browser = openBrowser(site)
    expect((await signIn(browser, await browser.authorize())).status).toBe(303)
  })

  it('makes one password of all its spellings (NFKC)', async () => {
    const own = await startSite()
    const { hashPassword } = await import('@arctos/authorization-server')
    const passwordHash = await hashPassword('\ufb01ne \u00c5ngstr\u00f6m bears')
    await own.store.createUser({ username: 'nina', passwordHash, actor: 'test' })
    const browser = openBrowser(own)
    const page = await browser.open('/account')
    const answer = await signIn(browser, page, { username: 'nina', password: 'fine A\u030angstro\u0308m bears' })
    expect(answer.status).toBe(303)
  })

  it('takes a user name with spaces around it, as keyboards add them', async () => {
    const browser = openBrowser(site)
    expect((await signIn(browser, await browser.open('/account'), { username: ` ${username} ` })).status).toBe(303)
  })

  it.each([
    ['a wrong password', { password: 'nine brown bears dancE' }],
    ['no password', { password: '' }],
    ['the password and a space', { password: `${password} ` }],
    ['an unknown user', { username: 'nobody' }],
    ['no user name', { username: '' }],
    ['the user name in another case', { username: 'Alice' }],
    ['a password of 60,000 characters', { password: 'a'.repeat(60_000) }],
    ['a user name that is SQL', { username: "alice' --" }],
    ['a user name that is a member of every object', { username: '__proto__' }],
  ])('fails with %s, in one sentence for all [RFC 6749 §10.10(c)]', async (_, fields) => {
    const browser = openBrowser(site)
    const answer = await signIn(browser, await browser.open('/account'), fields)
    expect(answer.status).toBe(403)
    expect((await pageOf(answer)).html).toContain('The user name or password is wrong.')
    expect(await isSignedIn(browser)).toBe(false)
  })

  it('gives an unknown and a known user the same answer, but for what was typed [RFC 6749 §10.10(c)]', async () => {
    const browser = openBrowser(site)
    const page = await browser.open('/account')
    const answers = await Promise.all(
      ['alice', 'elsie'].map((name) => signIn(browser, page, { username: name, password: 'wrong' })),
    )
    const texts = await Promise.all(
      answers.map(async (answer) =>
        (await answer.text()).replace(/name="form" value="[^"]*"/, '').replace(/alice|elsie/, 'X'),
      ),
    )
    expect(texts[0]).toBe(texts[1])
    expect(answers.map((answer) => [...answer.headers.keys()].join())).toEqual(
      Array(2).fill([...(answers[0]?.headers.keys() ?? [])].join()),
    )
  })

  it('refuses a disabled user like a wrong password [RFC 6749 §10.10(c)]', async () => {
    const own = await startSite()
    await own.store.changeUser({ id: own.userId, disabled: true, actor: 'test' })
    const browser = openBrowser(own)
    const answer = await signIn(browser, await browser.open('/account'))
    expect([answer.status, (await pageOf(answer)).html.includes('The user name or password is wrong.')]).toEqual([
      403,
      true,
    ])
  })

  it('can be tried again from the page that said no [RFC 6749 §3.1(a)]', async () => {
    const browser = openBrowser(site)
    const wrong = await pageOf(await signIn(browser, await browser.authorize(), { password: 'wrong' }))
    const answer = await signIn(browser, wrong)
    expect(answer.headers.get('location')).toMatch(/^\/authorize\?response_type=code&client_id=app&/)
  })

  it('writes neither the password nor the name that was tried into the journal [RFC 6749 §10.10(c)]', async () => {
    const own = await startSite()
    const browser = openBrowser(own)
    await signIn(browser, await browser.open('/account'), { username: 'eve@example', password: 'hunter2 hunter2' })
    const text = JSON.stringify(own.events)
    expect([text.includes('eve@example'), text.includes('hunter2'), text.includes('page.sign_in_failed')]).toEqual([
      false,
      false,
      true,
    ])
  })
})

describe('a forged sign-in is refused', () => {
  it.each([
    ['no form', {}],
    ['an empty one', { form: '' }],
    ['one of ours that was altered', { form: 'eyJpIjoiIn0.AAAA' }],
  ])('with %s [RFC 6749 §10.12(a)]', async (_, fields) => {
    const browser = openBrowser(site)
    await browser.open('/account')
    expect((await browser.post('/sign-in', { username, password, ...fields })).status).toBe(403)
    expect(await isSignedIn(browser)).toBe(false)
  })

  it("with the form of the attacker's browser, so that nobody works in a foreign account [RFC 6749 §10.12(a)]", async () => {
    const page = await openBrowser(site).open('/account')
    const victim = openBrowser(site)
    await victim.open('/account')
    expect((await signIn(victim, page)).status).toBe(403)
  })

  it('from another site [RFC 6749 §10.12(a)]', async () => {
    const browser = openBrowser(site)
    const form = (await browser.open('/account')).form()
    const answer = await browser.post('/sign-in', { ...form, username, password }, { origin: 'https://evil.example' })
    expect(answer.status).toBe(403)
  })

  it.each(['https://evil.example', '//evil.example', '/\\evil.example', 'javascript:alert(1)'])(
    'never leads elsewhere: a form field cannot say where to, as %s',
    async (to) => {
      const browser = openBrowser(site)
      const page = await browser.open('/account')
      const answer = await signIn(browser, page, { to, return: to, return_to: to, next: to, continue: to })
      expect(answer.headers.get('location')).toBe('/account')
    },
  )
})

describe('attempts to guess a password', () => {
  const guess = async (
    browser: Browser,
    count: number,
    fields: Readonly<Record<string, string>> = {},
  ): Promise<number[]> => {
    const page = await browser.open('/account')
    const tries = Array.from({ length: count }, () => signIn(browser, page, { password: 'a wrong guess', ...fields }))
    return (await Promise.all(tries)).map((answer) => answer.status)
  }
  const tally = (statuses: readonly number[]): Record<string, number> =>
    Object.fromEntries([...Map.groupBy(statuses, String)].map(([status, all]) => [status, all.length]))

  it('are counted per account: of 20 at once, 10 are tried [RFC 6749 §10.10(c)]', async () => {
    const own = await startSite()
    expect(tally(await guess(openBrowser(own), 20))).toEqual({ 403: 10, 429: 10 })
  })

  it('are counted for an account from wherever they come, the right password among them [RFC 6749 §10.10(c)]', async () => {
    const own = await startSite()
    await guess(openBrowser(own), 10)
    const other = openBrowser(own)
    expect((await signIn(other, await other.open('/account'))).status).toBe(429)
  })

  it('are counted for names that nobody has, too [RFC 6749 §10.10(c)]', async () => {
    const own = await startSite()
    expect(tally(await guess(openBrowser(own), 12, { username: 'nobody' }))).toEqual({ 403: 10, 429: 2 })
  })

  it('of one account leave other accounts alone [RFC 6749 §10.10(c)]', async () => {
    const own = await startSite()
    const browser = openBrowser(own)
    await guess(browser, 11, { username: 'nobody' })
    expect((await signIn(browser, await browser.open('/account'))).status).toBe(303)
  })

  it('are counted per address, over all names [RFC 6749 §10.10(c)]', async () => {
    const own = await startSite()
    const address = openBrowser(own).address
    const allowances = [{ id: `sign-in address ${address}`, count: 100, windowSeconds: 300 }]
    const browser = openBrowser(own)
    for (let count = 0; count < 100; count++) {
      await own.store.takeAttempt(allowances.map((each) => ({ ...each, id: `sign-in address ${browser.address}` })))
    }
    expect((await signIn(browser, await browser.open('/account'))).status).toBe(429)
  })

  it('have to wait, and are told how long [RFC 6749 §10.10(c)]', async () => {
    const own = await startSite()
    const browser = openBrowser(own)
    const page = await browser.open('/account')
    await guess(browser, 10)
    const limited = await signIn(browser, page)
    expect([limited.status, Number(limited.headers.get('retry-after'))]).toEqual([429, 30])
    own.pass(30)
    expect((await signIn(browser, page)).status).toBe(303)
  })

  it('are used up by the right password of a disabled user like by a wrong one [RFC 6749 §10.10(c)]', async () => {
    const own = await startSite()
    await own.store.changeUser({ id: own.userId, disabled: true, actor: 'test' })
    const browser = openBrowser(own)
    const statuses: number[] = []
    for (let count = 0; count < 12; count++) statuses.push(...(await guess(browser, 1, { password })))
    expect(tally(statuses)).toEqual({ 403: 10, 429: 2 })
  })

  it('are given back after a success [RFC 6749 §10.10(c)]', async () => {
    const own = await startSite()
    const browser = openBrowser(own)
    const page = await browser.open('/account')
    await guess(browser, 9)
    await signIn(browser, page)
    expect(tally(await guess(openBrowser(own), 10))).toEqual({ 403: 10 })
  })
})

describe('the session', () => {
  it('is 256 random bits in a cookie that only this server reads [RFC 6749 §10.10(a)]', async () => {
    const browser = openBrowser(site)
    const answer = await signIn(browser, await browser.open('/account'))
    const cookie = answer.headers.getSetCookie().find((each) => each.startsWith('arctos_session=')) ?? ''
    expect(cookie).toMatch(/^arctos_session=arctos_ss_\w+; Path=\/; HttpOnly; SameSite=Lax$/)
    expect(parseOpaqueToken('session', browser.cookies.get('arctos_session') ?? '', 32)).toHaveLength(32)
  })

  it('has the __Host- prefix and Secure off loopback [RFC 6749 §3.1(d)]', async () => {
    const own = await startSite({ issuer: 'https://as.example' })
    const browser = openBrowser(own)
    const page = await browser.open('/account')
    const cookies = [...page.headers.getSetCookie(), ...(await signIn(browser, page)).headers.getSetCookie()]
    expect(cookies.map((cookie) => cookie.replace(/=[^;]*/, ''))).toEqual([
      '__Host-arctos_browser; Path=/; HttpOnly; SameSite=Lax; Secure',
      '__Host-arctos_session; Path=/; HttpOnly; SameSite=Lax; Secure',
    ])
  })

  it('is not one without the prefix off loopback, where a neighbour may have set it', async () => {
    const own = await startSite({ issuer: 'https://as.example' })
    const browser = openBrowser(own)
    await signIn(browser, await browser.open('/account'))
    const cookie = `arctos_session=${browser.cookies.get('__Host-arctos_session')}`
    expect((await (await openBrowser(own).get('/account', { cookie })).text()).includes('name="password"')).toBe(true)
  })

  it('is kept as a hash only [RFC 6749 §10.10(a)]', async () => {
    const browser = await signedInBrowser(site)
    const token = browser.cookies.get('arctos_session') ?? ''
    expect(await site.store.readSession(sha256Base64url(token))).toMatchObject({ userId: site.userId })
    expect(await site.store.readSession(token)).toBeUndefined()
  })

  it('gets a new id with every sign-in, and the old one ends (session fixation)', async () => {
    const browser = await signedInBrowser(site)
    const old = browser.cookies.get('arctos_session') ?? ''
    await signIn(browser, await browser.authorize({ prompt: 'login' }))
    const planted = openBrowser(site)
    planted.cookies.set('arctos_session', old)
    expect([browser.cookies.get('arctos_session') === old, await isSignedIn(planted)]).toEqual([false, false])
  })

  it('never takes an id that the browser brought along (session fixation)', async () => {
    const browser = openBrowser(site)
    const planted = `arctos_ss_${'A'.repeat(54)}`
    browser.cookies.set('arctos_session', planted)
    await signIn(browser, await browser.open('/account'))
    expect(browser.cookies.get('arctos_session')).not.toBe(planted)
  })

  it('ends by itself after its lifetime', async () => {
    const own = await startSite()
    const browser = await signedInBrowser(own)
    own.pass(12 * 3_600 - 1)
    expect(await isSignedIn(browser)).toBe(true)
    own.pass(1)
    expect(await isSignedIn(browser)).toBe(false)
  })

  it('ends when the user is disabled', async () => {
    const own = await startSite()
    const browser = await signedInBrowser(own)
    await own.store.changeUser({ id: own.userId, disabled: true, actor: 'test' })
    expect(await isSignedIn(browser)).toBe(false)
  })
})

describe('cookies that are not what we set', async () => {
  const good = (await signedInBrowser(site)).cookies
  const session = good.get('arctos_session') ?? ''
  const own = good.get('arctos_browser') ?? ''

  it.each([
    ['a cut one', `arctos_session=${session.slice(0, -1)}`],
    ['a longer one', `arctos_session=${session}A`],
    ['an altered one', `arctos_session=${session.slice(0, -1)}${session.endsWith('A') ? 'B' : 'A'}`],
    ['an empty one', 'arctos_session='],
    ['one without a value', 'arctos_session'],
    ['one in quotes', `arctos_session="${session}"`],
    ['one with an encoded character', `arctos_session=${session.replace('a', '%61')}`],
    ['two of the same name', `arctos_session=${session}; arctos_session=x`],
    ['two that are the same', `arctos_session=${session}; arctos_session=${session}`],
    ['a name in another case', `ARCTOS_SESSION=${session}`],
    ['8 KB', `arctos_session=${'a'.repeat(8_192)}`],
    ['20 KB before it', `x=${'a'.repeat(20_000)}; arctos_session=${session}`],
    ['300 cookies before it', `${'x=y; '.repeat(300)}arctos_session=${session}`],
    ['only semicolons', ';;;;;'],
    ['a broken browser id', 'arctos_browser=%%%; arctos_session=x'],
  ])('are those of nobody: %s [RFC 6749 §10.14(a)]', async (_, cookie) => {
    const answer = await openBrowser(site).get(`/authorize?${requestQuery()}`, { cookie })
    expect([answer.status, (await answer.text()).includes('name="password"')]).toEqual([200, true])
  })

  it('do not harm a good one beside them', async () => {
    const cookie = `theme=dark; arctos_browser=${own}; arctos_session=${session}; arctos_sessions=1`
    expect(await (await openBrowser(site).get('/account', { cookie })).text()).toContain('Signed in as')
  })
})

describe('signing out', () => {
  it('needs a button on its own page, and ends the session', async () => {
    const browser = await signedInBrowser(site)
    const token = browser.cookies.get('arctos_session') ?? ''
    const answer = await browser.post('/sign-out', (await browser.open('/sign-out')).form())
    expect([answer.status, answer.headers.get('location'), browser.cookies.has('arctos_session')]).toEqual([
      303,
      '/sign-out',
      false,
    ])
    expect(await site.store.readSession(sha256Base64url(token))).toBeUndefined()
  })

  it('says so afterwards', async () => {
    expect((await openBrowser(site).open('/sign-out')).html).toContain('You are signed out')
  })

  it('does not happen by opening the page', async () => {
    const browser = await signedInBrowser(site)
    await browser.open('/sign-out')
    expect(await isSignedIn(browser)).toBe(true)
  })

  it.each([
    ['without a form', {}, {}],
    ['from another site', undefined, { 'sec-fetch-site': 'cross-site' }],
  ])('does not happen %s [RFC 6749 §10.12(a)]', async (_, fields, headers) => {
    const browser = await signedInBrowser(site)
    const form = fields ?? (await browser.open('/sign-out')).form()
    expect((await browser.post('/sign-out', form, headers)).status).toBe(403)
    expect(await isSignedIn(browser)).toBe(true)
  })

  it('does not happen with the button of an earlier session', async () => {
    const browser = await signedInBrowser(site)
    const { form = '' } = (await browser.open('/sign-out')).form()
    await signIn(browser, await browser.authorize({ prompt: 'login' }))
    await browser.post('/sign-out', { form })
    expect(await isSignedIn(browser)).toBe(true)
  })

  it('of one browser leaves others signed in', async () => {
    const [one, other] = [await signedInBrowser(site), await signedInBrowser(site)]
    await one.post('/sign-out', (await one.open('/sign-out')).form())
    expect(await isSignedIn(other)).toBe(true)
  })

  it('works from an issuer with a path', async () => {
    const own = await startSite({ issuer: 'http://localhost:4000/tenant' })
    const browser = openBrowser(own)
    const signedIn = await browser.post('/tenant/sign-in', {
      ...(await browser.open('/tenant/account')).form(),
      username,
      password,
    })
    const out = await browser.post('/tenant/sign-out', (await browser.open('/tenant/sign-out')).form())
    expect([signedIn.headers.get('location'), out.headers.get('location')]).toEqual([
      '/tenant/account',
      '/tenant/sign-out',
    ])
  })
})

describe('what the pages say about addresses', () => {
  it('does not depend on the name in the request [RFC 6749 §10.14(a)]', async () => {
    const request = new Request(`http://evil.example/authorize?${requestQuery({ prompt: 'none' })}`, {
      headers: { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' },
    })
    const answer = await site.server.handle(request, { address: '192.0.2.1' })
    expect([
      answer.headers.get('location')?.includes('evil'),
      new URL(answer.headers.get('location') ?? '').searchParams.get('iss'),
    ]).toEqual([false, issuer])
  })
})
