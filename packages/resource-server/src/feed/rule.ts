/**
 * What happens to a request while the feed has been silent for longer than `staleAfterSeconds`. `introspect or accept` asks the
 * issuer, and takes the token where it does not answer, too; `introspect` answers 503 then.
 */
export type WhenStale = 'introspect or accept' | 'introspect' | 'accept' | 'refuse'

/** How old the knowledge of what was taken back may be, and what follows. */
export interface FeedTimes {
  /** From this age on `whenStale` holds: 1 to 3,600, by default 5. */
  readonly staleAfterSeconds?: number | undefined
  /** From this age on requests are answered 503, whatever `whenStale` says: up to 86,400, by default 60. */
  readonly unavailableAfterSeconds?: number | undefined
  /** By default `introspect or accept` where introspection is configured for the issuer, else `accept`. */
  readonly whenStale?: WhenStale | undefined
}

/** What a route says about the feed: `strict` answers 503 as soon as it is stale. */
export type FeedPolicy = 'strict' | FeedTimes

export interface FeedRule {
  readonly staleAfterMs: number
  readonly unavailableAfterMs: number
  readonly whenStale: WhenStale
}

/** What a route declares for itself; the guard's own rule holds for the rest. */
export type FeedDemand = Partial<FeedRule>

export const defaultRule = { staleAfterMs: 5_000, unavailableAfterMs: 60_000 } as const

export const timesNames = ['staleAfterSeconds', 'unavailableAfterSeconds', 'whenStale'] as const
const behaviours: readonly unknown[] = ['introspect or accept', 'introspect', 'accept', 'refuse']

/**
 * Reads declared times. Calls `fail` with the member, what it is and what is allowed.
 *
 * @param rule what holds where nothing is declared
 * @param canAsk whether the issuer can be asked about tokens
 */
export function readTimes(
  { staleAfterSeconds: stale, unavailableAfterSeconds: unavailable, whenStale }: FeedTimes,
  rule: Pick<FeedRule, 'staleAfterMs' | 'unavailableAfterMs'>,
  canAsk: boolean,
  fail: (member: string, received: unknown, allowed: string) => never,
): FeedDemand {
  if (stale !== undefined && !(typeof stale === 'number' && stale >= 1 && stale <= 3_600))
    fail('staleAfterSeconds', stale, 'a number of seconds from 1 to 3600')
  const least = stale ?? rule.staleAfterMs / 1_000
  const end = unavailable ?? rule.unavailableAfterMs / 1_000
  if (!(typeof end === 'number' && end >= least && end <= 86_400))
    fail('unavailableAfterSeconds', end, `a number of seconds from staleAfterSeconds (${least}) to 86400`)
  if (whenStale !== undefined && !behaviours.includes(whenStale)) fail('whenStale', whenStale, behaviours.join(', '))
  if (whenStale?.startsWith('introspect') === true && !canAsk)
    fail('whenStale', whenStale, `${behaviours.slice(2).join(', ')}, where no introspection is configured`)
  return {
    ...(stale === undefined ? {} : { staleAfterMs: stale * 1_000 }),
    ...(unavailable === undefined ? {} : { unavailableAfterMs: unavailable * 1_000 }),
    ...(whenStale === undefined ? {} : { whenStale }),
  }
}
