/** Bounds how much goes on at a time: the rest waits in order, so many and so long at most. */
export interface Seats {
  /** Whether there is a seat, once one is free: false for who would be one too many, or has waited too long. */
  take(): Promise<boolean>
  /** Gives a seat that was taken to the next. */
  free(): void
}

export interface SeatsOptions {
  readonly count: number
  readonly waitingLimit: number
  /** Who has waited longer is sent away when a seat is free: others behind him may still be in time. */
  readonly patienceMs: number
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
}

export function createSeats({ count, waitingLimit, patienceMs, elapsed }: SeatsOptions): Seats {
  const waiting: { readonly since: number; readonly answer: (seated: boolean) => void }[] = []
  let taken = 0

  return {
    async take() {
      if (taken < count) {
        taken += 1
        return true
      }
      if (waiting.length >= waitingLimit) return false
      return new Promise<boolean>((answer) => waiting.push({ since: elapsed(), answer }))
    },
    free() {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const isInTime = elapsed() - next.since <= patienceMs
        next.answer(isInTime)
        if (isInTime) return
      }
      taken -= 1
    },
  }
}
