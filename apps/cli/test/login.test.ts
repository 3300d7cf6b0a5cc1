import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTerminalUser, type TerminalUser } from './terminal-user.ts'

let user: TerminalUser
beforeAll(async () => {
  user = await startTerminalUser()
})
afterAll(() => user.close())

/** Sessions that no other test sees. */
async function loggedIn(more: readonly string[] = []): Promise<Record<string, string>> {
  const env = { ARCTOS_SESSIONS: user.freshSessions() }
  const ended = await user.run([...user.loginArguments, ...more], { env })
  expect(ended).toMatchObject({ exitCode: 0 })
  return env
}

describe('arctos login', { timeout: 60_000 }, () => {
  it('prints the page, waits, and says what came of it, without a token', async () => {
    const env = { ARCTOS_SESSIONS: user.freshSessions() }
    const { output, exitCode } = await user.run(user.loginArguments, { env })
    expect(exitCode).toBe(0)
    expect(output).toContain(`Open this page in a browser to log in:\n  ${user.samples['ISSUER']}/authorize?`)
    expect(output).toMatch(
      /logged in at http.*\nresource .*\/notes\nscope {5}read offline_access\nsession {3}renews 20/,
    )
    expect(output).toMatch(/kept in {3}a sealed file in .*, with its key in /)
    expect(output).not.toContain('\x1b')
    expect(output).not.toMatch(/eyJ[\w-]{20,}\.|arctos_rt_/)
  })

  it('keeps the session for its owner only, and no token of it in clear', async () => {
    const env = await loggedIn()
    const token = (await user.run(['token'], { env })).output.trim()
    const folder = env['ARCTOS_SESSIONS'] ?? ''
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) =>
      join(entry.parentPath, entry.name),
    )
    for (const file of files) expect(statSync(file).mode & 0o077, file).toBe(0)
    const texts = files.filter((file) => statSync(file).isFile()).map((file) => readFileSync(file, 'latin1'))
    expect(token).toMatch(/^ey/)
    expect(texts.join('\n')).not.toContain(token)
    expect(texts.join('\n')).not.toContain('arctos_rt_')
  })

  it('opens one browser tab, however many processes ask', async () => {
    const env = { ARCTOS_SESSIONS: user.freshSessions(), TEST_DECISION: 'none' }
    const before = user.tabs()
    const first = user.start([...user.loginArguments], env)
    const [, url = ''] = await first.until(/log in:\n {2}(http\S+)/)
    const others = [1, 2, 3].map(() => user.start(user.loginArguments, env))
    await Promise.all(others.map((each) => each.until(/Another process is logging in/)))
    const caller = user.start(['fetch', ''], env)
    await caller.until(/Waiting for the login that another process began/)
    // The user turns to the one page there is.
    await visit(url)
    const codes = await Promise.all([first, ...others, caller].map((each) => each.exited))
    expect(codes).toEqual([0, 0, 0, 0, 0])
    expect(caller.output()).toContain('"notes"')
    expect(user.tabs() - before).toBe(1)
  })

  it('serves a command that finds its session over, too', async () => {
    const env = { ...(await loggedIn()), TEST_DECISION: 'none' }
    await user.run(['logout'], { env })
    const login = user.start(['login'], env)
    const [, url = ''] = await login.until(/log in:\n {2}(http\S+)/)
    const caller = user.start(['token'], env)
    await caller.until(/Waiting for the login that another process began/)
    await visit(url)
    expect(await Promise.all([login.exited, caller.exited])).toEqual([0, 0])
    expect(caller.output()).toMatch(/^ey\S+$/m)
  })

  it('tells everybody who waits that the user said no', async () => {
    const env = { ARCTOS_SESSIONS: user.freshSessions(), TEST_DECISION: 'none' }
    const first = user.start(user.loginArguments, env)
    const [, url = ''] = await first.until(/log in:\n {2}(http\S+)/)
    const other = user.start(user.loginArguments, env)
    await other.until(/Another process is logging in/)
    await visit(url, 'deny')
    expect(await Promise.all([first.exited, other.exited])).toEqual([1, 1])
    for (const each of [first, other]) expect(each.output()).toMatch(/^arctos: access_denied/m)
  })

  it('ends with 130 at Ctrl-C, and lets the next one ask', async () => {
    const env = { ARCTOS_SESSIONS: user.freshSessions(), TEST_DECISION: 'none' }
    const first = user.start(user.loginArguments, env)
    await first.until(/Ctrl-C gives up/)
    const other = user.start(user.loginArguments, env)
    await other.until(/Another process is logging in/)
    expect(await first.stop('SIGINT')).toBe(130)
    expect(first.output()).not.toMatch(/arctos:|at .*\.ts/)
    const [, url = ''] = await other.until(/log in:\n {2}(http\S+)/)
    await visit(url)
    expect(await other.exited).toBe(0)
  })

  it('asks after the one that was asking has been killed', async () => {
    const env = { ARCTOS_SESSIONS: user.freshSessions(), TEST_DECISION: 'none' }
    const first = user.start(user.loginArguments, env)
    await first.until(/Ctrl-C gives up/)
    const other = user.start(user.loginArguments, env)
    await other.until(/Another process is logging in/)
    await first.stop('SIGKILL')
    const [, url = ''] = await other.until(/log in:\n {2}(http\S+)/)
    await visit(url)
    expect(await other.exited).toBe(0)
  })

  it('ends with 130 at Ctrl-C while it waits for another one', async () => {
    const env = { ARCTOS_SESSIONS: user.freshSessions(), TEST_DECISION: 'none' }
    const first = user.start(user.loginArguments, env)
    await first.until(/Ctrl-C gives up/)
    const other = user.start(user.loginArguments, env)
    await other.until(/Another process is logging in/)
    expect(await other.stop('SIGINT')).toBe(130)
    expect(await first.stop('SIGINT')).toBe(130)
  })

  it('remembers what a name is for, and takes the environment for what is not said', async () => {
    const { ISSUER = '', PUBLIC_CLIENT_ID = '', AUDIENCE = '' } = user.samples
    const sessions = { ARCTOS_SESSIONS: user.freshSessions() }
    const env = { ARCTOS_ISSUER: ISSUER, ARCTOS_CLIENT_ID: PUBLIC_CLIENT_ID, ARCTOS_RESOURCE: AUDIENCE }
    const first = await user.run(['login', '--name', 'work'], { env: { ...sessions, ...env, ARCTOS_SCOPE: 'read' } })
    expect(first.output).toContain('Add offline_access to --scope to stay logged in.')
    const second = await user.run(['login'], { env: { ...sessions, ARCTOS_PROFILE: 'work' } })
    expect(second).toMatchObject({ exitCode: 0, output: expect.stringContaining('scope     read\n') })
    expect(await user.run(['login'], { env: sessions })).toMatchObject({
      exitCode: 1,
      output: 'arctos: --resource is missing (or ARCTOS_RESOURCE); later logins as default remember it\n',
    })
  })

  it('has the API name its server, and asks whether to trust it [RFC 9728 §7.6]', async () => {
    const { ISSUER = '', AUDIENCE = '' } = user.samples
    const env = { ARCTOS_SESSIONS: user.freshSessions() }
    const before = user.tabs()
    const ended = await user.run(['login', '--resource', AUDIENCE, '--client-id', 'sample-app'], { env })
    expect(ended).toEqual({
      exitCode: 1,
      output: `arctos: ${AUDIENCE} wants you to log in at ${ISSUER}; if you trust it, add: --issuer ${ISSUER}\n`,
    })
    expect(user.tabs()).toBe(before)
  })

  it('shows a code where there is no browser [RFC 8628 §3.3.1(a)]', async () => {
    const { ISSUER = '', AUDIENCE = '', DEVICE_CLIENT_ID = '' } = user.samples
    const place = ['--issuer', ISSUER, '--client-id', DEVICE_CLIENT_ID, '--resource', AUDIENCE, '--scope', 'read']
    const before = user.tabs()
    const env = { ARCTOS_SESSIONS: user.freshSessions() }
    const login = user.start(['login', '--device', ...place], env)
    const [, page = ''] = await login.until(
      /type this code:\n {2}[A-Z]{5}-[A-Z]{5}\nor open this page.*\n {2}(http\S+)/,
    )
    await visit(page)
    expect(await login.exited).toBe(0)
    expect((await user.run(['fetch', ''], { env })).output).toContain('"notes"')
    expect(user.tabs()).toBe(before)
    const again = user.start(['login', '--device'], env)
    await again.until(/Ctrl-C gives up/)
    expect(await again.stop('SIGINT')).toBe(130)
    expect((await user.run(['status'], { env })).output).toMatch(/^default {2}active/m)
  })

  it('does not give up the session of another server or client', async () => {
    const env = await loggedIn()
    const ended = await user.run(['login', '--client-id', 'other'], { env })
    expect(ended).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/is logged in at .* as sample-app; give another/),
    })
  })

  it('says what is wrong with a server in one line', async () => {
    const env = { ARCTOS_SESSIONS: user.freshSessions() }
    const given = ['--client-id', 'app', '--resource', 'https://api.example']
    const unreachable = await user.run(['login', '--issuer', 'http://127.0.0.1:1', ...given], { env })
    expect(unreachable).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/^arctos: .* cannot be reached .*\n$/),
    })
    const plain = await user.run(['login', '--issuer', 'http://as.example', ...given], { env })
    expect(plain).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/^arctos: issuer must be an https URL.*\n$/),
    })
  })

  it('takes no name that leads elsewhere', async () => {
    expect(await user.run(['login', '--name', '../up'])).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('is no name'),
    })
  })
})

async function visit(url: string, decision: 'approve' | 'deny' = 'approve'): Promise<void> {
  const { createBrowser } = await import('../../../packages/client/test/support/browser.ts')
  const { USERNAME = '', PASSWORD = '' } = user.samples
  await createBrowser({ username: USERNAME, password: PASSWORD, decision }).visit(url)
}
