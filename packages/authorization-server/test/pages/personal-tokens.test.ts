import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { personalTokenClient } from '../../src/store/registered-client.ts'
import { type Browser, openBrowser, type Page, pageOf, signedInBrowser, signIn } from './browser.ts'
import { mail, notes, password, type Site, startSite, username } from './site.ts'

let site: Site
let browser: Browser
const start = async () => {
  site = await startSite()
  browser = await signedInBrowser(site)
}
beforeAll(start)
afterEach(async () => {
  for (const { id } of await tokens()) await site.store.endApiKey({ keyId: id, actor: 'test' })
})

const newPath = `/account/tokens?resource=${notes}`
const tokens = async () => {
  const all = await site.store.listApiKeys({ kind: 'user', userId: site.userId })
  return all.filter(({ state }) => state === 'active')
}

/** What a user types; `undefined` leaves a field out, as a box that is not ticked. */
type Typed = Readonly<Record<string, string | undefined>>

async function make(typed: Typed = {}, headers = {}): Promise<Page> {
  const form = (await browser.open(newPath)).form('/account/tokens')
  const fields = { ...form, name: 'my laptop', days: '90', scope_1: undefined, current_password: password, ...typed }
  const given = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  return await pageOf(await browser.post('/account/tokens', Object.fromEntries(given), headers))
}

const tokenIn = ({ html }: Page): string => /arctos_pt_[0-9A-Za-z]{54}/.exec(html)?.[0] ?? ''

async function exchange(token: string): Promise<{ readonly status: number; readonly scope: unknown }> {
  const answer = await openBrowser(site).post('/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: 'urn:arctos:params:oauth:token-type:api_key',
  })
  const { scope } = (await answer.json()) as { readonly scope?: unknown }
  return { status: answer.status, scope }
}

describe('a personal access token', () => {
  it('is made for what was chosen, shown once, and works', async () => {
    const page = await make()
    const token = tokenIn(page)
    expect([page.status, page.headers.get('cache-control'), page.url]).toEqual([200, 'no-store', ''])
    expect(await exchange(token)).toEqual({ status: 200, scope: 'read' })
    const now = Math.floor(site.server.context.now() / 1_000)
    expect(await tokens()).toMatchObject([
      { name: 'my laptop', resourceKey: notes, scopes: ['read'], expiresAt: now + 90 * 86_400, state: 'active' },
    ])
    const { html } = await browser.open('/account')
    expect([html.includes(token), html.includes('my laptop'), html.includes('not used yet')]).toEqual([
      false,
      true,
      true,
    ])
  })

  it('is listed with its last use and its end, and gone once it is revoked [RFC 6749 §10.12(a)]', async () => {
    const token = tokenIn(await make())
    await exchange(token)
    await site.server.context.secretUses.flush()
    const page = await browser.open('/account')
    expect(page.html).toMatch(/expires <time[^>]*>2027-02-18<\/time> · last used <time[^>]*>2026-11-20<\/time>/)
    const done = await browser.post('/account/tokens/end', page.form('/account/tokens/end'))
    const after = await browser.open(done.headers.get('location') ?? '')
    expect([after.html.includes('The token was revoked'), after.html.includes('You have no tokens')]).toEqual([
      true,
      true,
    ])
    expect((await exchange(token)).status).toBe(400)
  })

  it('ends with the password, as the page says', async () => {
    const token = tokenIn(await make())
    await site.store.changeUser({ id: site.userId, passwordHash: 'another', actor: 'test' })
    expect((await exchange(token)).status).toBe(400)
    await start()
  })

  const mistakes: readonly [string, Typed, string, number][] = [
    ['a name', { name: '  ' }, 'Give the token a name.', 400],
    ['anything that it may do', { scope_0: undefined }, 'Choose what it may do.', 400],
    ['a scope under its own box', { scope_0: 'write' }, 'Choose what it may do.', 400],
    ['an end that is offered', { days: '36500' }, 'Choose when it expires.', 400],
    ['the right password', { current_password: 'wrong' }, 'The password is wrong.', 403],
  ]
  it.each(mistakes)('is not made without %s, and what was typed is kept', async (_, typed, sentence, status) => {
    const page = await make(typed)
    expect([page.html.includes(sentence), page.html.includes('role="alert"'), page.status]).toEqual([
      true,
      true,
      status,
    ])
    expect(page.html.includes('value="my laptop"')).toBe(typed['name'] === undefined)
    expect(await tokens()).toEqual([])
  })

  it.each([
    ['without a form', { form: undefined }, {}],
    ['from another site', {}, { 'sec-fetch-site': 'cross-site' }],
  ])('is not made %s [RFC 6749 §10.12(a)]', async (_, typed, headers) => {
    expect((await make(typed, headers)).status).toBe(403)
    expect(await tokens()).toEqual([])
  })

  it('is ended by nobody else', async () => {
    await make()
    const [token] = await tokens()
    const alice = await site.store.readUserByName(username)
    await site.store.createUser({ username: 'bob', passwordHash: alice?.passwordHash ?? '', actor: 'test' })
    const bob = openBrowser(site)
    await signIn(bob, await bob.open('/account'), { username: 'bob' })
    const page = await bob.open('/account')
    expect(page.html).toContain('You have no tokens')
    const form = /name="form" value="([^"]*)"><input type="hidden" name="token_id"/.exec(
      (await browser.open('/account')).html,
    )
    await bob.post('/account/tokens/end', { form: form?.[1] ?? '', token_id: token?.id ?? '' })
    expect(await tokens()).toMatchObject([{ state: 'active' }])
  })

  it('asks a visitor to sign in, and knows no other API', async () => {
    expect((await openBrowser(site).open(newPath)).html).toContain('Sign in')
    const unknown = await browser.open('/account/tokens?resource=https://nowhere.example')
    expect([unknown.status, (await browser.open('/account/tokens')).status]).toEqual([400, 400])
    expect((await browser.open(`/account/tokens?resource=${mail}`)).html).toContain('Send mail')
  })

  it('is offered to nobody where its client is switched off', async () => {
    await site.store.updateClient({ id: personalTokenClient, disabled: true, actor: 'test' })
    expect((await browser.open('/account')).html).not.toContain('Make a token for')
    expect((await make()).html).toContain('No token can be made now.')
    await site.store.updateClient({ id: personalTokenClient, disabled: false, actor: 'test' })
  })
})
