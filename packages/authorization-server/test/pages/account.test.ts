import { codeChallengeOf, sha256Base64url } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { type Browser, decide, openBrowser, type Page, pageOf, signedInBrowser, signIn } from './browser.ts'
import { answerOf, callback, password, requestQuery, type Site, startSite, username, verifier } from './site.ts'

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
}

/** Has the public client get tokens for the user of this browser, as a program would. */
async function connect(site: Site, browser: Browser, scope = 'read offline_access'): Promise<Tokens> {
  const answer = await decide(browser, await browser.authorize({ scope }), 'approve')
  const fields = { code: answerOf(answer).get('code') ?? '', code_verifier: verifier, redirect_uri: callback }
  const tokens = await openBrowser(site).post('/token', {
    grant_type: 'authorization_code',
    client_id: 'app',
    ...fields,
  })
  return (await tokens.json()) as Tokens
}

const refresh = (site: Site, { refresh_token }: Tokens): Promise<Response> =>
  openBrowser(site).post('/token', { grant_type: 'refresh_token', client_id: 'app', refresh_token })

/** Whether an access token still counts, as its client is told. */
async function isActive(site: Site, { access_token }: Tokens): Promise<boolean> {
  await site.store.createClient({
    id: 'notes-server',
    secretHash: sha256Base64url('notes secret'),
    settings: {
      name: 'Notes',
      authenticationMethods: ['client_secret_post'],
      grantTypes: [],
      redirectUris: [],
      resourceServerOf: 'https://notes.example',
    },
    actor: 'test',
  })
  const fields = { client_id: 'notes-server', client_secret: 'notes secret', token: access_token }
  const answer = await openBrowser(site).post('/introspect', fields)
  return ((await answer.json()) as { active: boolean }).active
}

const withdraw = (browser: Browser, page: Page): Promise<Response> =>
  browser.post('/account/withdraw', page.form('/account/withdraw'))

describe('the account page', () => {
  it('asks a visitor to sign in, and is there afterwards', async () => {
    const site = await startSite()
    const browser = openBrowser(site)
    const answer = await signIn(browser, await browser.open('/account'))
    const page = await browser.open(answer.headers.get('location') ?? '')
    expect(page.html).toContain(`Signed in as <strong><bdi>${username}</bdi></strong>`)
  })

  it('lists who has access, to what and since when', async () => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    await connect(site, browser)
    const { html } = await browser.open('/account')
    const texts = ['Notes App', '<code>read offline_access</code>', '<time datetime="2026-11-20">', 'Withdraw']
    expect(texts.filter((text) => !html.includes(text))).toEqual([])
  })

  it('says when nobody has', async () => {
    expect((await (await signedInBrowser(await startSite())).open('/account')).html).toContain(
      'No application has access',
    )
  })

  it('shows nobody the applications of another user', async () => {
    const site = await startSite()
    await connect(site, await signedInBrowser(site))
    const alice = await site.store.readUserByName(username)
    await site.store.createUser({ username: 'bob', passwordHash: alice?.passwordHash ?? '', actor: 'test' })
    const bob = openBrowser(site)
    await signIn(bob, await bob.open('/account'), { username: 'bob' })
    expect((await bob.open('/account')).html).toContain('No application has access')
  })
})

