import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { startTerminalUser, type TerminalUser } from './terminal-user.ts'

let user: TerminalUser
beforeAll(async () => {
  user = await startTerminalUser()
  await user.run(user.loginArguments)
})
afterAll(() => user.close())

/** Sessions that no other test sees, with one that somebody is logged in to. */
async function loggedIn(more: readonly string[] = []): Promise<Record<string, string>> {
  const env = { ARCTOS_SESSIONS: user.freshSessions() }
  expect(await user.run([...user.loginArguments, ...more], { env })).toMatchObject({ exitCode: 0 })
  return env
}

/** An API that answers as it is told, and knows of no authorization. */
async function startApi(answer: { status: number; headers?: Record<string, string>; body?: string }) {
  const seen: { method: string | undefined; headers: IncomingHttpHeaders; body: string }[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    seen.push({ method: request.method, headers: request.headers, body })
    response.writeHead(answer.status, answer.headers).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

/** The same as a resource that somebody is logged in for. */
async function startOwnApi(answer: Parameters<typeof startApi>[0]) {
  const api = await startApi(answer)
  await user.run(['resource', 'create', api.origin, '--scope', 'read', '--data-dir', 'data'])
  const env = { ARCTOS_SESSIONS: user.freshSessions() }
  const login = ['login', '--issuer', user.samples['ISSUER'] ?? '', '--client-id', 'sample-app']
  const ended = await user.run([...login, '--resource', api.origin, '--scope', 'read offline_access'], { env })
  expect(ended).toMatchObject({ exitCode: 0 })
  return { ...api, env }
}

describe('arctos token', { timeout: 60_000 }, () => {
  it('prints a token that curl can send, and nothing else', async () => {
    const { output, exitCode } = await user.run(['token'])
    expect(exitCode).toBe(0)
    expect(output).toMatch(/^ey\S+\n$/)
    const headers = { authorization: `Bearer ${output.trim()}` }
    expect((await fetch(user.samples['API_URL'] ?? '', { headers })).status).toBe(200)
  })

  it('still inspects tokens, with the options of inspect', async () => {
    const input = (await user.run(['token'])).output
    const ended = await user.run(['token', 'inspect', '--json'], { input })
    expect(JSON.parse(ended.output)).toMatchObject({
      form: 'jwt',
      verified: false,
      claims: { client_id: 'sample-app' },
    })
  })

  it('gives none for an API that the user was not asked about', async () => {
    const ended = await user.run(['token', '--resource', 'https://other.example'])
    expect(ended).toMatchObject({ exitCode: 1, output: expect.stringMatching(/^arctos: invalid_target/) })
  })

  it('says how to log in where nobody is, and opens no browser', async () => {
    const before = user.tabs()
    for (const command of [['token'], ['fetch', ''], ['whoami'], ['logout']]) {
      const ended = await user.run([...command, '--name', 'nobody'])
      expect(ended).toEqual({
        exitCode: 1,
        output: 'arctos: nobody is logged in as nobody; run: arctos login --name nobody\n',
      })
    }
    expect(user.tabs()).toBe(before)
  })
})

describe('arctos whoami', { timeout: 60_000 }, () => {
  it('says who, where and for what, and never the token', async () => {
    const { output } = await user.run(['whoami'])
    const { ISSUER = '', AUDIENCE = '' } = user.samples
    expect(output).toMatch(/^subject {3}user_[\w-]+\nclient {4}sample-app\n/)
    expect(output).toContain(`issuer    ${ISSUER}\nresource  ${AUDIENCE}\nscope     read offline_access\n`)
    expect(output).toMatch(/token {5}ends 20\S+Z\nsession {3}renews 20\S+Z\n$/)
    expect(output).not.toMatch(/eyJ[\w-]{20}/)
    const json = JSON.parse((await user.run(['whoami', '--json'])).output)
    expect(json).toMatchObject({
      subject: expect.stringMatching(/^user_/),
      issuer: ISSUER,
      expiresAt: expect.any(Number),
    })
  })

  it('does not read an opaque token', async () => {
    const { AUDIENCE2 = '', ISSUER = '' } = user.samples
    const env = { ARCTOS_SESSIONS: user.freshSessions() }
    const login = ['login', '--issuer', ISSUER, '--client-id', 'sample-app', '--resource', AUDIENCE2]
    expect(await user.run([...login, '--scope', 'archive offline_access'], { env })).toMatchObject({ exitCode: 0 })
    expect((await user.run(['whoami'], { env })).output).toMatch(/^subject {3}not told: the token is opaque\n/)
  })
})

describe('arctos status', { timeout: 60_000 }, () => {
  it('lists every session: where it is kept, when it renews, why it is over', async () => {
    const env = await loggedIn(['--name', 'one'])
    await user.run([...user.loginArguments, '--name', 'two'], { env })
    await user.run(['logout', '--name', 'two'], { env })
    const { output } = await user.run(['status'], { env })
    expect(output).toMatch(/^one {3}active {3}sample-app {2}http\S+ {2}renews 20\S+Z$/m)
    expect(output).toMatch(/^two {3}over {5}sample-app {2}http\S+ {2}logged out$/m)
    expect(output).toMatch(/^one is kept in a sealed file in .*, with its key in /m)
    const found = JSON.parse((await user.run(['status', '--json'], { env })).output)
    expect(found).toMatchObject([
      { name: 'one', state: 'active' },
      { name: 'two', state: 'over' },
    ])
  })

  it('makes nothing where nobody has logged in', async () => {
    const env = { ARCTOS_SESSIONS: user.freshSessions() }
    expect(await user.run(['status'], { env })).toEqual({
      exitCode: 0,
      output: 'nobody has logged in on this machine\n',
    })
  })

  it('says that a session cannot be read, rather than that there is none', async () => {
    const env = await loggedIn()
    writeFileSync(join(env['ARCTOS_SESSIONS'] ?? '', 'default', 'profile.json'), '{"half')
    const ended = await user.run(['status'], { env })
    expect(ended).toMatchObject({ exitCode: 1, output: expect.stringMatching(/profile.json is no profile/) })
  })
})

describe('a session that is damaged', { timeout: 60_000 }, () => {
  it('is refused in plain words, and replaced by a login', async () => {
    const env = await loggedIn()
    const folder = join(env['ARCTOS_SESSIONS'] ?? '', 'default', 'session')
    for (const file of readdirSync(folder).filter((name) => name.startsWith('session.'))) {
      writeFileSync(join(folder, file), 'half of')
    }
    const ended = await user.run(['token'], { env })
    expect(ended.exitCode).toBe(1)
    expect(ended.output).toMatch(/^arctos: what the store holds .* left as it is.*run: arctos login\n$/)
    expect((await user.run(['status'], { env })).output).toMatch(/^default {2}unreadable {2}.*left as it is/m)
    expect(await user.run(['login'], { env })).toMatchObject({ exitCode: 0 })
    expect(await user.run(['token'], { env })).toMatchObject({ exitCode: 0 })
  })

  it('says so where its key is gone', async () => {
    const env = await loggedIn()
    const keys = join(env['ARCTOS_SESSIONS'] ?? '', 'default', 'key')
    for (const file of readdirSync(keys)) rmSync(join(keys, file))
    const ended = await user.run(['token'], { env })
    expect(ended.exitCode).toBe(1)
    expect(ended.output).toMatch(/is gone; a new login is needed/)
    expect(ended.output).toMatch(/^arctos: .*run: arctos login$/m)
    expect(await user.run(['login'], { env })).toMatchObject({ exitCode: 0 })
  })
})

describe('arctos logout', { timeout: 60_000 }, () => {
  it('takes the tokens back, marks the session, and says so', async () => {
    const { ISSUER = '', AUDIENCE2 = '' } = user.samples
    const env = { ARCTOS_SESSIONS: user.freshSessions() }
    const login = ['login', '--issuer', ISSUER, '--client-id', 'sample-app', '--resource', AUDIENCE2]
    await user.run([...login, '--scope', 'archive offline_access'], { env })
    const token = (await user.run(['token'], { env })).output.trim()
    const headers = { authorization: `Bearer ${token}` }
    expect((await fetch(AUDIENCE2, { headers })).status).toBe(200)
    const ended = await user.run(['logout'], { env })
    expect(ended).toEqual({ exitCode: 0, output: 'default: logged out, and its tokens are taken back\n' })
    expect((await fetch(AUDIENCE2, { headers })).status).toBe(401)
    const after = await user.run(['token'], { env })
    expect(after).toEqual({
      exitCode: 1,
      output: 'arctos: the session is over: it was taken back; run: arctos login\n',
    })
    expect((await user.run(['logout'], { env })).output).toBe('default: there was no session to end\n')
  })

  it('keeps the session while the server cannot be told, and ends it here when asked to', {
    timeout: 60_000,
  }, async () => {
    const other = await startTerminalUser()
    onTestFinished(() => other.close())
    await other.run(other.loginArguments)
    await other.dev.stop()
    const unreachable = await other.run(['logout'])
    expect(unreachable).toMatchObject({ exitCode: 1, output: expect.stringContaining('arctos logout --local') })
    expect(JSON.parse((await other.run(['status', '--json'])).output)).toMatchObject([{ state: 'active' }])
    const local = await other.run(['logout', '--local'])
    expect(local).toMatchObject({ exitCode: 0, output: expect.stringContaining('logged out on this machine') })
    expect(JSON.parse((await other.run(['status', '--json'])).output)).toMatchObject([{ state: 'over' }])
  })
})

describe('arctos fetch', { timeout: 60_000 }, () => {
  it.each(['', 'whole'])('calls the API: %j', async (path) => {
    const ended = await user.run(['fetch', path === 'whole' ? (user.samples['API_URL'] ?? '') : path])
    expect(ended).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^\{"notes":.*\}$/) })
  })

  it('answers a refusal with its body, its reason, what to type, and an exit code of the status', async () => {
    const { output, exitCode } = await user.run(['fetch', '', '-X', 'POST'])
    expect(exitCode).toBe(4)
    expect(output).toContain('{"error":"insufficient_scope"')
    expect(output).toMatch(/^arctos: the API answered 403: insufficient_scope: /m)
    expect(output).toContain("  log in again with it: arctos login --scope 'read offline_access write'\n")
    expect(output).toMatch(/^ {2}its operator learns the cause with: arctos explain \S+$/m)
  })

  it('sends the token nowhere else', async () => {
    const foreign = await startApi({ status: 200 })
    for (const url of [`${foreign.origin}/notes`, '/archive', 'https://evil.example/']) {
      const ended = await user.run(['fetch', url])
      expect(ended).toMatchObject({ exitCode: 1, output: expect.stringContaining('so it gets no token') })
    }
    expect(foreign.seen).toEqual([])
  })

  it('takes bodies from text, files and pipes, and headers, and sends JSON as JSON', async () => {
    const { origin, seen, env } = await startOwnApi({ status: 200, body: 'done' })
    writeFileSync(join(user.folder, 'body.json'), '{"a":1}')
    for (const [data, input] of [
      ['{"a":1}', ''],
      ['@body.json', ''],
      ['@-', '{"a":1}'],
      ['plain', ''],
    ] as const) {
      const ended = await user.run(['fetch', '/things', '-d', data, '-H', 'x-own: 1'], { input, env })
      expect(ended).toEqual({ exitCode: 0, output: 'done' })
    }
    await user.run(['fetch', `${origin}/things`, '-X', 'put', '-d', 'a: b', '-H', 'content-type: text/yaml'], { env })
    expect(seen.map(({ method, body, headers }) => [method, body, headers['content-type'], headers['x-own']])).toEqual([
      ['POST', '{"a":1}', 'application/json', '1'],
      ['POST', '{"a":1}', 'application/json', '1'],
      ['POST', '{"a":1}', 'application/json', '1'],
      ['POST', 'plain', 'application/octet-stream', '1'],
      ['PUT', 'a: b', 'text/yaml', undefined],
    ])
    expect(seen[0]?.headers.authorization).toMatch(/^Bearer ey/)
  })

  it('draws nothing that an API says into its messages', async () => {
    const challenge = `Bearer error="insufficient_scope", error_description="\u0009\u009b2Jgone", scope="write"`
    const { env } = await startOwnApi({ status: 403, headers: { 'www-authenticate': challenge } })
    const { output, exitCode } = await user.run(['fetch', ''], { env })
    expect(exitCode).toBe(4)
    expect(output).toContain('??2Jgone')
  })

  it.each([
    [
      403,
      'Bearer error="insufficient_scope", scope="write"',
      /asks for the scope: write\n.*: arctos login --scope 'read offline_access write'/,
    ],
    [
      401,
      'Bearer error="insufficient_user_authentication", acr_values="phr", max_age="60"',
      /of the kind: phr\n.*of the last 60 seconds\n {2}log in again: arctos login\n/,
    ],
    [401, 'Basic realm="x", Bearer error="invalid_token"', /a new token was refused too/],
  ])('says what to do after %i with %s', async (status, challenge, pattern) => {
    const { env } = await startOwnApi({ status, headers: { 'www-authenticate': challenge } })
    const { output, exitCode } = await user.run(['fetch', ''], { env })
    expect(exitCode).toBe(4)
    expect(output).toMatch(pattern)
  })

  it.each([
    [503, 5, /answered 503\n {2}it asks to come back in 7 s/],
    [404, 4, /answered 404\n$/],
    [304, 3, /answered 304\n$/],
  ])('exits after %i with %i', async (status, expected, pattern) => {
    const { env } = await startOwnApi({ status, headers: { 'retry-after': '7' } })
    const { output, exitCode } = await user.run(['fetch', ''], { env })
    expect(exitCode).toBe(expected)
    expect(output).toMatch(pattern)
  })

  it.each([
    ['Authorization: Bearer something', /Authorization is not taken/],
    ['cookie: a=b', /cookie is not taken/],
    ['x-key: arctos_cs_0123456789', /looks like a credential/],
    ['no colon', /it must be "Name: value"/],
    ['x y: z', /it must be "Name: value"/],
  ])('refuses the header %j', async (line, pattern) => {
    const ended = await user.run(['fetch', '', '-H', line])
    expect(ended).toMatchObject({ exitCode: 1, output: expect.stringMatching(pattern) })
  })

  it('shows no stack for an API that is not there', async () => {
    const other = await startTerminalUser()
    onTestFinished(() => other.close())
    await other.run(other.loginArguments)
    await other.dev.stop()
    const ended = await other.run(['fetch', ''])
    expect(ended).toEqual({ exitCode: 1, output: 'arctos: the API gave no answer (ECONNREFUSED)\n' })
  })
})
