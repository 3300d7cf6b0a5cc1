/** Chance that is the same in every run with the same seed. */
export interface Chance {
  /** From 0 to below 1. */
  readonly next: () => number
  /** A waiting time with this mean. */
  readonly wait: (mean: number) => number
}

/** The generator sfc32: a period beyond 2^64, a few nanoseconds a number. */
export function createChance(seed: number, stream = 0): Chance {
  let a = seed | 0
  let b = stream | 0
  let c = 0x9e37_79b9
  let count = 1
  const next = (): number => {
    const sum = (((a + b) | 0) + count) | 0
    count = (count + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let round = 0; round < 15; round += 1) next()
  return { next, wait: (mean) => -mean * Math.log(1 - next()) }
}

/** A stretch of time in which something is out of order, in ms. */
export interface Interval {
  readonly from: number
  readonly to: number
}

/** Disorder that comes by chance: so often, for so long, on average. */
export function intervals(chance: Chance, untilMs: number, everyMs: number, forMs: number): readonly Interval[] {
  const found: Interval[] = []
  for (let at = chance.wait(everyMs); at < untilMs; ) {
    const to = at + chance.wait(forMs)
    found.push({ from: at, to })
    at = to + chance.wait(everyMs)
  }
  return found
}

/** The interval that a moment is in, or else the one after it; `undefined` behind the last. Moments may be asked in any order. */
export function intervalAt(all: readonly Interval[], at: number): Interval | undefined {
  let [low, high] = [0, all.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((all[middle] as Interval).to <= at) low = middle + 1
    else high = middle
  }
  return all[low]
}