describe('withdrawing an application', () => {
  it('ends its tokens at once, and says so', async () => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    const tokens = await connect(site, browser)
    expect(await isActive(site, tokens)).toBe(true)
    const answer = await withdraw(browser, await browser.open('/account'))
    const page = await browser.open(answer.headers.get('location') ?? '')
    expect([
      answer.status,
      page.html.includes('The access was withdrawn'),
      page.html.includes('No application has access'),
    ]).toEqual([303, true, true])
    expect([await isActive(site, tokens), (await refresh(site, tokens)).status]).toEqual([false, 400])
  })

  it('makes a confidential client ask again', async () => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    const changes = { client_id: 'web', redirect_uri: undefined }
    await decide(browser, await browser.authorize(changes), 'approve')
    const { form = '' } = await (async () => {
      await connect(site, browser)
      return (await browser.open('/account')).form('/account/withdraw')
    })()
    await browser.post('/account/withdraw', { form, client_id: 'web' })
    expect((await browser.authorize(changes)).html).toContain('Allow access?')
  })

  it.each([
    ['without a form', { client_id: 'app' }, {}],
    ['from another site', undefined, { 'sec-fetch-site': 'cross-site' }],
  ])('does not happen %s [RFC 6749 §10.12(a)]', async (_, fields, headers) => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    const tokens = await connect(site, browser)
    const form = fields ?? (await browser.open('/account')).form('/account/withdraw')
    expect((await browser.post('/account/withdraw', form, headers)).status).toBe(403)
    expect((await refresh(site, tokens)).status).toBe(200)
  })

  it('does nothing to another user, whatever the form says', async () => {
    const site = await startSite()
    const tokens = await connect(site, await signedInBrowser(site))
    const alice = await site.store.readUserByName(username)
    await site.store.createUser({ username: 'bob', passwordHash: alice?.passwordHash ?? '', actor: 'test' })
    const bob = openBrowser(site)
    await signIn(bob, await bob.open('/account'), { username: 'bob' })
    await connect(site, bob)
    await withdraw(bob, await bob.open('/account'))
    expect((await refresh(site, tokens)).status).toBe(200)
  })

  it('asks to sign in again when the session is over', async () => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    const tokens = await connect(site, browser)
    const page = await browser.open('/account')
    await browser.post('/sign-out', (await browser.open('/sign-out')).form())
    const answer = await withdraw(browser, page)
    expect([answer.status, answer.headers.get('location'), (await refresh(site, tokens)).status]).toEqual([
      303,
      '/account',
      200,
    ])
  })
})

describe('a page of the account that another user left open', () => {
  const asBob = async (site: Site, browser: Browser): Promise<void> => {
    const alice = await site.store.readUserByName(username)
    await site.store.createUser({ username: 'bob', passwordHash: alice?.passwordHash ?? '', actor: 'test' })
    await signIn(browser, await browser.authorize({ prompt: 'login' }), { username: 'bob' })
  }

  it('withdraws nothing for whoever signed in since', async () => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    await connect(site, browser)
    const page = await browser.open('/account')
    await asBob(site, browser)
    const tokens = await connect(site, browser)
    const answer = await withdraw(browser, page)
    expect([answer.headers.get('location'), (await refresh(site, tokens)).status]).toEqual(['/account', 200])
  })

  it('changes no password for whoever signed in since', async () => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    const page = await browser.open('/account')
    await asBob(site, browser)
    const fields = {
      current_password: password,
      new_password: 'seven grey wolves',
      new_password_again: 'seven grey wolves',
    }
    const answer = await browser.post('/account/password', { ...page.form('/account/password'), ...fields })
    expect(answer.headers.get('location')).toBe('/account')
  })
})

