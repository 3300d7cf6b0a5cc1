import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = new URL('../../..', import.meta.url)
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'arctos-guide-'))
  await symlink(new URL('node_modules', root), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const guide = await readFile(new URL('docs/guide/testing.md', root), 'utf8')
  for (const [, name = '', code = ''] of guide.matchAll(/```ts\n\/\/ file: (\S+)\n(.*?)```/gs)) {
    await writeFile(join(folder, name), code)
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs one file of the page as a user would. */
async function runTests(file: string): Promise<string> {
  const node = [process.execPath, ['--conditions=arctos-source', '--test', '--test-reporter=tap', file]] as const
  const { stdout } = await promisify(execFile)(...node, { cwd: folder, maxBuffer: 2 ** 24, env: withoutVitest() })
  return stdout
}

/** The runner of the tests must not be taken for one of its own. */
function withoutVitest(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...environment } = process.env
  return environment
}

describe('docs/guide/testing.md', () => {
  it.each([
    ['notes.test.ts', 7],
    ['taken-back.test.ts', 1],
    ['vectors.test.ts', 400],
  ])('has tests that pass: %s', async (file, atLeast) => {
    const output = await runTests(file)
    const count = (name: string) => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(output)?.[1])
    expect(count('fail')).toBe(0)
    expect(count('pass')).toBeGreaterThanOrEqual(atLeast)
  })
})
