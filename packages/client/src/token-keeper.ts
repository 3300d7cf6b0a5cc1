import { type Environment, randomFraction } from './environment.ts'
import { Unavailable } from './errors.ts'
import type { HeldToken } from './token-answer.ts'

/** Keeps one access token fresh for everyone in the process who sends it. */
export interface TokenKeeper {
  /** A token that can be sent now: the held one, or a new one. Starts renewing in the background when it is soon due. */
  current(): Promise<HeldToken>
  /**
   * Another token than the one that a resource server rejected. The rejected one itself where a new one would not help either:
   * it had just replaced another rejected one.
   */
  replace(rejected: HeldToken): Promise<HeldToken>
  /** Gets a new token now. */
  renew(): Promise<HeldToken>
  /** Sends the held token no more, nor one that is being obtained: what they are of is not the session any more. */
  forget(): void
}

export interface TokenKeeperOptions {
  /** Gets a token other than the old one. Never runs twice at once. */
  readonly obtain: (old: HeldToken | undefined) => Promise<HeldToken>
  readonly environment: Environment
  readonly initial?: HeldToken | undefined
  /** Whether there is anything to renew with; without it a token is used to its end. */
  readonly canRenew: () => boolean
}

const earlyLimitSeconds = 60
const unknownLifetimeSeconds = 60
const rejectionPauseSeconds = 30

export function createTokenKeeper({ obtain, environment, initial, canRenew }: TokenKeeperOptions): TokenKeeper {
  const { nowSeconds, random } = environment
  let held = initial
  let renewAt = initial === undefined ? 0 : renewalTime(initial, randomFraction(random))
  let renewing: Promise<HeldToken> | undefined
  let notNow: { readonly error: Unavailable; readonly until: number } | undefined
  let replacement: HeldToken | undefined
  let epoch = 0

  const obtainAndHold = async (): Promise<HeldToken> => {
    const begunIn = epoch
    try {
      const token = await obtain(held)
      if (begunIn === epoch) {
        held = token
        renewAt = renewalTime(token, randomFraction(random))
      }
      return token
    } catch (error) {
      // Whoever is told to come back later does so later, even if others call meanwhile.
      if (error instanceof Unavailable && error.retryAfterSeconds !== undefined) {
        notNow = { error, until: nowSeconds() + error.retryAfterSeconds }
      }
      throw error
    } finally {
      if (begunIn === epoch) renewing = undefined
    }
  }

  const renew = async (): Promise<HeldToken> => {
    if (notNow !== undefined && nowSeconds() < notNow.until) throw notNow.error
    renewing ??= obtainAndHold()
    return await renewing
  }

  return {
    async current() {
      const time = nowSeconds()
      if (held === undefined || !isUsable(held, time, canRenew())) return await renew()
      // The token at hand is good whatever becomes of this, and the next call tries again.
      if (time >= renewAt && canRenew()) renew().catch(() => undefined)
      return held
    },
    async replace(rejected) {
      if (held !== undefined && held !== rejected && isUsable(held, nowSeconds(), canRenew())) return held
      // A resource server that rejects new tokens, one after the other, must not make us hammer the token endpoint.
      if (rejected === replacement && nowSeconds() < rejected.obtainedAt + rejectionPauseSeconds) return rejected
      replacement = await renew()
      return replacement
    },
    renew,
    forget() {
      epoch++
      held = undefined
      renewing = undefined
    },
  }
}

/** Whether a token can be sent, with a little left for its way to the resource server. */
export function isUsable({ obtainedAt, expiresAt }: HeldToken, now: number, canRenew: boolean): boolean {
  if (expiresAt !== undefined) return now < expiresAt - Math.min(5, (expiresAt - obtainedAt) / 20)
  // How long it lives is unknown. Where it cannot be renewed, only the resource server can tell that it is over.
  return !canRenew || now < obtainedAt + unknownLifetimeSeconds
}

/** When to begin renewing: a minute or a fifth of the lifetime before the end, give or take a quarter, by chance. */
export function renewalTime({ obtainedAt, expiresAt }: HeldToken, fraction: number): number {
  const end = expiresAt ?? obtainedAt + unknownLifetimeSeconds
  const early = Math.min(earlyLimitSeconds, (end - obtainedAt) / 5)
  return end - early * (0.75 + fraction / 2)
}