describe('changing the password', () => {
  const fresh = 'seven grey wolves sing'
  const change = async (browser: Browser, changes: Readonly<Record<string, string>> = {}): Promise<Response> => {
    const form = (await browser.open('/account')).form('/account/password')
    const fields = { current_password: password, new_password: fresh, new_password_again: fresh }
    return await browser.post('/account/password', { ...form, ...fields, ...changes })
  }

  it('lets the new one in and the old one no more', async () => {
    const site = await startSite()
    expect((await change(await signedInBrowser(site))).status).toBe(303)
    const browser = openBrowser(site)
    const page = await browser.open('/account')
    const answers = [await signIn(browser, page), await signIn(browser, page, { password: fresh })]
    expect(answers.map((answer) => answer.status)).toEqual([403, 303])
  })

  it('keeps this browser signed in, under a new session, and ends all others', async () => {
    const site = await startSite()
    const [browser, other] = [await signedInBrowser(site), await signedInBrowser(site)]
    const old = browser.cookies.get('arctos_session')
    const answer = await change(browser)
    const pages = [await browser.open(answer.headers.get('location') ?? ''), await other.open('/account')]
    expect(pages.map((page) => page.html.includes('Your password was changed'))).toEqual([true, false])
    expect([browser.cookies.get('arctos_session') === old, pages[1]?.html.includes('name="password"')]).toEqual([
      false,
      true,
    ])
  })

  it('ends every grant', async () => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    const tokens = await connect(site, browser)
    await change(browser)
    expect([await isActive(site, tokens), (await refresh(site, tokens)).status]).toEqual([false, 400])
  })

  it('makes a code on its way useless', async () => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    const code = answerOf(await decide(browser, await browser.authorize(), 'approve')).get('code') ?? ''
    await change(browser)
    const fields = {
      grant_type: 'authorization_code',
      client_id: 'app',
      code,
      code_verifier: verifier,
      redirect_uri: callback,
    }
    expect((await openBrowser(site).post('/token', fields)).status).toBe(400)
  })

  it.each([
    ['a wrong current password', { current_password: 'wrong' }, 403, 'The current password is wrong.'],
    ['no current password', { current_password: '' }, 403, 'The current password is wrong.'],
    [
      '11 characters',
      { new_password: 'abcdefghijk', new_password_again: 'abcdefghijk' },
      400,
      'at least 12 characters',
    ],
    ['two different ones', { new_password_again: `${fresh}!` }, 400, 'not the same both times'],
    ['no new one', { new_password: '', new_password_again: '' }, 400, 'at least 12 characters'],
    ['the current one', { new_password: password, new_password_again: password }, 400, 'is the current one'],
    [
      'one letter, twelve times',
      { new_password: 'a'.repeat(12), new_password_again: 'a'.repeat(12) },
      400,
      'four different characters',
    ],
    [
      '1,025 bytes',
      { new_password: 'abcde'.repeat(205), new_password_again: 'abcde'.repeat(205) },
      400,
      'at most 1024 bytes',
    ],
  ])('does not happen with %s', async (_, fields, status, sentence) => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    const answer = await change(browser, fields)
    expect([answer.status, (await pageOf(answer)).html.includes(sentence)]).toEqual([status, true])
    const other = openBrowser(site)
    expect((await signIn(other, await other.open('/account'))).status).toBe(303)
  })

  it('takes 12 characters, and counts letters beyond ASCII as one', async () => {
    const short = 'b\u00e4renh\u00f6hle \u{1f43b}'
    const answer = await change(await signedInBrowser(await startSite()), {
      new_password: short,
      new_password_again: short,
    })
    expect([[...short].length, answer.status]).toEqual([12, 303])
  })

  it('counts guesses of the current one like sign-ins [RFC 6749 §10.10(c)]', async () => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    const statuses = []
    for (let count = 0; count < 11; count++)
      statuses.push((await change(browser, { current_password: 'wrong' })).status)
    expect(statuses).toEqual([...Array<number>(10).fill(403), 429])
  })

  it.each([
    ['without a form', { form: '' }, {}],
    ['from another site', {}, { origin: 'https://evil.example' }],
  ])('does not happen %s [RFC 6749 §10.12(a)]', async (_, fields, headers) => {
    const site = await startSite()
    const browser = await signedInBrowser(site)
    const form = { ...(await browser.open('/account')).form('/account/password'), ...fields }
    const passwords = { current_password: password, new_password: fresh, new_password_again: fresh }
    expect((await browser.post('/account/password', { ...form, ...passwords }, headers)).status).toBe(403)
  })
})

describe('the sample values of these tests', () => {
  it('fit together', () => {
    expect(new URLSearchParams(requestQuery()).get('code_challenge')).toBe(codeChallengeOf(verifier))
  })
})
