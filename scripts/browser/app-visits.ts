import assert from 'node:assert/strict'
import type { BrowserContext, Page } from 'playwright-core'
import type { AppSite } from './app-site.ts'
import { watchPage } from './page-watch.ts'
import { user } from './site.ts'

/** What a visit to an application with a BFF has to work with. Scripts run, as the application needs them. */
export interface AppVisitor {
  readonly context: BrowserContext
  readonly page: Page
  readonly site: AppSite
}

export const appVisits: Readonly<Record<string, (visitor: AppVisitor) => Promise<void>>> = {
  'a page never sees a token, from login to logout': async ({ context, page, site }) => {
    const watch = watchPage(page)
    await logIn(page, site)
    const cookies = (await context.cookies(site.origin)).filter(({ name }) => name.includes('bff'))
    const attributes = cookies.map(({ name, httpOnly, secure, sameSite, path }) => [
      name,
      httpOnly,
      secure,
      sameSite,
      path,
    ])
    assert.deepEqual(attributes.toSorted(), [
      ['__Host-Http-bff', true, true, 'Strict', '/'],
      ['__Host-Http-bff-login', true, true, 'Lax', '/'],
    ])

    await page.getByRole('button', { name: 'Call' }).click()
    await page.getByText('200 notes of').waitFor()
    site.advance(700)
    const before = asksForTokens(site)
    const twenty = 'Promise.all(Array.from({ length: 20 }, () => call("/api/notes/mine").then((r) => r.status)))'
    assert.deepEqual(await page.evaluate(twenty), Array(20).fill(200))
    assert.equal(asksForTokens(site) - before, 1)
    // An API that sends its token back is no way to it.
    const echoed = await page.evaluate('call("/api/notes/echo").then((r) => r.text()).catch(() => "broken off")')
    assert.equal(echoed, 'broken off')

    const tokens = await site.tokens()
    assert.equal(tokens.length >= 3, true, 'two access tokens and a refresh token at least')
    const visible = await watch.everything()
    assert.match(visible, /notes of/, 'what is watched holds what the page got')
    for (const token of tokens) assert.equal(visible.includes(token), false, 'a token was visible to the page')
    // Nor is the session's id, which only headers carry, to what scripts can see.
    const id = cookies.find(({ name }) => name === '__Host-Http-bff')?.value ?? 'none'
    assert.equal((await watch.scriptable()).includes(id), false, 'the id of the session was visible to scripts')

    const asked = site.asked.length
    const logout = 'call("/bff/logout", { method: "POST" }).then((r) => r.json())'
    assert.deepEqual(await page.evaluate(logout), { loggedIn: false, revoked: true })
    assert.equal(site.asked.slice(asked).includes('/revoke'), true)
    assert.equal(
      (await context.cookies(site.origin)).some(({ name }) => name === '__Host-Http-bff'),
      false,
    )
    assert.equal(await page.evaluate('call("/api/notes/mine").then((r) => r.status)'), 401)
  },

  'a page elsewhere can neither call an API nor log anybody out': async ({ context, page, site }) => {
    await logIn(page, site)
    const before = site.calls()
    for (const origin of site.foreign) {
      const foreign = await context.newPage()
      await foreign.goto(origin)
      for (const attack of attacks(site.origin)) {
        await foreign.evaluate(`(${attack})().then((text) => { document.title = text }, () => {})`)
        assert.equal((await foreign.title()).includes('notes of'), false)
      }
      for (const [method, path] of [
        ['post', '/bff/logout'],
        ['post', '/api/notes/mine'],
        ['get', '/api/notes/mine'],
        ['get', '/bff/session'],
      ]) {
        await foreign.goto(origin)
        const submit = `const f = document.createElement('form'); f.method = '${method}'; f.action = '${site.origin}${path}'; document.body.append(f); f.submit()`
        await Promise.all([foreign.waitForURL(`${site.origin}/**`), foreign.evaluate(submit)])
        assert.equal((await foreign.content()).includes('foreign_call'), true)
      }
      await foreign.close()
    }
    assert.equal(site.calls(), before)
    assert.equal(await page.evaluate('call("/api/notes/mine").then((r) => r.status)'), 200)
  },

  "a page elsewhere cannot plant its own session, nor finish somebody's login": async ({ context, page, site }) => {
    await logIn(page, site)
    const own = await page.evaluate('call("/bff/session").then((r) => r.json()).then((s) => s.loggedIn)')
    assert.equal(own, true)
    const [foreign] = site.foreign
    const other = await context.newPage()
    await other.goto(foreign ?? '')
    // A link or a frame with an answer that another browser was given.
    const answer = `${site.origin}/bff/callback?code=stolen&state=${'A'.repeat(43)}&iss=x`
    await other.goto(answer)
    assert.equal((await other.content()).includes('was not begun in this browser'), true)
    assert.equal(await page.evaluate('call("/api/notes/mine").then((r) => r.status)'), 200)
  },
}

/** What a script elsewhere can try. Each gives what it got to read. */
function attacks(origin: string): readonly string[] {
  const url = (path: string): string => JSON.stringify(`${origin}${path}`)
  return [
    `() => fetch(${url('/api/notes/mine')}, { credentials: 'include' }).then((r) => r.text())`,
    `() => fetch(${url('/api/notes/mine')}, { credentials: 'include', headers: { 'arctos-bff': '1' } }).then((r) => r.text())`,
    `() => fetch(${url('/api/notes/mine')}, { mode: 'no-cors', credentials: 'include' }).then((r) => r.text())`,
    `() => fetch(${url('/api/notes/mine')}, { mode: 'no-cors', credentials: 'include', method: 'POST', body: 'x' }).then((r) => r.text())`,
    `() => fetch(${url('/bff/logout')}, { mode: 'no-cors', credentials: 'include', method: 'POST' }).then((r) => r.text())`,
    `() => fetch(${url('/bff/logout')}, { credentials: 'include', method: 'POST', headers: { 'arctos-bff': '1' } }).then((r) => r.text())`,
    `() => Promise.resolve(navigator.sendBeacon(${url('/bff/logout')}, 'x')).then(String)`,
    `() => new Promise((done) => { const i = new Image(); i.onload = i.onerror = () => done('image'); i.src = ${url('/api/notes/mine')} })`,
    `() => new Promise((done) => { const s = document.createElement('script'); s.onload = s.onerror = () => done('script'); s.src = ${url('/bff/session')}; document.head.append(s) })`,
    `() => new Promise((done) => { const f = document.createElement('iframe'); f.onload = () => done('frame'); f.src = ${url('/api/notes/mine')}; document.body.append(f) })`,
  ]
}

async function logIn(page: Page, site: AppSite): Promise<void> {
  await page.goto(`${site.origin}/`)
  assert.equal(await page.evaluate('call("/bff/session").then((r) => r.json()).then((s) => s.loggedIn)'), false)
  await page.getByRole('link', { name: 'Log in' }).click()
  await page.getByLabel('User name').fill(user.name)
  await page.getByLabel('Password').fill(user.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.waitForURL(`${site.origin}/notes`)
  assert.equal(await page.evaluate('call("/bff/session").then((r) => r.json()).then((s) => s.loggedIn)'), true)
}

function asksForTokens({ asked }: AppSite): number {
  return asked.filter((path) => path === '/token').length
}
