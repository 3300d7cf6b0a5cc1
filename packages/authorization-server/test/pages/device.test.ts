import { randomUUID } from 'node:crypto'
import { sha256Base64url } from '@arctos/core'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { type Browser, openBrowser, type Page, pageOf, signedInBrowser, signIn } from './browser.ts'
import { createClient, locationOf, mail, notes, type Site, startSite } from './site.ts'

const grantType = 'urn:ietf:params:oauth:grant-type:device_code'
const wrongCode =
  'This code is not known here, or is no longer good. Compare it with your device, or begin again there.'

interface Device {
  readonly deviceCode: string
  readonly userCode: string
  readonly complete: string
}

async function startDeviceSite(): Promise<Site> {
  const site = await startSite()
  await createClient(site.store, 'tv', {
    name: 'Television',
    authenticationMethods: ['none'],
    grantTypes: [grantType],
    redirectUris: [],
  })
  return site
}

const site = await startDeviceSite()

/** A device at another address than the browsers asks for access. */
async function start(from: Site = site, fields: Readonly<Record<string, string>> = {}): Promise<Device> {
  const body = new URLSearchParams({ client_id: 'tv', scope: 'read offline_access', ...fields })
  const request = new Request(`${from.issuer}/device_authorization`, { method: 'POST', body })
  const answer = await from.server.handle(request, { address: '203.0.113.77' })
  const codes = (await answer.json()) as Record<string, string>
  return {
    deviceCode: codes['device_code'] ?? '',
    userCode: codes['user_code'] ?? '',
    complete: codes['verification_uri_complete'] ?? '',
  }
}

async function poll({ deviceCode }: Device, from: Site = site): Promise<string> {
  const body = new URLSearchParams({ client_id: 'tv', grant_type: grantType, device_code: deviceCode })
  const answer = await from.server.handle(new Request(`${from.issuer}/token`, { method: 'POST', body }), {
    address: '203.0.113.77',
  })
  const { error = 'none' } = (await answer.json()) as { readonly error?: string }
  return error
}

/** Types a code into the page. */
async function enter(browser: Browser, code: string): Promise<Response> {
  const page = await browser.open('/device')
  return await browser.post('/device', { ...page.form('/device'), user_code: code })
}

async function asked(browser: Browser, { userCode }: Device): Promise<Page> {
  return await pageOf(await enter(browser, userCode))
}

function decide(browser: Browser, page: Page, decision: string): Promise<Response> {
  return browser.post('/device/decision', { ...page.form(), decision })
}

