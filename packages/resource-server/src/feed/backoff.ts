const firstMs = 100
const longestMs = 5_000
const longestAskedMs = 60_000

/**
 * How long to wait after so many failures in a row: from 100 ms on twice as long each time, 5 s at most, and of that a random part
 * between half and all, so that the guards of a fleet do not come back together. What the other side asks for counts up to a minute.
 * RFC 9110 §10.2.3
 *
 * @param chance from 0 to 1
 * @param askedMs what `Retry-After` said
 */
export function backoffMs(failures: number, chance: number, askedMs = 0): number {
  const usual = Math.min(firstMs * 2 ** Math.min(failures - 1, 16), longestMs) * (0.5 + chance / 2)
  return Math.round(Math.max(usual, Math.min(askedMs, longestAskedMs) * (1 + chance / 10)))
}

/** `Retry-After` in milliseconds; of the two forms, seconds alone. */
export function retryAfterMs(headers: Headers): number | undefined {
  const seconds = /^\d{1,6}$/.exec(headers.get('retry-after') ?? '')?.[0]
  return seconds === undefined ? undefined : Number(seconds) * 1_000
}
