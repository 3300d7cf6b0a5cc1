import { createTurnBatch, type Settled } from '@arctos/core'
import type { Change } from './engine.ts'

/** A change on its way, and when it came by the monotonic clock, in milliseconds: nobody waits for longer than was promised. */
export interface Arrival {
  readonly change: Change
  readonly arrivedAt: number
}

export interface ChangeQueueOptions {
  /** Runs the arrivals of a turn and says for each how it ended; a throw fails them all. */
  readonly run: (arrivals: readonly Arrival[]) => readonly Settled<unknown>[] | Promise<readonly Settled<unknown>[]>
  /** Changes in one batch at the most. */
  readonly limit: number
  /** Batches that may be under way at once. What arrives meanwhile gathers, and goes together when one is done. */
  readonly parallel: number
}

/** Takes changes in the order of their arrival and hands them on in batches (PROTOCOL §4). */
export function createChangeQueue({ run, limit, parallel }: ChangeQueueOptions): (change: Change) => Promise<unknown> {
  let underWay = 0
  let next: (() => void) | undefined

  const begin = (flush: () => void): void => {
    if (underWay < parallel) flush()
    else next = flush
  }

  const done = (): void => {
    underWay -= 1
    const flush = next
    next = undefined
    if (flush !== undefined) setImmediate(begin, flush)
  }

  const batch = createTurnBatch<Arrival, unknown>({
    schedule: (flush) => void setImmediate(begin, flush),
    limit,
    run(arrivals) {
      underWay += 1
      let results: ReturnType<typeof run>
      try {
        results = run(arrivals)
      } catch (error) {
        done()
        throw error
      }
      if (results instanceof Promise) return results.finally(done)
      done()
      return results
    },
  })
  return (change) => batch.add({ change, arrivedAt: performance.now() })
}
