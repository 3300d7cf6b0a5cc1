import type { Store } from '../store/store.ts'
import type { FeedHead } from '../store/verbs/feed.ts'

/** Every node asks this often whether there is something new, in milliseconds (PROTOCOL §6: at most 25). */
const pollMs = 20
/** And this often while the store does not answer. */
const faultPauseMs = 200
const page = 2_000

/** Numbers what was taken back, and says to this node where the feed stands. */
export interface Sequencer {
  /** Looks at the ledger now, and numbers what is not numbered; rejects when the store does not answer. */
  readonly look: () => Promise<FeedHead>
  /** Calls the listener after every look, with what it saw, or with nothing when the store did not answer. */
  readonly watch: (listener: (head: FeedHead | undefined) => void) => () => void
  /** Looks at intervals, and right after each change of this process that took something back. Returns what ends it. */
  readonly start: (onFault: (error: unknown) => void) => () => Promise<void>
}

type SequencedStore = Pick<Store, 'readFeedHead' | 'numberRevocations' | 'watchFeed' | 'hintFeed'>

/**
 * Any number of nodes may do this beside each other: whoever finds rows without a number takes the lease and numbers them, so none
 * depends on one that is gone. An idle node only reads.
 */
export function createSequencer(store: SequencedStore): Sequencer {
  const listeners = new Set<(head: FeedHead | undefined) => void>()
  let running: Promise<FeedHead> | undefined
  let next: Promise<FeedHead> | undefined

  const number = async (): Promise<FeedHead> => {
    const before = await store.readFeedHead(undefined)
    if (before.isComplete) return before
    while ((await store.numberRevocations(page)).numbered === page);
    void store.hintFeed()
    // Whatever was committed at the first look has its number now, also when more has come since.
    return { ...(await store.readFeedHead(undefined)), asOfMs: before.asOfMs }
  }

  const tell = (head: FeedHead | undefined): void => {
    for (const listener of listeners) listener(head)
  }

  const begin = (): Promise<FeedHead> => {
    running = number()
    // Not part of what is returned: nobody has to handle it.
    running.then(tell, () => tell(undefined))
    const ended = (): void => {
      running = undefined
    }
    running.then(ended, ended)
    return running
  }

  const look = (): Promise<FeedHead> => {
    if (running === undefined) return begin()
    // What is under way may have looked already.
    const again = (): Promise<FeedHead> => {
      next = undefined
      return look()
    }
    next ??= running.then(again, again)
    return next
  }

  return {
    look,
    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    start(onFault) {
      let timer: NodeJS.Timeout | undefined
      let ended = false
      let wasFault = false
      let turn: Promise<void> = Promise.resolve()
      const take = async (): Promise<void> => {
        clearTimeout(timer)
        try {
          await look()
          wasFault = false
        } catch (error) {
          if (!wasFault) onFault(error)
          wasFault = true
        }
        if (ended) return
        clearTimeout(timer)
        timer = setTimeout(run, wasFault ? faultPauseMs : pollMs)
        timer.unref()
      }
      const run = (): void => {
        turn = take()
      }
      const unwatch = store.watchFeed(run)
      run()
      return async () => {
        ended = true
        unwatch()
        clearTimeout(timer)
        await turn
      }
    },
  }
}
