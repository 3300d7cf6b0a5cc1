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

/** Company is waited for this long at the most, which is about what a commit takes. */
const gatherMs = 1

/** Takes changes in the order of their arrival and hands them on in batches (PROTOCOL §4). */
export function createChangeQueue({ run, limit, parallel }: ChangeQueueOptions): (change: Change) => Promise<unknown> {
  let underWay = 0
  let next: (() => void) | undefined
  let waiting = 0
  let lastSize = 1
  let held: { readonly flush: () => void; readonly timer: NodeJS.Timeout } | undefined

  // Those whom the last batch answered come back within moments of each other, and one commit for all of them costs little more
  // than one for each. So a batch waits for as many as there were before, or for a moment. A change that comes to a quiet server
  // finds that the last batch was one of one, and goes at once.
  const gather = (flush: () => void): void => {
    if (waiting >= lastSize) begin(flush)
    else held = { flush, timer: setTimeout(release, gatherMs) }
  }
  const release = (): void => {
    if (held === undefined) return
    const { flush, timer } = held
    held = undefined
    clearTimeout(timer)
    begin(flush)
  }

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
    schedule: (flush) => void setImmediate(gather, flush),
    limit,
    run(arrivals) {
      underWay += 1
      waiting -= arrivals.length
      lastSize = arrivals.length
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
  return (change) => {
    waiting += 1
    if (held !== undefined && waiting === lastSize) setImmediate(release)
    return batch.add({ change, arrivedAt: performance.now() })
  }
}
