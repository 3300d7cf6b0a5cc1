import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arctos } from './transcript.ts'

describe('arctos client create', { timeout: 60_000 }, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'arctos-client-'))
  const create = async (...args: readonly string[]) => {
    const { output, exitCode } = await arctos(['client', 'create', '--json', ...args], { cwd })
    return { exitCode, output, ...(exitCode === 0 ? (JSON.parse(output) as Record<string, unknown>) : {}) }
  }
  beforeAll(async () => {
    await arctos(['migrate'], { cwd })
  })
  afterAll(() => rmSync(cwd, { recursive: true }))

  it('has the operator say whether a client is public, and records it [RFC 6749 §2(a)]', async () => {
    await create('--id', 'app', '--public')
    await create('--id', 'service')
    const methods = async (id: string) => JSON.parse((await arctos(['client', 'show', id, '--json'], { cwd })).output)
    expect(await methods('app')).toMatchObject({ authenticationMethods: ['none'] })
    expect(await methods('service')).toMatchObject({ authenticationMethods: expect.not.arrayContaining(['none']) })
  })

  it('gives an app no secret, and no way to have one [RFC 6749 §10.1(a)]', async () => {
    const app = await create('--public')
    expect(app).toMatchObject({ exitCode: 0, clientId: expect.any(String) })
    expect(app).not.toHaveProperty('clientSecret')
    expect(await create('--public', '--auth-method', 'none', '--auth-method', 'client_secret_basic')).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('a public client (none) has no other authentication method'),
    })
  })

  it('gives a service a secret of 256 bits, once', async () => {
    const { clientSecret } = (await create('--id', 'once')) as { clientSecret?: string }
    expect(clientSecret).toMatch(/^arctos_cs_[0-9A-Za-z]{54}$/)
    expect((await arctos(['client', 'show', 'once', '--json'], { cwd })).output).not.toContain('arctos_cs_')
  })

  it('registers a receiver of events, with where they may be pushed to', async () => {
    const push = ['--push-endpoint', 'https://receiver.example/events']
    expect(await create('--id', 'receiver', '--receives-events', ...push)).toMatchObject({ exitCode: 0 })
    const shown = JSON.parse((await arctos(['client', 'show', 'receiver', '--json'], { cwd })).output)
    expect(shown).toMatchObject({
      receivesEvents: true,
      pushEndpoints: ['https://receiver.example/events'],
      grantTypes: [],
    })
    expect(await create('--receives-events', '--push-endpoint', 'http://receiver.example/')).toMatchObject({
      exitCode: 1,
    })
    expect(await create('--public', '--receives-events')).toMatchObject({ exitCode: 1 })
    expect(await create(...push)).toMatchObject({ exitCode: 1, output: expect.stringContaining('--receives-events') })
  })
})
