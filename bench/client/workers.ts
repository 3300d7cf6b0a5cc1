// Starts workers, and waits for what they tell.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Outcome, Run, Task } from './worker.ts'

export interface Worker {
  /** What became of the calls; `undefined` where the process was killed before it could say so. */
  run(run: Run): Promise<Outcome | undefined>
  stop(): Promise<void>
}

const root = join(import.meta.dirname, '../..')

export async function startWorker(task: Task): Promise<Worker> {
  const args = ['--conditions=arctos-source', join(import.meta.dirname, 'worker.ts'), JSON.stringify(task)]
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  if ((await message(child)) !== 'ready') throw new Error('the worker did not start')
  return {
    async run(run) {
      child.send(run)
      return (await message(child)) as Outcome | undefined
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}

/** The next message, or `undefined` when the process ends first. */
async function message(child: ChildProcess): Promise<unknown> {
  const done = new AbortController()
  try {
    const { signal } = done
    return await Promise.race([
      once(child, 'message', { signal }).then(([content]) => content),
      once(child, 'exit', { signal }).then(() => undefined),
    ])
  } finally {
    done.abort()
  }
}
