import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { start } from './running.ts'
import { arctos } from './transcript.ts'

const key = Buffer.alloc(32, 7).toString('base64url')

describe('arctos serve', { timeout: 60_000 }, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'arctos-serve-'))
  afterAll(() => rmSync(cwd, { recursive: true }))
  const serve = (args: readonly string[], env: Record<string, string> = {}) => arctos(['serve', ...args], { cwd, env })
  const file = (name: string, text: string, mode = 0o600): string => {
    writeFileSync(join(cwd, name), text)
    chmodSync(join(cwd, name), mode)
    return name
  }

  it.each([
    ['without a key', [], {}, /there is no key-encryption key: give --key-file FILE/],
    ['with a key that is too short', [], { ARCTOS_KEY: 'abc' }, /ARCTOS_KEY: the key must be 32 bytes/],
    [
      'with http off loopback',
      ['--issuer', 'http://as.example.com'],
      { ARCTOS_KEY: key },
      /--issuer: "http:\/\/as.example.com" is not allowed; it must be https/,
    ],
    [
      'with a trailing slash',
      ['--issuer', 'https://as.example.com/'],
      { ARCTOS_KEY: key },
      /must not end with a slash/,
    ],
    [
      'for the world without TLS',
      ['--issuer', 'https://as.example.com'],
      { ARCTOS_KEY: key },
      /needs --tls-cert and --tls-key, or --trusted-proxies/,
    ],
    [
      'on all addresses without TLS',
      ['--hosts', '0.0.0.0'],
      { ARCTOS_KEY: key },
      /--hosts: 0.0.0.0 is reachable from outside/,
    ],
    [
      'with a port that is none',
      ['--port', 'http'],
      { ARCTOS_KEY: key },
      /--port: "http" is not allowed; it must be a whole number from 0 to 65535/,
    ],
    [
      'with a port that is none in the environment',
      [],
      { ARCTOS_KEY: key, ARCTOS_PORT: '70000' },
      /ARCTOS_PORT: "70000" is not allowed/,
    ],
    [
      'with an algorithm that is not on offer',
      ['--signing-algorithm', 'none'],
      { ARCTOS_KEY: key },
      /--signing-algorithm: "none" is not allowed; it must be ES256/,
    ],
    [
      'with half of a certificate',
      ['--tls-cert', 'cert.pem'],
      { ARCTOS_KEY: key },
      /--tls-cert and --tls-key go together/,
    ],
    [
      'with a proxy that is no address',
      ['--trusted-proxies', 'foo'],
      { ARCTOS_KEY: key },
      /--trusted-proxies: "foo" is not allowed; it must be addresses or CIDR ranges/,
    ],
    [
      'with a range that is none',
      ['--trusted-proxies', '10.0.0.0/99'],
      { ARCTOS_KEY: key },
      /--trusted-proxies: "10.0.0.0\/99" is not allowed/,
    ],
    [
      'with a default resource that is not registered',
      ['--default-resource', 'http://nope', '--data-dir', 'nope'],
      { ARCTOS_KEY: key },
      /^arctos: defaultResource: "http:\/\/nope" is not allowed; it must be a registered resource.*\n$/,
    ],
    [
      'with refresh tokens that never live',
      ['--refresh-idle-seconds', '0'],
      { ARCTOS_KEY: key },
      /--refresh-idle-seconds: "0" is not allowed/,
    ],
    [
      'with a draft that is not implemented',
      ['--experimental-token-status-list', 'draft-20'],
      { ARCTOS_KEY: key },
      /--experimental-token-status-list: "draft-20" is not allowed; it must be draft-21/,
    ],
    [
      'with an issuer of the environment that is none',
      [],
      { ARCTOS_KEY: key, ARCTOS_ISSUER: 'https://as.example.com/' },
      /ARCTOS_ISSUER: "https:\/\/as.example.com\/" is not allowed; it must not end with a slash/,
    ],
  ])('does not start %s', async (_name, args, env, message) => {
    const ended = await serve(args, env as Record<string, string>)
    expect(ended).toMatchObject({ exitCode: 1, output: expect.stringMatching(message) })
  })

  it('does not start with a key file that others can read, or that is for development', async () => {
    const open = await serve(['--key-file', file('open.key', key, 0o644)])
    expect(open.output).toMatch(/open.key can be read by others; allowed is mode 0600/)
    const development = await serve(['--key-file', file('dev.key', `arctos-development-key ${key}`)])
    expect(development.output).toMatch(/dev.key is a development key/)
  })

  it('names key, value and rule of a wrong configuration file', async () => {
    const wrong = await serve(['--config', file('wrong.yaml', 'port: many\n')])
    expect(wrong.output).toMatch(/port in wrong.yaml: "many" is not allowed; it must be a whole number/)
    const unknown = await serve(['--config', file('unknown.yaml', 'prot: 1\n')])
    expect(unknown.output).toMatch(/prot is no key; allowed are port, /)
  })

  it('reads an empty configuration file as one that says nothing', async () => {
    expect((await serve(['--config', file('empty.yaml', '# nothing yet\n')])).output).toMatch(
      /there is no key-encryption key/,
    )
  })

  it('names a port that is taken in one line', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const ended = await serve(['--port', String(port), '--data-dir', 'taken'], { ARCTOS_KEY: key })
    taken.close()
    expect(ended).toMatchObject({ exitCode: 1, output: expect.stringMatching(/^arctos: port \d+ is in use .*\n$/) })
  })

  it('names a data directory that cannot be one in one line', async () => {
    const ended = await serve(['--data-dir', join(file('plain', ''), 'below')], { ARCTOS_KEY: key })
    expect(ended).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/^arctos: .* cannot be used \(ENOTDIR\).*\n$/),
    })
  })

  it('names a database that is none in one line, and not the password to it', async () => {
    const text = await serve(['--database', file('text.sqlite', 'a text, and no database')], { ARCTOS_KEY: key })
    expect(text).toMatchObject({
      exitCode: 1,
      output: 'arctos: the database cannot be used: file is not a database; see --database and --data-dir\n',
    })
    const nobody = await serve(['--database', 'postgres://user:hunter2@127.0.0.1:1/x'], { ARCTOS_KEY: key })
    expect(nobody.output).toMatch(
      /^arctos: the database cannot be used: connect \S+ \S+; see --database and --data-dir\n$/,
    )
  })

  it('never repeats a secret of the configuration', async () => {
    const ended = await serve(['--config', file('secret.yaml', 'database: [postgres://user:hunter2@localhost/x]\n')], {
      ARCTOS_KEY: key,
    })
    expect(ended.output).toMatch(/the value is not allowed/)
    expect(ended.output).not.toContain('hunter2')
  })

  it('takes its configuration from file, environment and flags, in this order', async () => {
    const config = file('good.yaml', 'issuer: http://localhost:9\nport: 0\ndataDir: data\nsigningAlgorithm: RS256\n')
    const running = start(['serve', '--config', config, '--issuer', 'http://localhost:10'], cwd, {
      ARCTOS_KEY: key,
      ARCTOS_SIGNING_ALGORITHM: 'EdDSA',
    })
    const [, port] = await running.until(/http:\/\/localhost:10 on .* port (\d+)/)
    const keys = await (await fetch(`http://127.0.0.1:${port}/jwks`)).json()
    expect(keys).toMatchObject({ keys: [{ alg: 'EdDSA' }] })
    expect(await running.stop()).toBe(0)
  })

  it('finishes the request in flight at SIGTERM, takes no new one, and exits with 0', async () => {
    const running = start(['serve', '--port', '0', '--issuer', 'http://localhost:9', '--data-dir', 'drain'], cwd, {
      ARCTOS_KEY: key,
    })
    const [, port] = await running.until(/port (\d+)/)
    const socket = connect(Number(port), '127.0.0.1')
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString()
    })
    const body = 'grant_type=client_credentials&client_id=nobody&client_secret=x'
    const head = `POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n`
    await new Promise<void>((resolve) => socket.write(`${head}Expect: 100-continue\r\n\r\n`, () => resolve()))
    // "100 Continue" says that the server has this request in hand.
    await new Promise<void>((resolve) => socket.once('data', () => resolve()))
    const exited = running.stop('SIGTERM')
    socket.write(body)
    expect(await exited).toBe(0)
    expect(answer).toMatch(/HTTP\/1.1 401/)
    await expect(fetch(`http://127.0.0.1:${port}/live`)).rejects.toThrow()
  })

  it('refuses PostgreSQL behind its schema and names the command; then serves it, and commands work beside it', async () => {
    const admin = process.env['ARCTOS_TEST_POSTGRES'] ?? ''
    const name = `serve_${process.pid}`
    const client = new pg.Client(admin)
    await client.connect()
    await client.query(`CREATE DATABASE ${name}`)
    await client.end()
    const url = new URL(admin)
    url.pathname = `/${name}`
    const env = { ARCTOS_KEY: key, ARCTOS_DATABASE: url.href }
    const behind = await serve(['--port', '0', '--issuer', 'http://localhost:9'], env)
    expect(behind).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/behind its schema .*run: arctos migrate/),
    })
    expect((await arctos(['migrate'], { cwd, env })).output).toMatch(/applied 0001_initial.sql/)
    const running = start(['serve', '--port', '0', '--issuer', 'http://localhost:9'], cwd, env)
    const [, port] = await running.until(/port (\d+)/)
    expect((await arctos(['client', 'create', '--id', 'beside'], { cwd, env })).exitCode).toBe(0)
    const answer = await fetch(`http://127.0.0.1:${port}/ready`)
    expect(await answer.json()).toMatchObject({ status: 'degraded', warnings: ['commits are on one machine only'] })
    expect(await running.stop()).toBe(0)
  })
})
