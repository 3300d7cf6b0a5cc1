import type { Reason } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { decide, openBrowser, signedInBrowser, signIn } from './browser.ts'
import { type Changes, requestQuery, type Site, startSite } from './site.ts'

const request =
  (changes: Changes) =>
  (site: Site): Promise<Response> =>
    openBrowser(site).get(`/authorize?${requestQuery(changes)}`)

/** Each refusal that a browser can meet, and how it comes to it. */
const refusals: readonly (readonly [Reason, (site: Site) => Promise<Response>])[] = [
  ['authorize.client_unknown', request({ client_id: 'nobody' })],
  ['authorize.redirect_uri_invalid', request({ redirect_uri: 'https://evil.example' })],
  ['authorize.response_type_unsupported', request({ response_type: 'token' })],
  ['authorize.client_not_allowed', request({ client_id: 'machine' })],
  ['authorize.pkce_missing', request({ code_challenge: undefined })],
  ['authorize.request_object_unsupported', request({ request: 'x' })],
  ['authorize.login_required', request({ prompt: 'none' })],
  ['authorize.authentication_unmet', request({ acr_values: 'mfa' })],
  ['request.duplicate_parameter', request({ prompt: ['consent', 'consent'] })],
  ['request.missing_parameter', request({ response_type: undefined })],
  ['request.invalid_parameter', request({ max_age: 'soon' })],
  ['scope.malformed', request({ scope: '"' })],
  ['scope.unknown', request({ scope: 'openid' })],
  ['resource.malformed', request({ resource: 'notes' })],
  ['resource.unknown', request({ resource: 'https://other.example' })],
  [
    'authorize.consent_required',
    async (site) => (await signedInBrowser(site)).get(`/authorize?${requestQuery({ prompt: 'none' })}`),
  ],
  [
    'authorize.denied',
    async (site) => {
      const browser = await signedInBrowser(site)
      return await decide(browser, await browser.authorize(), 'deny')
    },
  ],
  ['page.forged_form', (site) => openBrowser(site).post('/consent', { decision: 'approve' })],
  [
    'page.sign_in_failed',
    async (site) => {
      const browser = openBrowser(site)
      return await signIn(browser, await browser.open('/account'), { password: 'wrong' })
    },
  ],
  [
    'store.unavailable',
    async (site) => {
      await site.store.close()
      return await openBrowser(site).get(`/authorize?${requestQuery()}`)
    },
  ],
]

describe('a refusal in the browser', () => {
  it.each(refusals)('%s has a receipt that says so, to the operator alone', async (reason, make) => {
    const site = await startSite()
    const receipt = (await make(site)).headers.get('arctos-receipt') ?? ''
    expect(site.server.context.receipts.open(receipt)).toMatchObject({ reason, owner: undefined })
  })

  it.each(refusals)('%s is journalled with the same receipt', async (reason, make) => {
    const site = await startSite()
    const receipt = (await make(site)).headers.get('arctos-receipt')
    expect(site.events.at(-1)).toMatchObject({ reason, receipt })
  })
})
