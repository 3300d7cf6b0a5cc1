import type { Access } from './token-check.ts'

/** The longest time that a timer of Node can wait, in milliseconds: about 24 days. */
const timerLimitMs = 2 ** 31 - 1

/** The signals of what outlives a request: streams, WebSockets. */
export interface AccessEnds {
  /** @param now epoch milliseconds */
  signalOf(access: Access, now: number): AbortSignal
  /** Fires the signals of everything that was taken back. */
  sweep(): void
}

/**
 * A signal fires when the guard would no longer take the token: when it was taken back, and at its expiry, widened by the clock
 * tolerance. A token that lives for more than 24 days ends here after 24 days; what it was used for can be begun again.
 */
export function createAccessEnds(options: {
  readonly clockToleranceSeconds: number
  readonly isGood: (access: Access) => boolean
}): AccessEnds {
  const { clockToleranceSeconds, isGood } = options
  /** Each with what fires its signal; held until then, for nobody says when a stream ended by itself. */
  const open = new Map<() => void, Access>()
  return {
    signalOf(access, now) {
      const left = Math.ceil((access.expiresAt + clockToleranceSeconds) * 1_000 - now)
      if (left <= 0 || !isGood(access)) return AbortSignal.abort()
      const controller = new AbortController()
      const end = (): void => {
        open.delete(end)
        clearTimeout(timer)
        controller.abort()
      }
      const timer = setTimeout(end, Math.min(left, timerLimitMs))
      // A stream keeps the process running by itself, where it should.
      timer.unref()
      open.set(end, access)
      return controller.signal
    },
    sweep() {
      for (const [end, access] of open) if (!isGood(access)) end()
    },
  }
}
