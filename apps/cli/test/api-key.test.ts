import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '@arctos/authorization-server'
import { sha256Base64url } from '@arctos/core'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { runCommandLine } from '../src/command-line.ts'
import { patternOf, splitCommand } from './transcript.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'arctos-keys-'))
const database = join(dataDir, 'arctos.sqlite')
const api = 'https://api.example'

interface Ended {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number | string | undefined
}

/** Runs a command in this process, on the database of this file unless another is named, and gathers what it says. */
async function run(command: string, folder = dataDir): Promise<Ended> {
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      said[name] += String(text)
      return true
    })
  }
  const before = process.exitCode
  process.exitCode = 0
  await runCommandLine(['node', 'arctos', ...splitCommand(command), '--data-dir', folder])
  const { exitCode } = process
  process.exitCode = before
  vi.restoreAllMocks()
  return { ...said, exitCode }
}

async function json(command: string): Promise<Record<string, string>> {
  const { stdout, stderr } = await run(`${command} --json`)
  expect(stderr).toBe('')
  return JSON.parse(stdout) as Record<string, string>
}

beforeAll(async () => {
  const store = await openStore({ database })
  await store.migrate()
  await store.createUser({ username: 'ada', passwordHash: 'of a password', actor: 'test' })
  await store.close()
  await run(`resource create ${api} --scope read --scope write`)
  await run('client create --id reporter')
})
afterEach(() => void vi.restoreAllMocks())
afterAll(() => rmSync(dataDir, { recursive: true }))

describe('arctos api-key', () => {
  const usual = `--resource ${api} --scope read --name nightly`

  it('makes a key, shows it once on stdout, and keeps its hash only [DESIGN §6]', async () => {
    const { stdout, stderr, exitCode } = await run(`api-key create --client reporter ${usual}`)
    expect([stderr, exitCode]).toEqual(['', 0])
    const key = /^key {6}(arctos_ak_[0-9A-Za-z]{54})$/m.exec(stdout)?.[1] ?? ''
    expect(stdout).toMatch(/^key id {3}[\w-]{16}\nkey .*\nexpires {2}20.*Z\nThe key is not shown again\.\n$/)
    const files = readdirSync(dataDir).map((name) => readFileSync(join(dataDir, name), 'latin1'))
    expect(files.some((text) => text.includes(sha256Base64url(key)))).toBe(true)
    expect(files.some((text) => text.includes(key.slice(10, 30)))).toBe(false)
    expect((await run('api-key list')).stdout).not.toContain('arctos_ak_')
  })

  it('makes keys that expire in 90 days, or when or never as somebody says', async () => {
    const before = Math.floor(Date.now() / 1_000)
    const [usually, soon, never] = [
      await json(`api-key create --client reporter ${usual}`),
      await json(`api-key create --user ada ${usual} --expires 12h`),
      await json(`user token create ada ${usual} --expires never`),
    ]
    const after = Math.floor(Date.now() / 1_000)
    expect(Number(usually['expiresAt'])).toBeGreaterThanOrEqual(before + 90 * 86_400)
    expect(Number(usually['expiresAt'])).toBeLessThanOrEqual(after + 90 * 86_400)
    expect(Number(soon['expiresAt'])).toBeLessThanOrEqual(after + 12 * 3_600)
    expect([soon['key']?.slice(0, 10), never['expiresAt']]).toEqual(['arctos_pt_', undefined])
    const listed = (await run('user token list ada')).stdout
    expect(listed).toMatch(/nightly {2}ada {2}https:\/\/api\.example {2}read {4}never +never {6}active/)
  })

  it('rotates a key, removes the former secret, and ends it', async () => {
    const { id } = await json(`api-key create --client reporter ${usual}`)
    const rotated = await json(`api-key rotate ${id} --overlap 24h`)
    expect(rotated['key']).toMatch(/^arctos_ak_/)
    expect((await run(`api-key rotate ${id}`)).stderr).toMatch(/two secrets of .* work already/)
    const { stdout } = await run(`api-key show ${id}`)
    const [mark = ''] = /^ {2}([0-9a-f]{12})(?= .*expires 20)/m.exec(stdout)?.slice(1) ?? []
    expect((await run(`api-key remove-secret ${id} ${mark}`)).stdout).toBe(`removed the secret ${mark}\n`)
    expect((await run(`api-key remove-secret ${id} ${mark}`)).stderr).toMatch(/there is no key/)
    const [left = ''] = /^ {2}([0-9a-f]{12})/m.exec((await run(`api-key show ${id}`)).stdout)?.slice(1) ?? []
    expect((await run(`api-key remove-secret ${id} ${left}`)).stderr).toMatch(/the last secret/)
    expect((await run(`api-key revoke ${id}`)).stdout).toBe(`${id} is revoked\n`)
    expect((await run(`api-key revoke ${id}`)).stderr).toBe(`arctos: there is no live key ${id}\n`)
    expect((await run(`api-key rotate ${id}`)).stderr).toMatch(/has ended or expired/)
  })

  const mistakes: readonly [string, RegExp][] = [
    [`api-key create ${usual}`, /--client ID or --user NAME/],
    [`api-key create --client reporter --user ada ${usual}`, /one owner/],
    [`api-key create --client nobody ${usual}`, /no such client/],
    [`api-key create --user nobody ${usual}`, /there is no user nobody/],
    [`api-key create --client personal-access-tokens ${usual}`, /can have no keys/],
    [`api-key create --client reporter --resource https://x.example --name x --scope read`, /there is no resource/],
    [`api-key create --client reporter --resource ${api} --name x`, /--scope: say what/],
    [`api-key create --client reporter ${usual} --scope delete`, /delete is no scope/],
    [`api-key create --client reporter ${usual} --expires tomorrow`, /--expires: tomorrow is not allowed/],
    [`api-key create --client reporter ${usual} --expires 59s`, /from 60 s/],
    [`api-key create --client reporter ${usual} --expires 3651d`, /ten years/],
    [`api-key rotate nothing --overlap 1w`, /--overlap: 1w is not allowed/],
    [`api-key rotate nothing`, /there is no key nothing/],
    [`api-key show nothing`, /there is no key nothing/],
    [`client secret add nobody`, /there is no client nobody/],
    [`client secret add personal-access-tokens`, /another way than by a secret/],
    [`client secret remove reporter 000000000000`, /no client reporter with a secret/],
  ]
  it.each(mistakes)('explains: %s', async (command, message) => {
    const { stdout, stderr, exitCode } = await run(command)
    expect([stdout, exitCode]).toEqual(['', 1])
    expect(stderr).toMatch(message)
  })

  it('takes no key from the command line [PROTOCOL §5]', async () => {
    const { key } = await json(`api-key create --client reporter ${usual}`)
    expect((await run(`api-key revoke ${key}`)).stderr).toMatch(/looks like a credential/)
  })
})

