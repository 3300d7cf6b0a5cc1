/** A token bucket: lets a burst through at once and the rest one by one. */
export interface Pace {
  /** Resolves when the caller may go. One caller at a time. */
  turn(): Promise<void>
}

/**
 * @param elapsed milliseconds of a clock that never steps
 * @param wait lets milliseconds pass, by the same clock
 */
export function createPace(
  burst: number,
  refillMs: number,
  elapsed: () => number,
  wait: (milliseconds: number) => Promise<void>,
): Pace {
  let tokens = burst
  let filledAt = elapsed()

  return {
    async turn() {
      const now = elapsed()
      tokens = Math.min(burst, tokens + (now - filledAt) / refillMs)
      filledAt = now
      if (tokens < 1) {
        await wait((1 - tokens) * refillMs)
        tokens = 1
        filledAt = elapsed()
      }
      tokens -= 1
    },
  }
}
