/** Bounds how much goes on at a time: the rest waits in order, up to a limit, too. */
export interface Seats {
  /** Whether there is a seat, once it is free; false at once where too many wait for one. */
  take(): Promise<boolean>
  /** Gives a seat that was taken to the next. */
  free(): void
}

export function createSeats(count: number, waitingLimit: number): Seats {
  let taken = 0
  const waiting: ((seated: true) => void)[] = []

  return {
    async take() {
      if (taken < count) {
        taken += 1
        return true
      }
      if (waiting.length >= waitingLimit) return false
      return new Promise<boolean>((resolve) => waiting.push(resolve))
    },
    free() {
      const next = waiting.shift()
      if (next === undefined) taken -= 1
      else next(true)
    },
  }
}
