import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import {
  type AuthorizationServer,
  createAuthorizationServer,
  opaqueAccessKey,
  openStore,
  type Store,
} from '@arctos/authorization-server'
import { formatOpaqueToken, opaqueByteLengths, secretPatterns, sha256Base64url } from '@arctos/core'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { formatInspection, inspectToken } from '../src/inspection.ts'
import { start } from './running.ts'
import { arctos, patternOf, splitCommand } from './transcript.ts'

const guide = readFileSync(new URL('../../../docs/guide/leaks.md', import.meta.url), 'utf8')
const webhookSecret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'arctos-leaks-'))
  writeFileSync(join(cwd, 'arctos.key'), `${Buffer.alloc(32, 7).toString('base64url')}\n`, { mode: 0o600 })
  for (const [, name = '', text = ''] of guide.matchAll(/^```\w+\n(?:\/\/|#) file: (\S+)\n(.*?)^```$/gms))
    writeFileSync(join(cwd, name), text)
})
afterEach(() => rmSync(cwd, { recursive: true }))

/** A new client, and its secret in `found.txt`. */
async function makeClient(id: string): Promise<void> {
  const { output } = await arctos(['client', 'create', '--id', id, '--json'], { cwd })
  writeFileSync(join(cwd, 'found.txt'), `${JSON.parse(output).clientSecret}\n`)
}

