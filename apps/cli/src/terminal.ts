import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { styleText } from 'node:util'
import { looksLikeCredential, Secret } from '@arctos/core'

/** A message for the user of a command, without a stack. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan'

/** Colours on a terminal only; `NO_COLOR` and pipes get plain text. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout, validateStream: true })
}

export function print(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** Prints what a command found: as JSON for programs, else as lines for people. */
export function report(json: boolean | undefined, value: unknown, lines: readonly string[]): void {
  if (json) print(JSON.stringify(value))
  else for (const line of lines) print(line)
}

/** Rows of a table with aligned columns. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const all = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

const inputLimit = 65_536

/**
 * Reads a secret from where no process list shows it: `@FILE`, a pipe, or a hidden prompt. An argument that looks like a
 * credential is refused with that hint (PROTOCOL §5).
 */
export async function readSecret(name: string, argument: string | undefined): Promise<Secret> {
  if (argument?.startsWith('@')) return new Secret(readFileSync(argument.slice(1), 'utf8').trim())
  if (argument !== undefined)
    throw new CommandError(`the ${name} must not be an argument; give @FILE, a pipe, or type it when asked`)
  return new Secret(process.stdin.isTTY ? await promptHidden(`${name}: `) : await readAll())
}

/** Refuses arguments that are secrets by their looks: they are in the shell's history already. */
export function refuseCredentials(argv: readonly string[]): void {
  if (argv.some((argument) => looksLikeCredential(argument.replace(/^--?[\w-]+=/, '')))) {
    throw new CommandError(
      'an argument looks like a credential: it is now in the shell history. Give it by stdin, a prompt or @FILE',
    )
  }
}

const bodyLimitBytes = 16_777_216

/** Everything on stdin, as it is; at most 16 MB. */
export async function readInput(): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of process.stdin) {
    chunks.push(Buffer.from(chunk))
    length += chunks.at(-1)?.byteLength ?? 0
    if (length > bodyLimitBytes) throw new CommandError(`the input is longer than ${bodyLimitBytes} bytes`)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

async function readAll(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) {
    text += String(chunk)
    if (text.length > inputLimit) throw new CommandError('the input is too long')
  }
  return text.trim()
}

/** Asks a question that only "y" or "yes" answers with yes. */
export async function confirm(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const { promise, resolve } = Promise.withResolvers<string>()
    lines.once('close', () => resolve(''))
    lines.question(`${question} [y/N] `, resolve)
    return /^y(es)?$/i.test((await promise).trim())
  } finally {
    lines.close()
  }
}

function promptHidden(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, terminal: true })
  process.stderr.write(question)
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      lines.close()
      process.stderr.write('\n')
      resolve(line)
    })
  })
}

/** Epoch seconds as people write a time. */
export function iso(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace('.000', '')
}
