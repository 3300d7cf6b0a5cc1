/** A clock that runs with this machine's, and can be moved. */
export interface TestClock {
  /** Epoch milliseconds: the `now` of guard, server and client. */
  readonly now: () => number
  /** Epoch seconds. */
  readonly seconds: () => number
  /** Lets time pass at once: `'90s'`, `'5m'`, `'1h'`, `'2d'`, or milliseconds. Never backwards: a RangeError. */
  readonly advance: (by: string | number) => void
}

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

export function createTestClock(): TestClock {
  let passedMs = 0
  const now = (): number => Date.now() + passedMs
  return {
    now,
    seconds: () => Math.floor(now() / 1_000),
    advance(by) {
      passedMs += typeof by === 'number' ? checked(by, by) : readDuration(by)
    },
  }
}

function readDuration(text: string): number {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim()) ?? []
  return checked(Number(amount || Number.NaN) * (unitMs[unit as keyof typeof unitMs] ?? Number.NaN), text)
}

function checked(ms: number, given: unknown): number {
  if (Number.isFinite(ms) && ms >= 0) return ms
  throw new RangeError(`advance: ${JSON.stringify(given)}; allowed is a time ahead, like '90s', '5m', '1h', '2d'`)
}