describe('docs/guide/leaks.md', () => {
  it('shows what happens at a terminal', { timeout: 60_000 }, async () => {
    const steps = [...guide.matchAll(/^\$ (arctos .*)\n((?:(?!\$ |```).*\n)*)/gm)]
    expect(steps.length).toBeGreaterThan(3)
    for (const [, command = '', expected = ''] of steps) {
      const [typed = '', file] = command.split(' > ')
      const { output, exitCode } = await arctos(splitCommand(typed).slice(1), { cwd })
      expect(exitCode, command).toBe(0)
      if (file !== undefined) writeFileSync(join(cwd, 'found.txt'), `${JSON.parse(output).clientSecret}\n`)
      else expect(output, command).toMatch(patternOf(expected.split('\n').filter(Boolean)))
    }
  })

  it('has every pattern, as the code has it', () => {
    for (const { id, regex } of secretPatterns) expect(guide).toContain(`${id.padEnd(30)}${regex}\n`)
  })

  it('has a rehearsal in which a report goes all the way round', { timeout: 60_000 }, async () => {
    await makeClient('nightly')
    // Each of the two needs the address of the other: the scanner finds the server by way of a port that is known before.
    let server = 0
    const way = createServer((socket) => {
      const onward = connect(server, '127.0.0.1')
      for (const end of [socket, onward]) end.on('error', () => undefined)
      socket.pipe(onward).pipe(socket)
    })
    await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve))
    const environment = { PATH: process.env['PATH'] ?? '', ARCTOS_LEAK_WEBHOOK_SECRET: webhookSecret }
    const rehearsal = spawn(process.execPath, ['rehearsal.ts'], {
      cwd,
      env: { ...environment, PORT: '0', LEAKS_URL: `http://127.0.0.1:${(way.address() as AddressInfo).port}/leaks` },
    })
    const lines = createInterface({ input: rehearsal.stdout })[Symbol.asyncIterator]()
    const ended = once(rehearsal, 'exit')
    const first = String((await lines.next()).value)
    const port = first.replace(/\D/g, '')
    const configuration = readFileSync(join(cwd, 'arctos.yaml'), 'utf8')
    writeFileSync(
      join(cwd, 'arctos.yaml'),
      configuration.replaceAll(':4100/', `:${port}/`).replace('port: 4000', 'port: 0'),
    )
    const serve = start(['serve', '--config', 'arctos.yaml'], cwd, environment)
    onTestFinished(async () => {
      rehearsal.kill()
      way.close()
      await serve.stop()
    })
    server = Number((await serve.until(/port (\d+)/))[1])
    rehearsal.stdin.end(readFileSync(join(cwd, 'found.txt')))
    const rest: string[] = []
    for await (const line of { [Symbol.asyncIterator]: () => lines }) rest.push(line)
    await ended
    const shown = /prints:\n\n```text\n(.*?)\n```/s.exec(guide)?.[1]
    expect([first.replace(port, '4100'), ...rest].join('\n')).toBe(shown)
    expect(serve.output()).toContain('"alarm":"secret_leaked"')
  })
})

const jwt = (header: object, claims: object): string =>
  [header, claims, 7].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')

describe('arctos token inspect', () => {
  it.each(['live', 'test'] as const)('tells the kind and environment of a %s secret, and no secret', (environment) => {
    for (const { kind, id } of secretPatterns) {
      const bytes = randomBytes(opaqueByteLengths[kind])
      const text = formatOpaqueToken(kind, bytes, environment).reveal()
      const found = inspectToken(text)
      expect(found).toMatchObject({ form: 'opaque', pattern: id, environment, checksum: 'right' })
      const shown = JSON.stringify([found, found.form === 'none' ? '' : formatInspection(found, 0)])
      for (const part of [text.slice(-40), bytes.toString('base64url', 20, 52), bytes.toString('hex', 20, 52)])
        expect(shown).not.toContain(part)
    }
  })

  it('tells when an opaque access token ends, and of which grant a refresh token is', () => {
    const access = formatOpaqueToken('accessToken', Buffer.concat([Buffer.from('6553f100', 'hex'), randomBytes(32)]))
    expect(inspectToken(access.reveal())).toMatchObject({ facts: { exp: 1_700_000_000 } })
    const ids = [Buffer.from('00000007', 'hex'), Buffer.alloc(12, 1), Buffer.from('00000003', 'hex')]
    const refresh = formatOpaqueToken('refreshToken', Buffer.concat([...ids, randomBytes(48)]))
    expect(inspectToken(refresh.reveal())).toMatchObject({
      facts: { key: '00000007', grant: Buffer.alloc(12, 1).toString('base64url'), generation: 3 },
    })
  })

  it('calls a checksum wrong where one character is, where it was cut, and where only the prefix is right', () => {
    const text = formatOpaqueToken('apiKey', randomBytes(32)).reveal()
    for (const each of [text.replace(/.$/, (last) => (last === '0' ? '1' : '0')), text.slice(0, -1), 'arctos_ak_'])
      expect(inspectToken(each)).toMatchObject({ kind: 'Arctos API key', checksum: 'wrong', facts: {} })
  })

  it.each([
    [{ typ: 'at+jwt' }, {}, 'an access token (RFC 9068)'],
    [{ typ: 'application/secevent+jwt' }, {}, 'a security event (RFC 8417)'],
    [{ typ: 'JWT' }, { client_id: 'a', jti: 'b' }, 'an access token, for an API that wants typ JWT'],
    [{}, { nonce: 'a' }, 'an ID token (OpenID Connect)'],
    [{}, { iss: 'a', sub: 'a', aud: 'b' }, 'a client assertion (RFC 7523)'],
    [{ typ: 'odd+jwt' }, {}, 'something that Arctos has no name for'],
    [{}, {}, 'anything'],
  ])('says what a JWT of %o with %o could be', (header, claims, couldBe) => {
    expect(inspectToken(jwt({ alg: 'ES256', ...header }, claims))).toMatchObject({ verified: false, couldBe, claims })
  })

  it('shows what a JWT says in one line each, says that it is over, and hides what is in it of other tokens', () => {
    const inner = jwt({ alg: 'ES256' }, { sub: 'x' })
    const found = inspectToken(jwt({ alg: 'ES256' }, { exp: 1_600_000_000, sub: 'a\nb', id_token_hint: inner }))
    const lines = found.form === 'none' ? [] : formatInspection(found, 1_700_000_000)
    expect(lines).toContain('  exp        1600000000 (2020-09-13T12:26:40Z, over)')
    expect(lines).toContain('  sub        a?b')
    expect(JSON.stringify([found, lines])).not.toContain(inner)
  })

  it.each(['', 'word', 'a.b', 'a.b.c', '🐻'])('finds no token in %j', (text) => {
    expect(inspectToken(text)).toMatchObject({ form: 'none' })
  })
})

it('arctos makes test secrets where the configuration says so, and takes no third environment', async () => {
  const create = (id: string, environment: string) =>
    arctos(['client', 'create', '--id', id, '--json'], { cwd, env: { ARCTOS_ENVIRONMENT: environment } })
  const { output } = await create('trial', 'test')
  expect(JSON.parse(output).clientSecret).toMatch(/^arctos_test_cs_[0-9A-Za-z]{54}$/)
  const wrong = await create('other', 'staging')
  expect([wrong.exitCode, wrong.output]).toEqual([1, expect.stringContaining('it must be live, test')])
})

describe('arctos leak', () => {
  it('takes back a JWT and an opaque token, and says what it made of everything else', {
    timeout: 30_000,
  }, async () => {
    const store = await openStore({ database: join(cwd, '.arctos', 'arctos.sqlite') })
    await store.migrate()
    const server = await createAuthorizationServer({ issuer: 'http://localhost:4321', store, kek: Buffer.alloc(32, 7) })
    const tokens: string[] = []
    for (const [identifier, tokenFormat] of [
      ['https://api.example.com', 'jwt'],
      ['https://archive.example.com', 'opaque'],
    ] as const) {
      const settings = {
        identifier,
        tokenFormat,
        scopes: {},
        tokenType: 'at+jwt',
        accessTokenLifetimeSeconds: 600,
      } as const
      await store.createResource({ settings, actor: 'test' })
      tokens.push(await tokenOf(store, server, identifier))
    }
    const strange = formatOpaqueToken('apiKey', randomBytes(32)).reveal()
    const input = [...tokens, strange, `${strange}0`, 'word'].join('\n')
    const ended = await arctos(['leak', '--key-file', 'arctos.key', '--source', 'chat', '--json'], { cwd, input })
    expect(ended.exitCode).toBe(0)
    const { ended: what, counts } = JSON.parse(ended.output)
    expect(what).toMatchObject([
      { secret: 'arctos_jwt', ended: 'token', client: 'service', source: 'chat' },
      { secret: 'arctos_access_token', ended: 'token', client: 'service', source: 'chat' },
    ])
    expect(counts).toEqual({ ended: 2, dead: 0, unknown: 1, checksum: 1, unrecognised: 1, repeated: 0 })
    expect(await store.introspectOpaque(opaqueAccessKey(tokens[1] ?? '') ?? '')).toBeUndefined()
    expect(ended.output).not.toContain(strange)
    await store.close()
    const nothing = await arctos(['leak', '--key-file', 'arctos.key'], { cwd, input: strange })
    expect([nothing.exitCode, nothing.output]).toEqual([1, expect.stringContaining('unknown here')])
  })
})

async function tokenOf(store: Store, server: AuthorizationServer, resource: string): Promise<string> {
  const settings = {
    name: 'Service',
    authenticationMethods: ['client_secret_post' as const],
    grantTypes: ['client_credentials'],
    redirectUris: [],
  }
  const secretHash = sha256Base64url('a secret of the test')
  await store.createClient({ id: 'service', settings, secretHash, actor: 'test' })
  const form = {
    client_id: 'service',
    client_secret: 'a secret of the test',
    grant_type: 'client_credentials',
    resource,
  }
  const request = new Request('http://localhost:4321/token', { method: 'POST', body: new URLSearchParams(form) })
  const answer = await server.handle(request, { address: '127.0.0.1' })
  return ((await answer.json()) as { access_token: string }).access_token
}
