/** How old the knowledge of a feed is. It is looked at for every request. */
export interface Freshness {
  /**
   * When the question was sent whose answer says that everything before it is known: milliseconds of the clock that never steps.
   * Minus infinity before the first, and while what is known is in doubt.
   */
  readonly knownAt: number
  /**
   * The same by the clock that tokens are judged by, in epoch milliseconds: a request has read that one anyway. What it gains when
   * that clock is set back lasts until the next {@link align}.
   */
  readonly knownAtTime: number
  /** {@link knownAt}, but for the doubt; `undefined` before the first. */
  readonly confirmedAt: number | undefined
  /** @param askedAt when the question was sent */
  confirm(askedAt: number): void
  /** What is known counts as stale from now on, until a question that is sent later was answered. */
  doubt(): void
  /** Lets both clocks agree on how old it is, by the older word. */
  align(): void
  /** Resolves with whether {@link knownAt} is later than a moment, or comes to be within the given time. */
  wait(milliseconds: number, since: number): Promise<boolean>
}

/** So many requests wait at a time; others are told to come back at once. */
const waitingLimit = 10_000

export interface Clocks {
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
  /** Lets milliseconds pass, by the same clock. */
  readonly pause: (milliseconds: number) => Promise<void>
}

export function createFreshness({ now, elapsed, pause }: Clocks): Freshness {
  let knownAt = Number.NEGATIVE_INFINITY
  let knownAtTime = Number.NEGATIVE_INFINITY
  let confirmedAt: number | undefined
  let doubtedAt = Number.NEGATIVE_INFINITY
  const waiting = new Map<(isConfirmed: boolean) => void, number>()

  return {
    get knownAt() {
      return knownAt
    },
    get knownAtTime() {
      return knownAtTime
    },
    get confirmedAt() {
      return confirmedAt
    },
    confirm(askedAt) {
      // Before the first question nothing was asked, so that an answer to it confirms nothing.
      if (askedAt < doubtedAt || askedAt === Number.NEGATIVE_INFINITY) return
      knownAt = Math.max(knownAt, askedAt)
      knownAtTime = now() - (elapsed() - knownAt)
      confirmedAt = knownAt
      for (const [end, since] of [...waiting]) if (knownAt > since) end(true)
    },
    doubt() {
      doubtedAt = elapsed()
      knownAt = Number.NEGATIVE_INFINITY
      knownAtTime = Number.NEGATIVE_INFINITY
    },
    align() {
      knownAtTime = Math.min(knownAtTime, now() - (elapsed() - knownAt))
    },
    wait(milliseconds, since) {
      if (knownAt > since) return Promise.resolve(true)
      if (waiting.size >= waitingLimit) return Promise.resolve(false)
      return new Promise((resolve) => {
        const end = (isConfirmed: boolean): void => {
          waiting.delete(end)
          resolve(isConfirmed)
        }
        waiting.set(end, since)
        void pause(milliseconds).then(() => end(false))
      })
    },
  }
}
