import { describe, expect, it } from 'vitest'
import { authenticationContexts } from '../../src/authentication-contexts.ts'
import { decide, openBrowser, type Page, signedInBrowser, signIn } from './browser.ts'
import {
  answerOf,
  type Changes,
  callback,
  clientSecret,
  requestQuery,
  type Site,
  startSite,
  verifier,
  webCallback,
} from './site.ts'

const site = await startSite()
const { password } = authenticationContexts
const web: Changes = { client_id: 'web', redirect_uri: webCallback }

async function errorOf(changes: Changes): Promise<string | null> {
  const answer = await openBrowser(site).get(`/authorize?${requestQuery(changes)}`)
  return answer.status === 200 ? 'page' : answerOf(answer).get('error')
}

/** The claims of the access token that this answer's code gives. */
async function claimsOf(answer: Response, fields: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
  const code = answerOf(answer).get('code') ?? ''
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, ...fields }
  const reply = await openBrowser(site).post('/token', form)
  const { access_token: token } = (await reply.json()) as { readonly access_token: string }
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

const asApp = { client_id: 'app', redirect_uri: callback }
const asWeb = { client_id: 'web', client_secret: clientSecret, redirect_uri: webCallback }

describe('acr_values', () => {
  it.each([
    ['the class of a password', password],
    ['it after one that nobody can reach', `mfa ${password}`],
    ['it twice', `${password} ${password}`],
  ])('with %s lets the user sign in [RFC 9470 §5]', async (_, acrValues) => {
    expect(await errorOf({ acr_values: acrValues })).toBe('page')
  })

  it.each([
    ['one that nobody can reach', 'mfa'],
    ['several of them', 'mfa phr phrh'],
    ['the right one in another case', password.toUpperCase()],
    ['the beginning of the right one', password.slice(0, -1)],
    ['a method instead of a class', 'pwd'],
    ['spaces', '  '],
    ['the name of a member of every object', 'constructor'],
    ['HTML', '<script>'],
  ])('with %s is refused before anybody has to sign in [RFC 9470 §5]', async (_, acrValues) => {
    expect(await errorOf({ acr_values: acrValues })).toBe('unmet_authentication_requirements')
  })

  it('is refused alike where no page may be shown [RFC 9470 §5]', async () => {
    expect(await errorOf({ acr_values: 'mfa', prompt: 'none' })).toBe('unmet_authentication_requirements')
  })

  it('may have 2,000 characters and no more [RFC 6749 §10.14(a)]', async () => {
    const filled = (length: number): string => password.padEnd(length, ' x')
    expect([await errorOf({ acr_values: filled(2_000) }), await errorOf({ acr_values: filled(2_001) })]).toEqual([
      'page',
      'invalid_request',
    ])
  })

  it('goes on after signing in, and the token says how and when [RFC 9470 §5(a)(b), RFC 9470 §6.1]', async () => {
    const browser = openBrowser(site)
    const back = await signIn(browser, await browser.authorize({ acr_values: password }))
    expect(back.headers.get('location')).toContain(`acr_values=${encodeURIComponent(password)}`)
    const page = await browser.open(back.headers.get('location') ?? '')
    const claims = await claimsOf(await decide(browser, page, 'approve'), asApp)
    expect(claims).toMatchObject({ acr: password, auth_time: secondsOf(site) })
  })
})

describe('max_age', () => {
  it('too short for the session asks for a sign-in, and auth_time is then that of it [RFC 9470 §5(b), RFC 9470 §7]', async () => {
    const browser = await signedInBrowser(site)
    site.pass(400)
    const back = await signIn(browser, await browser.authorize({ max_age: '300' }))
    const page = await browser.open(back.headers.get('location') ?? '')
    const claims = await claimsOf(await decide(browser, page, 'approve'), asApp)
    expect(claims['auth_time']).toBe(secondsOf(site))
  })

  it('long enough leaves auth_time as it was [RFC 9470 §5(b)]', async () => {
    const browser = await signedInBrowser(site)
    const signedInAt = secondsOf(site)
    site.pass(200)
    const answer = await decide(browser, await browser.authorize({ max_age: '300' }), 'approve')
    expect((await claimsOf(answer, asApp))['auth_time']).toBe(signedInAt)
  })
})

describe('signing in anew as somebody else', () => {
  const asks = ({ html }: Page): boolean => html.includes('Allow access?')

  it('shows in whose name access is given, even where both had agreed to it before', async () => {
    const alice = await site.store.readUserByName('alice')
    const passwordHash = alice?.passwordHash ?? ''
    const bob = await site.store.createUser({ username: 'bob', passwordHash, actor: 'test' })
    const browser = openBrowser(site)
    for (const username of ['bob', 'alice']) {
      const back = await signIn(browser, await browser.authorize({ ...web, prompt: 'login' }), { username })
      await decide(browser, await browser.open(back.headers.get('location') ?? ''), 'approve')
    }

    // The same user: nobody is asked twice.
    const same = await signIn(browser, await browser.authorize({ ...web, max_age: '0' }))
    expect(answerOf(await browser.get(same.headers.get('location') ?? '')).has('code')).toBe(true)

    const other = await signIn(browser, await browser.authorize({ ...web, max_age: '0' }), { username: 'bob' })
    const page = await browser.open(other.headers.get('location') ?? '')
    expect([asks(page), page.html.includes('bob')]).toEqual([true, true])
    const claims = await claimsOf(await decide(browser, page, 'approve'), asWeb)
    expect(claims['sub']).toBe(bob.outcome === 'created' ? bob.id : undefined)
  })
})

function secondsOf({ server }: Site): number {
  return Math.floor(server.context.now() / 1_000)
}
