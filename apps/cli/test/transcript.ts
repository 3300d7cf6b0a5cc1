import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** One step of a terminal session: what is typed, and what must come back. */
export interface Exchange {
  readonly command: string
  readonly input: string
  readonly expected: readonly string[]
  readonly exitCode: number
}

export interface Ended {
  readonly output: string
  readonly exitCode: number
}

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/**
 * Reads a session: `$ arctos …` begins an exchange, `< text` is its standard input, `? N` its exit code, other lines are its
 * output. `…` in a line stands for any text without a line end.
 */
export function readSession(name: string): readonly Exchange[] {
  const text = readFileSync(new URL(`sessions/${name}.txt`, import.meta.url), 'utf8')
  const exchanges: { command: string; input: string; expected: string[]; exitCode: number }[] = []
  for (const line of text.split('\n')) {
    const current = exchanges.at(-1)
    if (line.startsWith('$ arctos ')) exchanges.push({ command: line.slice(9), input: '', expected: [], exitCode: 0 })
    else if (line.startsWith('#') || line === '' || current === undefined) continue
    else if (line.startsWith('< ')) current.input += `${line.slice(2)}\n`
    else if (line.startsWith('? ')) current.exitCode = Number(line.slice(2))
    else current.expected.push(line)
  }
  return exchanges
}

/** Runs `arctos` from source in a folder, with this input and nothing of our environment that it would read. */
export function arctos(
  args: readonly string[],
  {
    cwd,
    input = '',
    env = {},
  }: { readonly cwd: string; readonly input?: string; readonly env?: Record<string, string> },
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd, env: { PATH: process.env['PATH'] ?? '', NO_COLOR: '1', ...env } }
    const child = execFile(
      process.execPath,
      ['--conditions=arctos-source', main, ...args],
      options,
      (error, stdout, stderr) => {
        const exitCode = error === null ? 0 : typeof error.code === 'number' ? error.code : 128
        resolve({ output: stdout + stderr, exitCode })
      },
    )
    child.stdin?.end(input)
  })
}

/** A pattern for expected lines in which `…` is anything. */
export function patternOf(expected: readonly string[]): RegExp {
  const lines = expected.map((line) => line.split('…').map(escapePattern).join('[^\\n]*'))
  return new RegExp(`^${lines.join('\\n')}\\n?$`)
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** Splits a command line as a shell would, for single quotes and blanks. */
export function splitCommand(command: string): readonly string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')
}
