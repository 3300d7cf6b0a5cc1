import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeBase64url, signCompactJws } from '@arctos/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key-1', alg: 'ES256' }
const sign = (header: object): string =>
  signCompactJws(encodeBase64url(JSON.stringify(header)), 'foo', { kid: 'key-1', algorithm: 'ES256', key: privateKey })
const good = sign({ alg: 'ES256', kid: 'key-1' })

interface Test {
  readonly tcId?: number
  readonly comment?: string
  readonly result: 'valid' | 'invalid'
  readonly jws?: string | object
  readonly jwe?: string
}

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'arctos-vectors-'))
  for (const folder of ['wycheproof', 'cookbook/jws', 'cookbook/jwk', 'cookbook/curve25519']) {
    await mkdir(join(directory, folder), { recursive: true })
  }
  for (const name of ['signature', 'crypto', 'key']) await writeTests(`json_web_${name}_test.json`, [])
  const example = {
    title: 'a',
    input: { payload: 'foo', key: privateKey.export({ format: 'jwk' }) },
    output: { compact: sign({ alg: 'ES256' }) },
  }
  for (const folder of ['jws', 'curve25519']) await writeJson(`cookbook/${folder}/a.json`, example)
  await writeJson('cookbook/jwk/a.json', jwk)
})

afterEach(() => rm(directory, { recursive: true }))

const writeJson = (file: string, content: object): Promise<void> =>
  writeFile(join(directory, file), JSON.stringify(content))

function writeTests(name: string, tests: readonly Test[], key: object = jwk, comment = 'group'): Promise<void> {
  const numbered = tests.map((test, index) => ({ tcId: index + 1, comment: 'made here', ...test }))
  const testGroups = [{ comment, public: key, private: {}, tests: numbered }]
  return writeJson(`wycheproof/${name}`, { numberOfTests: tests.length, testGroups })
}

function run(): Promise<{ readonly code: number; readonly output: string; readonly lastLine: string | undefined }> {
  const script = join(import.meta.dirname, '../vectors.ts')
  const command = ['--conditions=arctos-source', script, directory]
  return new Promise((resolve) => {
    execFile(process.execPath, command, (error, output) => {
      resolve({ code: Number(error?.code ?? 0), output, lastLine: output.trimEnd().split('\n').at(-1) })
    })
  })
}

/** Runs with these vectors beside the three good examples of the cookbook. */
async function runWith(...tests: readonly Test[]) {
  await writeTests('json_web_signature_test.json', tests)
  return run()
}

describe('npm run vectors', () => {
  it('passes when valid ones are accepted and invalid ones refused', async () => {
    const broken = `${good.slice(0, -4)}AAAA`
    const { code, lastLine } = await runWith({ result: 'valid', jws: good }, { result: 'invalid', jws: broken })
    expect([code, lastLine]).toEqual([0, '5 passed, 0 failed, 0 skipped'])
  })

  it('fails when an invalid one is accepted, and names it', async () => {
    const { code, output, lastLine } = await runWith({ result: 'invalid', jws: good })
    expect([code, lastLine]).toEqual([1, '3 passed, 1 failed, 0 skipped'])
    expect(output).toContain('tcId 1 (group: made here): invalid; here accepted')
  })

  it('fails when a valid one with an algorithm on offer is refused', async () => {
    const { code, lastLine } = await runWith({ result: 'valid', jws: `${good}=` })
    expect([code, lastLine]).toEqual([1, '3 passed, 1 failed, 0 skipped'])
  })

  it('skips what is not on offer, and says how much of what', async () => {
    const { code, output, lastLine } = await runWith(
      { result: 'valid', jws: sign({ alg: 'ES384', kid: 'key-1' }) },
      { result: 'valid', jws: { payload: 'AA', signatures: [] } },
      { result: 'valid', jwe: 'a.b.c.d.e' },
    )
    expect([code, lastLine]).toEqual([0, '3 passed, 0 failed, 3 skipped'])
    expect(output).toContain('not offered: ES384 1, JSON serialization 1, JWE 1')
  })

  it('counts an invalid one of a foreign algorithm only when its form is what is wrong', async () => {
    const symmetric = { kty: 'oct', k: 'AA', kid: 'key-1', alg: 'HS256' }
    const text = sign({ alg: 'HS256', kid: 'key-1' })
    const tests = [
      { result: 'invalid', jws: text },
      { result: 'invalid', jws: `${text}=` },
    ] as const
    await writeTests('json_web_signature_test.json', tests, symmetric)
    expect((await run()).lastLine).toBe('4 passed, 0 failed, 1 skipped')
  })

  it('excuses a known contradiction by its title, not by its number alone', async () => {
    const excused = { tcId: 346, result: 'valid', jws: sign({ alg: 'ES256', kid: 'none' }) } as const
    const name = 'json_web_signature_test.json'
    await writeTests(name, [{ ...excused, comment: 'Figure20' }], jwk, 'rfc7520')
    expect((await run()).lastLine).toBe('3 passed, 0 failed, 1 skipped')
    await writeTests(name, [{ ...excused, comment: 'Figure21' }], jwk, 'rfc7520')
    expect((await run()).lastLine).toBe('3 passed, 1 failed, 0 skipped')
  })

  it('does not pass when vectors are missing', async () => {
    await rm(join(directory, 'cookbook'), { recursive: true })
    expect((await run()).code).not.toBe(0)
  })
})
