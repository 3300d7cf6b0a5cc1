import { Unavailable } from './errors.ts'
import type { SessionStore } from './session-store.ts'

/** The right to renew a session, while it lasts. */
export interface Lease {
  /** Renews it now. Throws {@link LeaseLost} if it has become another process's. */
  confirm(): Promise<void>
}

/** Somebody else is at it: this process stood still for so long that its lease ended. Nothing is wrong; look again. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

export const leaseMs = 5_000
const renewEveryMs = 1_500
// That a dead process's lease has ended is a change that nobody makes, so nobody tells of it.
export const lookAgainMs = 1_000
// Longer than one process takes for all its attempts, each to its end.
const patienceMs = 60_000

/**
 * Runs a task while no other process that uses this function does, as long as none of them stands still for seconds. Whoever
 * waits is told of changes, and asks `meanwhile` whether there is anything left to do: its first answer is the result.
 *
 * @param owner unique to this call's process and session; nobody else's lease is ever touched
 */
export async function underLease<Result>(
  store: SessionStore,
  owner: string,
  task: (lease: Lease) => Promise<Result>,
  meanwhile: () => Promise<Result | undefined>,
): Promise<Result> {
  const found = await waitForLease(store, owner, meanwhile)
  if (found !== undefined) return found
  const stopRenewing = keepLease(store, owner)
  try {
    return await task({
      async confirm() {
        if (!(await store.lease(owner, leaseMs))) throw new LeaseLost('the lease is another process’s by now')
      },
    })
  } finally {
    await stopRenewing()
    // If that fails, it ends by itself.
    await store.lease(owner, 0).catch(() => undefined)
  }
}

async function waitForLease<Result>(
  store: SessionStore,
  owner: string,
  meanwhile: () => Promise<Result | undefined>,
): Promise<Result | undefined> {
  const deadline = performance.now() + patienceMs
  const bell = createBell()
  let stopWatching: (() => void) | undefined
  try {
    for (;;) {
      const found = await meanwhile()
      if (found !== undefined || (await store.lease(owner, leaseMs))) return found
      if (performance.now() >= deadline)
        throw new Unavailable('another process has been busy with the session for a minute')
      // Looked at once more after watching has begun, for what changed just before.
      if (stopWatching === undefined) stopWatching = store.watch(bell.ring)
      else await bell.wait(lookAgainMs)
    }
  } finally {
    stopWatching?.()
  }
}

/** Renews a lease that is held, until the function that it returns is called. */
export function keepLease(store: SessionStore, owner: string): () => Promise<void> {
  let renewing: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    // A failure is not the end: the lease still runs, and whoever relies on it confirms it first.
    renewing = renewing.then(() => store.lease(owner, leaseMs)).catch(() => undefined)
  }, renewEveryMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    // Or it would take back what is given back next.
    await renewing
  }
}

/** Waits until somebody rings, or has rung since the last waiting, but no longer than a while. */
function createBell(): { readonly ring: () => void; readonly wait: (durationMs: number) => Promise<void> } {
  let hasRung = false
  let wake: (() => void) | undefined
  return {
    ring() {
      hasRung = true
      wake?.()
    },
    async wait(durationMs) {
      const { promise, resolve } = Promise.withResolvers<void>()
      wake = resolve
      const timer = setTimeout(resolve, durationMs)
      if (!hasRung) await promise
      clearTimeout(timer)
      wake = undefined
      hasRung = false
    },
  }
}
