import { randomBytes } from 'node:crypto'

/** Time that stands still until somebody waits or moves it, for client and server alike. */
export interface World {
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly nowSeconds: () => number
  readonly wait: (durationMs: number) => Promise<void>
  readonly random: (byteLength: number) => Uint8Array
  advance(seconds: number): void
  /** What was waited for, in milliseconds. */
  readonly waits: number[]
}

export function createWorld(): World {
  let now = 1_800_000_000
  const waits: number[] = []
  return {
    now: () => now * 1_000,
    nowSeconds: () => now,
    wait: async (durationMs) => {
      waits.push(durationMs)
      now += durationMs / 1_000
    },
    random: randomBytes,
    advance(seconds) {
      now += seconds
    },
    waits,
  }
}
