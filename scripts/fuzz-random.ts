/** Chance that a seed repeats. */
export interface Chance {
  /** A whole number from 0 up to, not including, `limit`. */
  readonly below: (limit: number) => number
  readonly pick: <Value>(values: readonly Value[]) => Value
  readonly bytes: (length: number) => Buffer
  /** Whether it happens, one time in `often`. */
  readonly oneIn: (often: number) => boolean
}

/** xorshift32: fast, and good enough to wander about. */
export function createChance(seed: number): Chance {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state
  }
  const below = (limit: number): number => next() % limit
  return {
    below,
    pick: (values) => values[below(values.length)] as (typeof values)[number],
    bytes: (length) => Buffer.from(Array.from({ length }, () => next() & 0xff)),
    oneIn: (often) => below(often) === 0,
  }
}
