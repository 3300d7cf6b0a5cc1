import { setTimeout as pause } from 'node:timers/promises'
import { type Change, StoreUnavailable, unavailable } from './engine.ts'
import { type Claim, lockWaiting, namedRows } from './postgres-locks.ts'
import { CommitUnknown, isRetryable, type Runner, remainingMs } from './postgres-transaction.ts'
import { createSlots } from './slots.ts'

const attemptLimit = 4
const jitterMs = 16

/** Changes that cannot run in their batch. */
export interface Stragglers {
  /** The row that this change needs and others wait for already: it is not to overtake them. */
  readonly awaitedRow: (change: Change) => string | undefined
  /** Runs it when the row is free again, together with all others that wait for this row. */
  readonly await: (row: string, claim: Claim) => Promise<unknown>
  /** Runs it by itself: something in its batch failed, perhaps this, or it takes long. */
  readonly alone: (claim: Claim) => Promise<unknown>
}

interface Waiting {
  readonly claim: Claim
  readonly resolve: (value: unknown) => void
}

/**
 * @param slots how many of them may be under way at once
 */
export function createStragglers(run: Runner, slots: number, random: (byteLength: number) => Buffer): Stragglers {
  const admit = createSlots(slots)
  const queues = new Map<string, Waiting[]>()

  const runAlone = async (claim: Claim): Promise<unknown> => {
    for (let attempt = 1; ; attempt++) {
      if (remainingMs(claim) <= 0) throw new StoreUnavailable('the database was too slow')
      try {
        return (await run([claim], lockWaiting)).values.get(claim.change)
      } catch (error) {
        if (attempt === attemptLimit || !isRetryable(error)) throw unavailable(error)
      }
      await pause((random(1).readUInt8() / 256) * jitterMs * attempt)
    }
  }

  const runGroup = async (group: readonly Waiting[]): Promise<void> => {
    const claims = group.map(({ claim }) => claim)
    try {
      const { values } = await run(claims, lockWaiting)
      for (const { claim, resolve } of group) resolve(values.get(claim.change))
    } catch (error) {
      const failed = error instanceof CommitUnknown ? Promise.reject(unavailable(error)) : undefined
      for (const { claim, resolve } of group) resolve(failed ?? admit(() => runAlone(claim)))
    }
  }

  const drain = async (row: string): Promise<void> => {
    for (let group = queues.get(row); group !== undefined && group.length > 0; group = queues.get(row)) {
      queues.set(row, [])
      await admit(() => runGroup(group as readonly Waiting[]))
    }
    queues.delete(row)
  }

  return {
    awaitedRow: (change) => (queues.size === 0 ? undefined : namedRows(change).find((row) => queues.has(row))),
    await: (row, claim) =>
      new Promise((resolve) => {
        const queue = queues.get(row)
        if (queue !== undefined) {
          queue.push({ claim, resolve })
          return
        }
        queues.set(row, [{ claim, resolve }])
        void drain(row)
      }),
    alone: (claim) => admit(() => runAlone(claim)),
  }
}
