import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Running, start } from './running.ts'
import { arctos } from './transcript.ts'

interface ListedKey {
  readonly id: string
  readonly purpose: string
  readonly algorithm: string
  readonly retiredAt?: number
}

describe('arctos key, beside a server that signs with RS256', { timeout: 60_000 }, () => {
  const cwd = mkdtempSync(join(tmpdir(), 'arctos-key-'))
  const env = { ARCTOS_KEY: Buffer.alloc(32, 7).toString('base64url') }
  const run = (...args: readonly string[]) => arctos([...args, '--data-dir', 'data'], { cwd, env })
  const signingKeys = async (): Promise<readonly ListedKey[]> => {
    const keys = JSON.parse((await run('key', 'list', '--json')).output) as readonly ListedKey[]
    return keys.filter(({ purpose }) => purpose === 'signing')
  }
  let server: Running
  let receipt = ''
  beforeAll(async () => {
    const options = ['--port', '0', '--issuer', 'http://localhost:9', '--signing-algorithm', 'RS256']
    server = start(['serve', ...options, '--data-dir', 'data'], cwd, env)
    const [, port] = await server.until(/port (\d+)/)
    const refused = await fetch(`http://127.0.0.1:${port}/token`, { method: 'POST' })
    receipt = refused.headers.get('arctos-receipt') ?? ''
  }, 60_000)
  afterAll(async () => {
    await server.stop()
    rmSync(cwd, { recursive: true })
  })

  // Steps build on each other.
  it('explains without a trace, rotates to the same algorithm, and withdraws a key that is not the last', async () => {
    expect((await run('explain', receipt)).exitCode).toBe(0)
    const [first, ...others] = await signingKeys()
    expect([first?.algorithm, others]).toEqual(['RS256', []])
    const kid = first?.id ?? ''

    expect(await run('key', 'retire', kid)).toEqual({
      exitCode: 1,
      output: expect.stringContaining('no other key signs yet; add one first: arctos key rotate --now'),
    })
    expect((await run('key', 'rotate', '--now')).output).toMatch(/^added signing key /)
    expect((await run('key', 'retire', kid)).output).toBe(`retired signing key ${kid}\n`)
    expect((await signingKeys()).map(({ algorithm, retiredAt }) => [algorithm, retiredAt !== undefined])).toEqual([
      ['RS256', true],
      ['RS256', false],
    ])
    expect(await run('key', 'retire', kid)).toMatchObject({ exitCode: 1 })
  })

  it('changes the key of security events, apart from that of tokens', async () => {
    const before = (await signingKeys()).length
    const rotate = async () =>
      /^added signing key (ev\S+)\n$/.exec((await run('key', 'rotate', '--events', '--now')).output)?.[1]
    const [first = '', second = ''] = [await rotate(), await rotate()]
    expect((await run('key', 'retire', first)).exitCode).toBe(0)
    const keys = JSON.parse((await run('key', 'list', '--json')).output) as readonly ListedKey[]
    const states = [first, second].map((kid) => keys.find(({ id }) => id === kid))
    expect(states.map((key) => [key?.purpose, key?.algorithm, key?.retiredAt !== undefined])).toEqual([
      ['events', 'RS256', true],
      ['events', 'RS256', false],
    ])
    expect(await signingKeys()).toHaveLength(before)
  })
})
