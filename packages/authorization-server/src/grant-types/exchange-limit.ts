import { createRecentCache } from '@arctos/core'

/** So many exchanges of one secret at once, and then one for each pause. A fleet that starts together is let through. */
const burst = 100
const pauseMs = 100

/** Secrets that are counted at a time. */
const keyCount = 10_000

/**
 * How often one secret of a key is exchanged at this node. What is given lives for minutes, so an honest program asks rarely; one in a
 * loop would have us sign without end. Counted in memory: nothing is guessed here, and nothing is worth a write.
 */
export interface ExchangeLimit {
  /** Takes one attempt: `undefined` where there is one, else the seconds until the next. */
  readonly take: (secretHash: string) => number | undefined
}

/** @param now epoch milliseconds */
export function createExchangeLimit(now: () => number): ExchangeLimit {
  // The time at which the whole allowance is there again (GCRA).
  const full = createRecentCache<string, number>(keyCount)
  return {
    take(secretHash) {
      const at = now()
      const next = Math.max(at, full.get(secretHash) ?? 0) + pauseMs
      const waitMs = next - burst * pauseMs - at
      if (waitMs > 0) return Math.ceil(waitMs / 1_000)
      full.set(secretHash, next)
      return undefined
    },
  }
}
