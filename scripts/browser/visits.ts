import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { type BrowserSite, user } from './site.ts'

/** What a visit has to work with. */
export interface Visitor {
  readonly page: Page
  readonly site: BrowserSite
  /** Takes a picture of the page, if pictures are asked for. */
  readonly look: (name: string) => Promise<void>
}

/** What a person does in a browser, from a fresh one on. Each throws when something is not as it should be. */
export const visits: Readonly<Record<string, (visitor: Visitor) => Promise<void>>> = {
  'a wrong password can be corrected, with the keyboard alone': async ({ page, site, look }) => {
    await page.goto(site.authorizeUrl('program', 'keys'))
    await look('sign-in')
    // The cursor is in the first field already.
    await page.keyboard.type(user.name)
    await page.keyboard.press('Tab')
    await page.keyboard.type('a wrong guess')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    await look('sign-in-failed')
    await page.keyboard.type(user.password)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Allow access?' }).waitFor()
  },

  'allowing access brings a code that works': async ({ page, site, look }) => {
    await page.goto(site.authorizeUrl('program', 'a&b=c'))
    await signIn(page)
    await look('consent')
    await page.getByRole('button', { name: 'Allow' }).click()
    const answer = await answerAt(page, site)
    assert.equal(answer.get('state'), 'a&b=c')
    assert.equal(answer.get('iss'), site.issuer)
    assert.equal((await redeem(site, 'program', answer)).status, 200)
  },

  'denying access is told to the program': async ({ page, site }) => {
    await page.goto(site.authorizeUrl('program', 'no'))
    await signIn(page)
    await page.getByRole('button', { name: 'Deny' }).click()
    assert.equal((await answerAt(page, site)).get('error'), 'access_denied')
  },

  'going back after an answer asks anew': async ({ page, site }) => {
    await page.goto(site.authorizeUrl('program', 'back'))
    await signIn(page)
    await page.getByRole('button', { name: 'Allow' }).click()
    const first = (await answerAt(page, site)).get('code')
    await page.goBack()
    await page.getByRole('button', { name: 'Allow' }).click()
    assert.notEqual((await answerAt(page, site)).get('code'), first)
  },

  'a client that was allowed before goes straight through the sign-in': async ({ page, site }) => {
    await page.goto(site.authorizeUrl('web', 'first'))
    await signIn(page)
    await page.getByRole('button', { name: 'Allow' }).click()
    await answerAt(page, site)
    await page.context().clearCookies()
    await page.goto(site.authorizeUrl('web', 'second'))
    await signIn(page)
    assert.equal((await answerAt(page, site)).get('state'), 'second')
  },

  'a device is connected by the code that it shows': async ({ page, site, look }) => {
    const device = await site.startDevice()
    await page.goto(device.page)
    await signIn(page)
    await page.keyboard.type('bbbbb bbbbb')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    await look('user-code-wrong')
    await page.getByLabel('Code').fill(device.code.toLowerCase().replace('-', ' '))
    await page.keyboard.press('Enter')
    await page.getByText(device.code).waitFor()
    await look('device')
    // Whoever presses on without reading refuses.
    assert.match(await page.getByRole('button').first().innerText(), /refuse/)
    await page.getByRole('button', { name: 'Yes, allow my device' }).click()
    await page.getByRole('heading', { name: 'Your device is connected' }).waitFor()
    await look('device-connected')
    assert.equal((await device.poll()).status, 200)
  },

  'a link with the code in it connects nothing by itself': async ({ page, site, look }) => {
    const device = await site.startDevice()
    await page.goto(device.complete)
    await signIn(page)
    assert.equal(await page.getByLabel('Code').inputValue(), device.code)
    await look('user-code')
    assert.equal((await device.poll()).error, 'authorization_pending')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('button', { name: 'No, refuse' }).click()
    await page.getByRole('heading', { name: 'The device was refused' }).waitFor()
    await look('device-refused')
    assert.equal((await device.poll()).error, 'access_denied')
  },

  'withdrawing an application ends its refresh token': async ({ page, site, look }) => {
    await page.goto(site.authorizeUrl('program', 'withdraw'))
    await signIn(page)
    await page.getByRole('button', { name: 'Allow' }).click()
    const tokens = await redeem(site, 'program', await answerAt(page, site))
    await page.goto(`${site.issuer}/account`)
    await look('account')
    const row = page.getByRole('listitem').filter({ hasText: 'Notes on your desk' })
    await row.getByRole('button', { name: 'Withdraw' }).click()
    await page.getByRole('status').waitFor()
    await look('withdrawn')
    assert.equal(await row.count(), 0)
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' }
    assert.equal((await site.token('program', refresh)).status, 400)
  },

  'a personal access token is made for what was ticked, shown once, and revoked': async ({ page, site, look }) => {
    await page.goto(`${site.issuer}/account`)
    await signIn(page)
    await page.getByRole('button', { name: 'Choose what it may do' }).click()
    await page.getByLabel('Name').fill('My laptop')
    await page.getByLabel('Your password').fill(user.password)
    await page.getByRole('button', { name: 'Make the token' }).click()
    await page.getByText('Choose what it may do.').waitFor()
    await look('new-token')
    await page.getByRole('checkbox').first().check()
    await page.getByLabel('Your password').fill(user.password)
    await page.getByLabel('It expires').selectOption({ label: 'in 30 days' })
    await page.getByRole('button', { name: 'Make the token' }).click()
    const token = await page.getByText(/^arctos_pt_/).innerText()
    await look('token')
    await page.getByRole('link', { name: 'Back to your account' }).click()
    await look('account-tokens')
    const row = page.getByRole('listitem').filter({ hasText: 'My laptop' })
    assert.equal((await page.content()).includes(token), false)
    await row.getByRole('button', { name: 'Revoke' }).click()
    await page.getByRole('status').waitFor()
    assert.equal(await row.count(), 0)
  },

  'signing out ends the session': async ({ page, site, look }) => {
    await page.goto(`${site.issuer}/account`)
    await signIn(page)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await look('sign-out')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    await look('signed-out')
    await page.goto(`${site.issuer}/account`)
    await page.getByLabel('Password').waitFor()
  },

  'a new password counts at once, there and back': async ({ page, site, look }) => {
    await page.goto(`${site.issuer}/account`)
    await signIn(page)
    for (const [current, next] of [
      [user.password, 'seven grey wolves sing'],
      ['seven grey wolves sing', user.password],
    ] as const) {
      await page.getByLabel('Current password').fill(current)
      await page.getByLabel('New password', { exact: true }).fill(next)
      await page.getByLabel('New password, again').fill(next)
      await page.getByRole('button', { name: 'Change password' }).click()
      await page.getByRole('status').waitFor()
    }
    await look('password-changed')
  },

  'an unknown client is told to the user, with a receipt': async ({ page, site, look }) => {
    const answer = await page.goto(`${site.issuer}/authorize?client_id=nobody`)
    assert.equal(answer?.status(), 400)
    await page.getByText(answer?.headers()['arctos-receipt'] ?? 'no receipt').waitFor()
    await look('unknown-client')
  },
}

async function signIn(page: Page): Promise<void> {
  await page.getByLabel('User name').fill(user.name)
  await page.getByLabel('Password').fill(user.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL((url) => url.pathname !== '/sign-in')
}

/** What the program was answered, once the browser has come to it. */
async function answerAt(page: Page, { callback }: BrowserSite): Promise<URLSearchParams> {
  await page.waitForURL((url) => url.href.startsWith(callback))
  return new URL(page.url()).searchParams
}

function redeem(site: BrowserSite, client: 'program' | 'web', answer: URLSearchParams) {
  const code = { code: answer.get('code') ?? '', code_verifier: site.verifier, redirect_uri: site.callback }
  return site.token(client, { grant_type: 'authorization_code', ...code })
}