describe('the page of user codes', () => {
  it('is for users who are signed in, and comes back with the code that the address brought', async () => {
    const browser = openBrowser(site)
    const { userCode, complete } = await start()
    const page = await browser.open(complete)
    expect(page.html).toContain('Password')
    const answer = await signIn(browser, page)
    expect(answer.headers.get('location')).toBe(`/device?user_code=${userCode}`)
    expect((await browser.open(answer.headers.get('location') ?? '')).form('/device')['user_code']).toBe(userCode)
  })

  it('looks nothing up and approves nothing by an address alone [RFC 8628 §3.3(a), RFC 8628 §3.3.1(b)]', async () => {
    const device = await start()
    const browser = await signedInBrowser(site)
    const { html } = await browser.open(device.complete)
    expect([html.includes('Television'), html.includes('Continue')]).toEqual([false, true])
    expect(await poll(device)).toBe('authorization_pending')
  })

  it.each([
    ['as it is shown', (code: string) => code],
    ['in small letters', (code: string) => code.toLowerCase()],
    ['without the dash', (code: string) => code.replace('-', '')],
    ['with blanks', (code: string) => ` ${[...code.replace('-', '')].join(' ')} `],
    ['with another dash', (code: string) => code.replace('-', '–')],
    [
      'with full-width letters',
      (code: string) => code.replace(/[A-Z]/g, (c) => String.fromCodePoint(c.charCodeAt(0) + 0xfee0)),
    ],
  ])('takes a code %s [RFC 8628 §6.1(b)]', async (_, spell) => {
    const { userCode } = await start()
    const answer = await enter(await signedInBrowser(site), spell(userCode))
    expect([answer.status, (await answer.text()).includes('Did you start this?')]).toEqual([200, true])
  })

  it('answers an unknown, an expired, a decided and a malformed code alike, and keeps what was typed [RFC 10027 §6.1.3]', async () => {
    const own = await startDeviceSite()
    const [expired, approved, denied] = [await start(own), await start(own), await start(own)]
    const page = async (code: string) => {
      const answer = await enter(await signedInBrowser(own), code)
      return [answer.status, (await answer.text()).replace(/value="[^"]*"/g, '').replace(/Arctos-\S+/g, '')]
    }
    const browser = await signedInBrowser(own)
    await decide(browser, await asked(browser, approved), 'approve')
    await decide(browser, await asked(browser, denied), 'deny')
    const pages = [
      await page('BBBBB-BBBBB'),
      await page('nonsense'),
      await page(approved.userCode),
      await page(denied.userCode),
    ]
    own.pass(600)
    pages.push(await page(expired.userCode))
    expect(new Set(pages.map((each) => JSON.stringify(each))).size).toBe(1)
    expect(pages[0]).toEqual([403, expect.stringContaining(wrongCode)])
    expect(own.events.at(-1)?.reason).toBe('page.user_code_wrong')
  })

  it.each(['', '?user_code=%3Cscript%3E', '?user_code=a&user_code=b', '?%ff', '?done=elsewhere'])(
    'makes nothing of a query that makes no sense: %j',
    async (query) => {
      const answer = await (await signedInBrowser(site)).get(`/device${query}`)
      expect([answer.status, (await answer.text()).includes('value=""')]).toEqual([200, true])
    },
  )

  it('is safe from other sites: its form is bound to browser and session [RFC 9700 §4.7]', async () => {
    const { userCode } = await start()
    const page = await (await signedInBrowser(site)).open('/device')
    const form = { ...page.form('/device'), user_code: userCode }
    const other = await (await signedInBrowser(site)).post('/device', form)
    const forged = await (await signedInBrowser(site)).post('/device', { user_code: userCode })
    expect([other.status, forged.status]).toEqual([403, 403])
  })
})

describe('guessing user codes', () => {
  it('is stopped by address, also for a code that is right [RFC 8628 §5.1(b)]', async () => {
    const browser = await signedInBrowser(site)
    const device = await start()
    for (let count = 0; count < 3; count++) expect((await enter(browser, 'BBBBB-BBBBB')).status).toBe(403)
    const limited = await enter(browser, device.userCode)
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '30'])
    site.pass(30)
    expect((await enter(browser, device.userCode)).status).toBe(200)
  })

  it('is stopped by account, from however many addresses [RFC 8628 §5.1(b), RFC 10027 §6.1.11]', async () => {
    const own = await startDeviceSite()
    const statuses: number[] = []
    for (let count = 0; count < 11; count++)
      statuses.push((await enter(await signedInBrowser(own), 'BBBBB-BBBBB')).status)
    expect(statuses).toEqual([...Array<number>(10).fill(403), 429])
  })

  it('is stopped for everybody when it comes from everywhere, and the operator is woken [RFC 8628 §5.1(b)]', async () => {
    const own = await startDeviceSite()
    const device = await start(own)
    const allowance = { id: 'device codes of all', count: 300, windowSeconds: 600 }
    for (let count = 0; count < 299; count++) await own.store.takeAttempt([allowance])
    const browser = await signedInBrowser(own)
    expect((await enter(browser, 'BBBBB-BBBBB')).status).toBe(403)
    expect((await enter(browser, device.userCode)).status).toBe(429)
    expect(own.events.at(-1)).toMatchObject({ endpoint: 'device', outcome: 'limited', alarm: 'user_codes_guessed' })
    own.pass(2)
    expect((await enter(browser, device.userCode)).status).toBe(200)
  })
})

