/** A clock that moves only when everything that can happen now has happened. In ms. */
export interface VirtualClock {
  readonly now: () => number
  readonly schedule: (at: number, action: () => void) => void
  /** Resolves when the clock is there. */
  readonly until: (at: number) => Promise<void>
  /** Work that goes on outside, and that the clock has to wait for. */
  readonly during: <Result>(work: Promise<Result>) => Promise<Result>
  readonly run: (end: number) => Promise<void>
}

export function createVirtualClock(): VirtualClock {
  let now = 0
  let working = 0
  /** In the order of time; few at any moment, for there is a clock for each guard. */
  const timers: { readonly at: number; readonly action: () => void }[] = []

  const schedule = (at: number, action: () => void): void => {
    let place = timers.length
    while (place > 0 && (timers[place - 1]?.at as number) > at) place -= 1
    timers.splice(place, 0, { at: Math.max(at, now), action })
  }
  const settle = async (): Promise<void> => {
    // What was woken may let others go first: a guard does so for every 64 events of an answer, which has 500 at the most.
    for (let turn = 0; turn < 9 || working > 0; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }

  return {
    now: () => now,
    schedule,
    until: (at) => new Promise((resolve) => schedule(at, resolve)),
    async during(work) {
      working += 1
      try {
        return await work
      } finally {
        working -= 1
      }
    },
    async run(end) {
      await settle()
      for (let next = timers[0]; next !== undefined && next.at < end; next = timers[0]) {
        timers.shift()
        now = next.at
        next.action()
        await settle()
      }
      now = end
    },
  }
}
