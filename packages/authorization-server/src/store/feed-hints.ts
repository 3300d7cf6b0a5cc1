/** Says, as soon as this process can know, that the ledger may have grown. A hint: whoever needs certainty asks at intervals. */
export interface FeedHints {
  /** Calls the listener after a change of this process that took something back, and when another process says that it did. */
  readonly watchFeed: (listener: () => void) => () => void
  /** Says to other processes that there is something new. Never rejects, for nothing depends on it. */
  readonly hintFeed: () => Promise<void>
}

/** Those who want to know, and what tells them. */
export interface Listeners {
  readonly add: (listener: () => void) => () => void
  readonly tell: () => void
  readonly count: () => number
}

export function createListeners(): Listeners {
  const listeners = new Set<() => void>()
  return {
    add(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    tell() {
      for (const listener of listeners) listener()
    },
    count: () => listeners.size,
  }
}