describe('the question', () => {
  it('names client, scopes, resource, code, place and time [RFC 8628 §5.4(a)(b)(c), RFC 10027 §2(b), RFC 10027 §6.1.13, RFC 10027 §6.1.14(a)(b)]', async () => {
    const device = await start()
    site.pass(125)
    const { html } = await asked(await signedInBrowser(site), device)
    const texts = [
      'Television',
      'alice',
      'Read your notes',
      'while you are away',
      notes,
      device.userCode,
      '203.0.113.77',
      'not the network of this browser',
      '2 minutes ago',
      'Did you start this?',
      'Allow this only if you started it yourself',
    ]
    expect(texts.filter((text) => !html.includes(text))).toEqual([])
  })

  it('tells of the same network where the device is in it [RFC 10027 §6.1.1]', async () => {
    const browser = await signedInBrowser(site)
    const body = new URLSearchParams({ client_id: 'tv' })
    const request = new Request(`${site.issuer}/device_authorization`, { method: 'POST', body })
    const answer = (await (await site.server.handle(request, browser)).json()) as { readonly user_code: string }
    const { html } = await pageOf(await enter(browser, answer.user_code))
    expect(html).toContain(`${browser.address}, the network of this browser`)
  })

  it('names every resource, and puts refusing first [RFC 10027 §6.1.14(a)(c)(d)]', async () => {
    const body = new URLSearchParams([
      ['client_id', 'tv'],
      ['resource', notes],
      ['resource', mail],
    ])
    const request = new Request(`${site.issuer}/device_authorization`, { method: 'POST', body })
    const answer = (await (await site.server.handle(request, { address: '203.0.113.77' })).json()) as {
      user_code: string
    }
    const { html } = await pageOf(await enter(await signedInBrowser(site), answer.user_code))
    expect([html.includes(notes), html.includes(mail)]).toEqual([true, true])
    expect(html.indexOf('value="deny"')).toBeLessThan(html.indexOf('value="approve"'))
  })

  it('shows a name that somebody chose as text', async () => {
    const own = await startSite()
    const name = '<img src=x onerror=alert(1)>\u202eVT'
    const settings = { name, authenticationMethods: ['none' as const], grantTypes: [grantType], redirectUris: [] }
    await createClient(own.store, 'tv', settings)
    const { html } = await asked(await signedInBrowser(own), await start(own))
    expect([html.includes('<img'), html.includes('\u202e'), html.includes('&lt;img')]).toEqual([false, false, true])
  })

  it('comes with no script, no frame and nothing from elsewhere [RFC 9700 §4.16]', async () => {
    const { headers, html } = await asked(await signedInBrowser(site), await start())
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; img-src data:; form-action 'self'; frame-ancestors 'none'/,
    )
    expect([headers.get('cache-control'), html.includes('<script')]).toEqual(['no-store', false])
  })
})

