import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/** A command that runs until it is told to stop. */
export interface Running {
  readonly child: ChildProcess
  /** Resolves when what it has printed matches; rejects when it ends before. */
  readonly until: (pattern: RegExp) => Promise<RegExpMatchArray>
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>
  /** The exit code, once it has ended. */
  readonly exited: Promise<number | null>
  readonly output: () => string
}

/** Starts `arctos` from source. */
export function start(args: readonly string[], cwd: string, env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, ['--conditions=arctos-source', main, ...args], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  const watchers = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      for (const watch of watchers) watch()
    })
  }
  return {
    child,
    exited,
    output: () => output,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          const match = pattern.exec(output)
          if (match === null) return
          watchers.delete(watch)
          resolve(match)
        }
        watchers.add(watch)
        watch()
        void exited.then((code) => reject(new Error(`ended with ${code} before ${pattern}: ${output}`)))
      }),
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return exited
    },
  }
}
