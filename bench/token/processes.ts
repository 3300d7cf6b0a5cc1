import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import type { Job, Measurement } from './load.ts'
import type { CodesWanted, ServerMessage, Target } from './setting.ts'

/** A server under measurement, on core 0. */
export interface ServerProcess {
  readonly name: string
  readonly pid: number
  readonly target: Target
  /** Fresh authorization codes. */
  readonly codes: (count: number) => Promise<readonly string[]>
  readonly stop: () => Promise<void>
}

/** Starts a server. `output` is the file that takes its standard output. */
export async function startServer(
  name: string,
  file: string,
  args: readonly string[],
  output: string,
): Promise<ServerProcess> {
  const child = startPinned(0, [join(import.meta.dirname, file), ...args], output)
  const started = await answer<ServerMessage>(child, name)
  if (!('ready' in started)) throw new Error(`${name} did not say where it listens`)
  return {
    name,
    pid: child.pid as number,
    target: started.ready,
    async codes(count) {
      child.send({ codes: count } satisfies CodesWanted)
      const given = await answer<ServerMessage>(child, name)
      return 'codes' in given ? given.codes : []
    },
    stop: () => stop(child),
  }
}

/** The load, on core 1. */
export interface LoadProcess {
  readonly run: (job: Job) => Promise<Measurement>
  readonly stop: () => Promise<void>
}

export function startLoad(output: string): LoadProcess {
  const child = startPinned(1, [join(import.meta.dirname, 'load.ts')], output)
  return {
    async run(job) {
      child.send(job)
      const result = await answer<{ measurement?: Measurement; error?: string }>(child, 'the load')
      if (result.measurement === undefined) throw new Error(`${job.name}: ${result.error}`)
      return result.measurement
    },
    stop: () => stop(child),
  }
}

/** Starts this Node on one core. taskset becomes the process that it starts, so its id is the server's. */
export function startPinned(core: number, args: readonly string[], output: string): ChildProcess {
  return spawn('taskset', ['-c', String(core), process.execPath, ...process.execArgv, ...args], {
    stdio: ['ignore', openSync(output, 'a'), openSync(`${output}.err`, 'a'), 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
}

export async function answer<Message>(child: ChildProcess, name: string): Promise<Message> {
  const ended = new AbortController()
  try {
    const { signal } = ended
    const [message] = await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(([code]) => Promise.reject(new Error(`${name} ended with ${code}`))),
    ])
    return message as Message
  } finally {
    ended.abort()
  }
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.disconnect()
  await exited
}
