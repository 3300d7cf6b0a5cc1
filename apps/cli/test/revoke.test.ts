import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AuthorizationServer,
  createAuthorizationServer,
  openStore,
  type Store,
} from '@arctos/authorization-server'
import { sha256Base64url } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arctos } from './transcript.ts'

const kek = Buffer.alloc(32, 7)
const issuer = 'http://localhost:9'
const resource = 'https://notes.example'
const secret = 'arctos_cs_of-a-test'

describe('arctos revoke, beside a server on the same database', { timeout: 60_000 }, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'arctos-revoke-'))
  let store: Store
  let server: AuthorizationServer
  let userId = ''
  beforeAll(async () => {
    mkdirSync(join(cwd, 'data'), { mode: 0o700 })
    store = await openStore({ database: join(cwd, 'data', 'arctos.sqlite') })
    await store.migrate()
    const settings = {
      identifier: resource,
      scopes: { read: 'Read' },
      tokenFormat: 'jwt',
      tokenType: 'at+jwt',
      accessTokenLifetimeSeconds: 600,
    } as const
    await store.createResource({ settings, actor: 'test' })
    for (const id of ['one', 'two']) {
      await store.createClient({
        id,
        settings: {
          name: id,
          authenticationMethods: ['client_secret_basic'],
          grantTypes: ['client_credentials'],
          redirectUris: [],
        },
        secretHash: sha256Base64url(secret),
        actor: 'test',
      })
    }
    const user = await store.createUser({ username: 'ada', passwordHash: 'of a password', actor: 'test' })
    userId = user.outcome === 'created' ? user.id : ''
    server = await createAuthorizationServer({ issuer, store, kek })
  })
  afterAll(async () => {
    await store.close()
    rmSync(cwd, { recursive: true })
  })

  const run = (args: readonly string[], input = '') =>
    arctos(['revoke', ...args, '--data-dir', 'data'], { cwd, input, env: { ARCTOS_KEY: kek.toString('base64url') } })
  const ask = async (path: string, client: string, form: Record<string, string>) => {
    const authorization = `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}`
    const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' }
    const request = new Request(issuer + path, { method: 'POST', headers, body: new URLSearchParams(form) })
    return (await (await server.handle(request, { address: '127.0.0.1' })).json()) as Record<string, unknown>
  }
  const token = async (client: string): Promise<string> =>
    String((await ask('/token', client, { grant_type: 'client_credentials' }))['access_token'])
  const isActive = async (client: string, text: string) =>
    (await ask('/introspect', client, { token: text }))['active'] === true

  it('ends the token on stdin alone, and says by when nobody takes it', async () => {
    const [ended, other] = [await token('one'), await token('one')]
    const { exitCode, output } = await run(['--token', '--reason', 'leaked', '--json'], ended)
    expect([exitCode, JSON.parse(output)]).toEqual([
      0,
      {
        ended: 'token',
        id: expect.any(String),
        expiresAt: expect.any(Number),
        reason: 'leaked',
        feedBoundMs: 1_000,
        othersBy: (JSON.parse(output) as { expiresAt: number }).expiresAt,
      },
    ])
    expect([await isActive('one', ended), await isActive('one', other)]).toEqual([false, true])
    expect((await store.readFeed({ after: 0, limit: 10 })).rows).toEqual([])
    await server.context.sequencer.look()
    expect((await store.readFeed({ after: 0, limit: 10 })).rows).toMatchObject([
      { reason: 'leaked', initiator: 'admin' },
    ])
  })

  it('ends whatever a client holds, then everything', async () => {
    const [one, two] = [await token('one'), await token('two')]
    expect((await run(['--client', 'one'])).output).toMatch(
      /^ended client one: everything issued before \S+Z\n {2}guards on the feed refuse it within 1 s, .*\n.* \S+Z at the latest\n$/,
    )
    expect([await isActive('one', one), await isActive('two', two)]).toEqual([false, true])
    expect((await run(['--all'])).output).toMatch(/^ended everything issued before \S+Z\n/)
    expect(await isActive('two', two)).toBe(false)
  })

  it('is in the audit log, which can be read from a record on', async () => {
    expect((await run(['--actor', 'auditor'])).exitCode).toBe(0)
    const list = (...more: readonly string[]) => arctos(['audit', 'list', '--data-dir', 'data', ...more], { cwd })
    const [, seq = ''] = /^(\d+) {2}\S+Z {2}\S+ {2}operator {2}.*auditor.*$/m.exec((await list()).output) ?? []
    const [first = ''] = (await list('--json', '--after', String(Number(seq) - 1))).output.split('\n')
    expect(JSON.parse(first)).toMatchObject({ seq: Number(seq), actor: 'operator', hash: expect.any(String) })
    expect(await list('--after', 'x')).toMatchObject({ exitCode: 1, output: expect.stringContaining('--after: x') })
  })

  it('ends what a user has, by name or id, everywhere or at one client; or an actor', async () => {
    const said = await Promise.all([
      run(['--subject', 'ada', '--json']),
      run(['--subject', userId, '--client', 'two', '--json']),
      run(['--actor', 'agent', '--json']),
    ])
    expect(said.map(({ output }) => JSON.parse(output))).toMatchObject([
      { ended: 'subject', id: userId },
      { ended: 'subject at client', id: `${userId} at two` },
      { ended: 'actor', id: 'agent' },
    ])
  })

  it('refuses what it cannot mean', async () => {
    const refusals: readonly (readonly [readonly string[], string])[] = [
      [[], 'say one of --token, --grant'],
      [['--all', '--client', 'one'], 'one thing at a time'],
      [['--actor', ''], '--actor: say whom'],
      [['--subject', 'ada', '--client', 'nobody'], 'there is no client nobody'],
      [['--before', 'yesterday'], '--before: yesterday is no time'],
      [['--all', '--reason', 'because'], '--reason: because is none'],
      [['--token'], 'this is no token of this server'],
    ]
    const said = await Promise.all(refusals.map(([args]) => run(args, 'x')))
    expect(said.map(({ exitCode, output }, at) => [exitCode, output.includes(refusals[at]?.[1] ?? '?')])).toEqual(
      refusals.map(() => [1, true]),
    )
  })
})
