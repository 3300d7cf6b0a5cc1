import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore, verifyPassword } from '@arctos/authorization-server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Running, start } from './running.ts'
import { arctos } from './transcript.ts'

describe('arctos dev', { timeout: 60_000 }, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'arctos-dev-'))
  const args = ['dev', '--port', '0', '--api-port', '0', '--data-dir', 'data', '--write-env', 'env']
  let dev: Running
  let env: Record<string, string>

  const readEnvironment = (): Record<string, string> => {
    // A shell reads it, as users will.
    const text = execFileSync('sh', ['-c', 'set -a; . ./env; env -0'], { cwd, encoding: 'utf8' })
    return Object.fromEntries(
      text.split('\0').map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    )
  }

  const getToken = async (scope: string): Promise<string> => {
    const response = await fetch(`${env['ISSUER']}/token`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${env['CLIENT_ID']}:${env['CLIENT_SECRET']}`).toString('base64')}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
    })
    return ((await response.json()) as { access_token: string }).access_token
  }

  beforeAll(async () => {
    dev = start(args, cwd)
    await dev.until(/Ctrl-C ends/)
    env = readEnvironment()
  }, 30_000)

  afterAll(async () => {
    await dev.stop()
    rmSync(cwd, { recursive: true })
  })

  it('makes one call that is accepted and one that is refused, and explains the refusal', () => {
    expect(dev.output()).toMatch(/GET {2}\/notes {2}200/)
    expect(dev.output()).toMatch(/POST \/notes {2}403[\s\S]*expected {2}write\n *received {2}read/)
  })

  it('takes the token back and has the API refuse it, with the milliseconds', () => {
    expect(dev.output()).toMatch(
      /taken back[^\n]* \d+ ms later it said:\n *GET {2}\/notes {2}401 {2}\{"error":"invalid_token"/,
    )
  })

  it('refuses at the API what the operator takes back, and explains it', async () => {
    const token = await getToken('read')
    const ask = async () =>
      (await fetch(env['API_URL'] ?? '', { headers: { authorization: `Bearer ${token}` } })).status
    expect(await ask()).toBe(200)
    expect(await arctos(['revoke', '--client', 'sample-service', '--data-dir', 'data'], { cwd })).toMatchObject({
      exitCode: 0,
    })
    await expect.poll(ask, { timeout: 10_000 }).toBe(401)
    await dev.until(/GET \/notes\n *401 invalid_token {2}\(token\.cut_off/)
  })

  it('prints no colours and no warnings where there is no terminal', () => {
    expect(dev.output()).not.toContain('\x1b')
    expect(dev.output()).not.toMatch(/warning/i)
  })

  it('prints curl lines that work', () => {
    const line = /^ {2}(curl -si http.*)$/m.exec(dev.output())?.[1] ?? ''
    expect(execFileSync('sh', ['-c', line], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })).toContain(
      '200 OK',
    )
  })

  it('writes every name of the environment file, for its owner only', () => {
    expect(statSync(join(cwd, 'env')).mode & 0o777).toBe(0o600)
    const names = readFileSync(join(cwd, 'env'), 'utf8').match(/^[A-Z0-9_]+(?==)/gm)
    expect(names?.join(' ')).toBe(
      'ISSUER AUDIENCE API_URL SCOPE SCOPE_WRITE AUDIENCE2 SCOPE2 CLIENT_ID CLIENT_SECRET CLIENT2_ID CLIENT2_SECRET PUBLIC_CLIENT_ID DEVICE_CLIENT_ID REDIRECT_URI USER_SCOPE USERNAME PASSWORD RS_CLIENT_ID RS_CLIENT_SECRET PUSH_ENDPOINT RS2_ID RS2_SECRET PKJWT_CLIENT_ID PKJWT_PRIVATE_JWK SUBJECT_TOKEN SUBJECT_TOKEN_TYPE',
    )
  })

  it('answers on 127.0.0.1, ::1 and localhost, and says the same whatever the Host header is', async () => {
    const { port } = new URL(env['ISSUER'] ?? '')
    for (const host of ['127.0.0.1', '[::1]', 'localhost']) {
      const response = await fetch(`http://${host}:${port}/.well-known/oauth-authorization-server`)
      expect(await response.json()).toMatchObject({ issuer: env['ISSUER'], token_endpoint: `${env['ISSUER']}/token` })
    }
  })

  it('explains later refusals of the sample API as they happen, and by their receipt while it runs', async () => {
    const response = await fetch(env['API_URL'] ?? '', {
      method: 'POST',
      headers: { authorization: `Bearer ${await getToken('read')}` },
    })
    expect(response.status).toBe(403)
    await dev.until(/POST \/notes\n *403 insufficient_scope/)
    const receipt = response.headers.get('arctos-receipt') ?? ''
    const explained = await arctos(['explain', receipt, '--data-dir', 'data'], { cwd })
    expect(explained.output).toMatch(
      /token\.scope[\s\S]*expected {2}write[\s\S]*client {4}sample-service[\s\S]*resource {2}http/,
    )
    expect(explained.exitCode).toBe(0)
  })

  it("runs the guard's own checks on a token from stdin, and says which fails", async () => {
    const input = await getToken('read')
    const guard = ['explain', '--issuer', env['ISSUER'] ?? '', '--audience', env['AUDIENCE'] ?? '']
    const good = await arctos([...guard, '--scope', 'read'], { cwd, input })
    expect(good).toMatchObject({ exitCode: 0, output: expect.not.stringContaining('FAIL') })
    const poor = await arctos([...guard, '--scope', 'write'], { cwd, input })
    expect(poor).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/FAIL {2}scope .*expected write, received read/),
    })
    expect(good.output).toContain('Nobody was asked whether it was taken back')
    expect(good.output + poor.output).not.toContain(input)
  })

  it('says of a good-looking token that it was taken back, where its server runs', async () => {
    const input = await getToken('read')
    const guard = [
      'explain',
      '--issuer',
      env['ISSUER'] ?? '',
      '--audience',
      env['AUDIENCE'] ?? '',
      '--data-dir',
      'data',
    ]
    const before = await arctos(guard, { cwd, input })
    expect(before).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^ok {4}revocation /m) })
    expect((await arctos(['revoke', '--token', '--data-dir', 'data'], { cwd, input })).exitCode).toBe(0)
    const after = await arctos(guard, { cwd, input })
    expect(after).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/^FAIL {2}revocation .*received taken back/m),
    })
  })

  it('serves an API with opaque tokens beside it', async () => {
    const response = await fetch(`${env['ISSUER']}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: env['CLIENT_ID'] ?? '',
        client_secret: env['CLIENT_SECRET'] ?? '',
        resource: env['AUDIENCE2'] ?? '',
      }),
    })
    const { access_token: token } = (await response.json()) as { access_token: string }
    expect(token).toMatch(/^arctos_test_at_/)
    const notes = await fetch(env['AUDIENCE2'] ?? '', { headers: { authorization: `Bearer ${token}` } })
    expect(notes.status).toBe(200)
  })

  it('stores neither secret nor password in clear', () => {
    const data = readdirSync(join(cwd, 'data')).map((name) => readFileSync(join(cwd, 'data', name)).toString('latin1'))
    for (const name of ['CLIENT_SECRET', 'CLIENT2_SECRET', 'RS_CLIENT_SECRET', 'RS2_SECRET', 'PASSWORD']) {
      expect(data.join('\n')).not.toContain(env[name])
    }
  })

  it('ends with 0 at SIGTERM and SIGINT, and has the same samples in the next run', async () => {
    const before = env
    expect(await dev.stop('SIGTERM')).toBe(0)
    dev = start(args, cwd)
    await dev.until(/Ctrl-C ends/)
    env = readEnvironment()
    for (const name of ['CLIENT_SECRET', 'CLIENT2_SECRET', 'RS_CLIENT_SECRET', 'PASSWORD', 'PKJWT_PRIVATE_JWK']) {
      expect(env[name]).toBe(before[name])
    }
    expect(await dev.stop('SIGINT')).toBe(0)
    dev = start(args, cwd)
    await dev.until(/Ctrl-C ends/)
    env = readEnvironment()
  })

  it('restores samples that were changed since', async () => {
    await dev.stop()
    const place = ['--data-dir', 'data']
    await arctos(['client', 'update', env['CLIENT_ID'] ?? '', '--new-secret', ...place], { cwd })
    await arctos(['client', 'disable', env['CLIENT2_ID'] ?? '', ...place], { cwd })
    await arctos(['user', 'password', 'ada', ...place], { cwd, input: 'another password of hers' })
    await arctos(['user', 'disable', 'ada', ...place], { cwd })
    dev = start(args, cwd)
    await dev.until(/Ctrl-C ends/)
    env = readEnvironment()
    expect(await getToken('read')).toMatch(/^ey/)
    expect((await arctos(['user', 'list', ...place], { cwd })).output).not.toContain('disabled')
    expect((await arctos(['client', 'list', ...place], { cwd })).output).not.toContain('disabled')
    const store = await openStore({ database: join(cwd, 'data', 'arctos.sqlite') })
    const ada = await store.readUserByName('ada')
    await store.close()
    expect(await verifyPassword(env['PASSWORD'] ?? '', ada?.passwordHash)).toBe(true)
  })
})

describe('arctos dev, once', { timeout: 60_000 }, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'arctos-once-'))
  afterAll(() => rmSync(cwd, { recursive: true }))

  it('exits with 0 after both calls', async () => {
    const ended = await arctos(['dev', '--once', '--port', '0', '--api-port', '0'], { cwd })
    expect(ended.exitCode).toBe(0)
  })

  it('ends, and says why, when a port is taken or the environment file cannot be made', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const busy = await arctos(['dev', '--once', '--port', '0', '--api-port', String(port)], { cwd })
    expect(busy).toEqual({ exitCode: 1, output: expect.stringContaining(`port ${port} is in use`) })
    taken.close()
    const nowhere = await arctos(['dev', '--once', '--write-env', 'no/such/folder/env'], { cwd })
    expect(nowhere).toEqual({ exitCode: 1, output: expect.stringContaining('--write-env: the folder') })
  })

  it('refuses an issuer that is not on this machine', async () => {
    const ended = await arctos(['dev', '--once', '--issuer', 'https://as.example.com'], { cwd })
    expect(ended).toMatchObject({ exitCode: 1, output: expect.stringContaining('arctos dev is for loopback only') })
  })
})
