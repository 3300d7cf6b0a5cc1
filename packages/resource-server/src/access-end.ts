import type { Access } from './token-check.ts'

/** The longest time that a timer of Node can wait, in milliseconds: about 24 days. */
const timerLimitMs = 2 ** 31 - 1

/**
 * Fires when the guard would no longer take the token: at its expiry, widened by the clock tolerance. A token that lives for more
 * than 24 days ends here after 24 days; what it was used for can be begun again.
 */
export function endSignal(access: Access, nowMs: number, clockToleranceSeconds: number): AbortSignal {
  const left = Math.ceil((access.expiresAt + clockToleranceSeconds) * 1_000 - nowMs)
  return left <= 0 ? AbortSignal.abort() : AbortSignal.timeout(Math.min(left, timerLimitMs))
}