describe('arctos client secret', () => {
  it('adds one beside the other, and takes it away again', async () => {
    await run('client create --id rotating')
    const { clientSecret } = await json('client secret add rotating --expires 180d --overlap 1d')
    expect(clientSecret).toMatch(/^arctos_cs_/)
    expect((await run('client secret add rotating')).stderr).toMatch(/two secrets of rotating work already/)
    const { stdout } = await run('client secret list rotating')
    const marks = stdout.split('\n').flatMap((line) => /^[0-9a-f]{12}(?= )/.exec(line)?.[0] ?? [])
    expect(marks).toHaveLength(2)
    const [first, second] = marks
    expect((await run(`client secret remove rotating ${first}`)).stdout).toBe(`removed the secret ${first}\n`)
    expect((await run(`client secret remove rotating ${second}`)).stdout).toMatch(/It was the last one/)
  })
})

describe('docs/guide/api-keys.md', () => {
  it('shows what happens at a terminal', async () => {
    const page = readFileSync(new URL('../../../docs/guide/api-keys.md', import.meta.url), 'utf8')
    const blocks = [...page.matchAll(/^```console\n(.*?)\n```$/gms)].map(([, block = '']) => block)
    const steps = blocks.flatMap((block) => block.split(/^\$ /m).filter(Boolean))
    expect(steps.length).toBeGreaterThan(8)
    const known = { KEY_ID: '', MARK: '' }
    for (const step of steps) {
      const [typed = '', ...lines] = step.trimEnd().split('\n')
      const command = typed.replace('KEY_ID', known.KEY_ID).replace('MARK', known.MARK)
      const { stdout, stderr } = await run(command.replace(/^arctos /, ''), join(dataDir, 'guide'))
      expect(stderr, command).toBe('')
      if (lines.join() !== '…') expect(stdout, command).toMatch(patternOf(lines))
      known.KEY_ID = /^key id +(\S+)$/m.exec(stdout)?.[1] ?? known.KEY_ID
      known.MARK = /^ {2}([0-9a-f]{12}) /m.exec(stdout)?.[1] ?? known.MARK
    }
  })
})
