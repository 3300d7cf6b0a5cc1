// The steps of a renewal as a process takes them, seen from outside: its calls of the store, of fetch and of the file system. At
// one of them the process kills itself; the client knows nothing of it.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import type { Fetch, SessionStore } from '@arctos/client'

export interface Steps {
  readonly names: readonly string[]
  step(name: string): void
}

/** @param killAt the number of the step, from 1, that is not survived */
export function createSteps(killAt: number | undefined): Steps {
  const names: string[] = []
  return {
    names,
    step(name) {
      names.push(name)
      // SIGKILL to oneself has come before the call returns.
      if (names.length === killAt) process.kill(process.pid, 'SIGKILL')
    },
  }
}

export function watchedStore(store: SessionStore, { step }: Steps): SessionStore {
  const watched = async <Result>(name: string, call: () => Promise<Result>): Promise<Result> => {
    step(`before ${name}`)
    const result = await call()
    step(`after ${name}`)
    return result
  }
  return {
    read: () => watched('read', () => store.read()),
    compareAndSwap: (expected, next) => watched('swap', () => store.compareAndSwap(expected, next)),
    lease: (owner, durationMs) => watched(durationMs > 0 ? 'lease' : 'release', () => store.lease(owner, durationMs)),
    watch: (changed) => store.watch(changed),
  }
}

/** A fetch that has steps around what it posts. */
export function watchedFetch({ step }: Steps, fetch: Fetch = globalThis.fetch): Fetch {
  return async (input, init) => {
    if (init?.method !== 'POST') return await fetch(input, init)
    step('before POST')
    const answering = fetch(input, init)
    answering.catch(() => undefined)
    await new Promise((resolve) => setImmediate(resolve))
    step('POST under way')
    const answer = await answering
    step('answer begins')
    const body = await answer.arrayBuffer()
    step('answer is there')
    return new Response(body, answer)
  }
}

/** Steps around everything that changes a file, for whoever imports `node:fs/promises` in this process. */
export function watchFiles({ step }: Steps): void {
  for (const name of ['link', 'truncate', 'unlink', 'open'] as const) {
    const original = fs.promises[name] as (...args: unknown[]) => Promise<unknown>
    const watched = async (...args: unknown[]): Promise<unknown> => {
      const changes = name !== 'open' || args[1] !== 'r'
      if (changes) step(`before ${name}`)
      const result = await original(...args)
      if (changes) step(`after ${name}`)
      return result
    }
    Object.assign(fs.promises, { [name]: watched })
  }
  syncBuiltinESMExports()
}
