import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTerminalUser, type TerminalUser } from './terminal-user.ts'
import { patternOf } from './transcript.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const page = new URL('../../../docs/guide/cli.md', import.meta.url)

let user: TerminalUser
beforeAll(async () => {
  user = await startTerminalUser()
  const bin = join(user.folder, 'bin')
  mkdirSync(bin)
  const program = join(bin, 'arctos')
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' --conditions=arctos-source '${main}' "$@"\n`)
  chmodSync(program, 0o700)
})
afterAll(() => user.close())

interface Step {
  readonly command: string
  readonly expected: readonly string[]
}

/** The steps of the page's terminal sessions, with the addresses of this test's servers. */
function readSteps(): readonly Step[] {
  const { ISSUER = '', AUDIENCE = '' } = user.samples
  const text = readFileSync(page, 'utf8')
    .replaceAll('http://localhost:4000', ISSUER)
    .replaceAll('http://localhost:4001', new URL(AUDIENCE).origin)
  const steps: { command: string; expected: string[] }[] = []
  for (const [, block = ''] of text.matchAll(/^```console\n(.*?)\n```$/gms)) {
    for (const line of block.split('\n')) {
      if (line.startsWith('$ ')) steps.push({ command: line.slice(2), expected: [] })
      else steps.at(-1)?.expected.push(line)
    }
  }
  return steps
}

/** What a shell prints for a command, both streams in the order in which they were written. */
async function shell(command: string): Promise<string> {
  const log = join(user.folder, 'output')
  const output = openSync(log, 'w')
  const env = {
    ...user.environment,
    NO_COLOR: '1',
    PATH: [join(user.folder, 'bin'), process.env['PATH']].join(delimiter),
  }
  const child = spawn('sh', ['-c', command], { cwd: user.folder, env, stdio: ['ignore', output, output] })
  await once(child, 'exit')
  closeSync(output)
  return readFileSync(log, 'utf8')
}

describe('docs/guide/cli.md', () => {
  // Steps build on each other, so they are one test: its failure names the command.
  it('shows what happens at a terminal', { timeout: 120_000 }, async () => {
    const steps = readSteps()
    expect(steps.length).toBeGreaterThan(10)
    for (const { command, expected } of steps) {
      const output = await shell(command)
      const isOpen = expected.at(-1) === '…'
      const shown = isOpen ? output.split('\n').slice(0, expected.length).join('\n') : output
      expect(shown, command).toMatch(patternOf(expected))
    }
  })
})
