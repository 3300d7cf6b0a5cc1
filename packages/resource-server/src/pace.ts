/** A token bucket: lets a burst through at once and the rest one by one. */
export interface Pace {
  /** Resolves when the caller may go. One caller at a time. */
  turn(): Promise<void>
}

/** @param elapsed milliseconds of a clock that never steps */
export function createPace(burst: number, refillMs: number, elapsed: () => number): Pace {
  let tokens = burst
  let filledAt = elapsed()

  return {
    async turn() {
      const now = elapsed()
      tokens = Math.min(burst, tokens + (now - filledAt) / refillMs)
      filledAt = now
      if (tokens < 1) {
        const waitMs = (1 - tokens) * refillMs
        await new Promise((resolve) => setTimeout(resolve, waitMs))
        tokens = 1
        filledAt = elapsed()
      }
      tokens -= 1
    },
  }
}