describe('a decision', () => {
  it('to allow gives the device its tokens, once it asks [RFC 8628 §3.3(b)(c)]', async () => {
    const device = await start()
    const browser = await signedInBrowser(site)
    const answer = await decide(browser, await asked(browser, device), 'approve')
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/device?done=approved'])
    expect((await browser.open('/device?done=approved')).html).toContain('Your device is connected')
    expect(await poll(device)).toBe('none')
    expect((await browser.open('/account')).html).toContain('Television')
  })

  it('gives tokens that say when and how the user signed in [RFC 9470 §6.1]', async () => {
    const device = await start()
    const browser = await signedInBrowser(site)
    await decide(browser, await asked(browser, device), 'approve')
    const body = new URLSearchParams({ client_id: 'tv', grant_type: grantType, device_code: device.deviceCode })
    const answer = await browser.send('/token', { method: 'POST', body })
    const { access_token: token } = (await answer.json()) as { readonly access_token: string }
    const claims = decodeJwt(token)
    expect([claims['auth_time'], claims['acr']]).toEqual([claims.iat, expect.any(String)])
  })

  it('to refuse is told to the device', async () => {
    const device = await start()
    const browser = await signedInBrowser(site)
    const answer = await decide(browser, await asked(browser, device), 'deny')
    expect(answer.headers.get('location')).toBe('/device?done=denied')
    expect((await browser.open('/device?done=denied')).html).toContain('The device was refused')
    expect(await poll(device)).toBe('access_denied')
  })

  it.each([
    ['approve', 'deny'],
    ['deny', 'approve'],
    ['approve', 'approve'],
  ])('to %s is not changed by one to %s afterwards', async (first, second) => {
    const device = await start()
    const browser = await signedInBrowser(site)
    const page = await asked(browser, device)
    await decide(browser, page, first)
    expect((await decide(browser, page, second)).status).toBe(403)
    expect(await poll(device)).toBe(first === 'approve' ? 'none' : 'access_denied')
  })

  it('that comes after the expiry changes nothing', async () => {
    const device = await start()
    const browser = await signedInBrowser(site)
    const page = await asked(browser, device)
    site.pass(599)
    const other = await asked(browser, await start())
    site.pass(1)
    expect((await decide(browser, page, 'approve')).status).toBe(403)
    expect((await decide(browser, other, 'approve')).status).toBe(303)
    expect(await poll(device)).toBe('expired_token')
  })

  it.each(['', 'yes', 'APPROVE'])('is one of two words, and %j is neither', async (decision) => {
    const browser = await signedInBrowser(site)
    expect((await decide(browser, await asked(browser, await start()), decision)).status).toBe(400)
  })

  it('from another browser, another session or another site is refused [RFC 9700 §4.7]', async () => {
    const device = await start()
    const browser = await signedInBrowser(site)
    const page = await asked(browser, device)
    const form = { ...page.form(), decision: 'approve' }
    expect((await (await signedInBrowser(site)).post('/device/decision', form)).status).toBe(403)
    expect((await browser.post('/device/decision', form, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await browser.post('/device/decision', { decision: 'approve' })).status).toBe(403)
    browser.cookies.delete('arctos_session')
    expect(locationOf(await browser.post('/device/decision', form).then(absolute)).pathname).toBe('/device')
    expect(await poll(device)).toBe('authorization_pending')
  })

  it('of a user who was disabled meanwhile counts for nothing', async () => {
    const own = await startDeviceSite()
    const device = await start(own)
    const browser = await signedInBrowser(own)
    const page = await asked(browser, device)
    await own.store.changeUser({ id: own.userId, disabled: true, actor: 'test' })
    expect((await decide(browser, page, 'approve')).headers.get('location')).toBe('/device')
    expect(await poll(device, own)).toBe('authorization_pending')
  })

  it('is withdrawn with the application, even before the device has asked', async () => {
    const own = await startDeviceSite()
    const device = await start(own)
    const browser = await signedInBrowser(own)
    await decide(browser, await asked(browser, device), 'approve')
    await own.store.withdrawApplication({ userId: own.userId, clientId: 'tv' })
    expect(await poll(device, own)).toBe('invalid_grant')
  })

  it('about a client that was deleted meanwhile cannot be made', async () => {
    const own = await startDeviceSite()
    const { userCode } = await start(own)
    await own.store.updateClient({ id: 'tv', disabled: true, actor: 'test' })
    expect((await enter(await signedInBrowser(own), userCode)).status).toBe(403)
  })

  it('is in the audit log, with who and from where', async () => {
    const own = await startDeviceSite()
    const browser = await signedInBrowser(own)
    await decide(browser, await asked(browser, await start(own)), 'approve')
    await own.store.numberAudit(1_000)
    const records = await own.store.readAudit({ after: 0, limit: 1_000 })
    const { actor, facts = '{}' } = records.find(({ kind }) => kind === 'device.approved') ?? {}
    expect(actor).toBe(own.userId)
    expect(JSON.parse(facts)).toEqual({ client: 'tv', scope: 'read offline_access', from: '203.0.113.77' })
  })
})

describe('user codes', () => {
  it('are drawn from twenty letters, none of them oftener [RFC 8628 §5.1(a), RFC 8628 §6.1(a)]', async () => {
    const own = await startDeviceSite()
    const counts = new Map<string, number>()
    for (let count = 0; count < 600; count++) {
      if (count % 60 === 0) own.pass(60)
      for (const letter of (await start(own)).userCode.replace('-', ''))
        counts.set(letter, (counts.get(letter) ?? 0) + 1)
    }
    expect([...counts.keys()].sort().join('')).toBe('BCDFGHJKLMNPQRSTVWXZ')
    // 300 of each are expected; 7 standard deviations off is a draw that is wrong.
    for (const drawn of counts.values()) expect(Math.abs(drawn - 300)).toBeLessThan(7 * Math.sqrt(300 * 0.95))
  })

  it('cannot be found again from the database by trying all of them', async () => {
    const own = await startDeviceSite()
    const { userCode, deviceCode } = await start(own)
    const userCodeHash = (code: string) =>
      own.store.enterUserCode({
        userCodeHash: sha256Base64url(code),
        allowances: [{ id: randomUUID(), count: 9, windowSeconds: 9 }],
      })
    expect(await userCodeHash(userCode.replace('-', ''))).toEqual({ outcome: 'unknown' })
    expect(deviceCode).not.toContain(userCode.replace('-', ''))
  })
})

/** The same answer with its location made whole, as a browser reads it. */
function absolute(answer: Response): Response {
  const location = new URL(answer.headers.get('location') ?? '', site.issuer).href
  return new Response(null, { status: answer.status, headers: { location } })
}
