import { type AccessToken, type Judge, Refusal, strictJudge } from '@arctos/core'
import type { FeedMetrics } from '../reports/feed-metrics.ts'
import type { RevocationState } from '../verification/revocation-state.ts'
import type { TokenCheck } from '../verification/token-check.ts'
import type { Freshness } from './freshness.ts'
import type { FeedRule } from './rule.ts'

/** A feed, as requests see it. */
export interface GatedFeed {
  readonly rule: FeedRule
  readonly freshness: Freshness
  readonly metrics: FeedMetrics
  readonly position: number
  readonly epoch: number | undefined
  readonly problem: string | undefined
  /** Has the next question answered at once. */
  hurry(): void
}

export interface FeedGateOptions {
  /** By issuer. */
  readonly feeds: ReadonlyMap<string, GatedFeed>
  readonly revocations: RevocationState
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
  /** Asks the issuer about a token whose signature was good; throws refusals. `undefined` where nobody can be asked. */
  readonly ask: ((access: AccessToken, check: TokenCheck) => AccessToken | Promise<AccessToken>) | undefined
  /** Takes a line for the operator. */
  readonly write: (line: string) => void
}

/** Lets an access pass that is good by signature, if what was taken back is known well enough. Throws, or rejects with, a refusal. */
export type FeedGate = (access: AccessToken, check: TokenCheck) => AccessToken | Promise<AccessToken>

/** So long a request waits for the first synchronisation. */
const patienceMs = 3_000
/** So long it waits for news where nothing is wrong but their age: this process was frozen, or its machine asleep. */
const hurryMs = 250

/** While a feed is fresh this is one comparison. PROTOCOL §6 */
export function createFeedGate(options: FeedGateOptions): FeedGate {
  const { feeds, revocations, elapsed, ask } = options
  const told = new Set<GatedFeed>()

  const acceptStale = (access: AccessToken, feed: GatedFeed): AccessToken => {
    feed.metrics.acceptedStale()
    if (!told.has(feed)) {
      told.add(feed)
      const { position, problem } = feed
      options.write(JSON.stringify({ event: 'revocation feed stale', issuer: access.issuer, position, problem }))
    }
    return access
  }

  const judgeStale = (
    access: AccessToken,
    check: TokenCheck,
    feed: GatedFeed,
    rule: FeedRule,
  ): AccessToken | Promise<AccessToken> => {
    const ageMs = elapsed() - (feed.freshness.confirmedAt ?? Number.NEGATIVE_INFINITY)
    const isOver = ageMs >= rule.unavailableAfterMs
    if (isOver || rule.whenStale === 'refuse') {
      const limit = isOver ? rule.unavailableAfterMs : rule.staleAfterMs
      refuse(check.judge, 'revocation.stale', `news of the last ${limit / 1_000} s`, describe(feed, ageMs))
      return access
    }
    check.judge('revocation feed', true, 'revocation.stale', rule.whenStale, describe(feed, ageMs))
    if (rule.whenStale === 'accept' || ask === undefined) return acceptStale(access, feed)
    const answer = ask(access, check)
    if (rule.whenStale === 'introspect' || !(answer instanceof Promise)) return answer
    return answer.catch((error: unknown) => {
      if (error instanceof Refusal && isOutage(error)) return acceptStale(access, feed)
      throw error
    })
  }

  const judgeSlowly = async (
    access: AccessToken,
    check: TokenCheck,
    feed: GatedFeed,
    rule: FeedRule,
  ): Promise<AccessToken> => {
    if (feed.freshness.confirmedAt === undefined) {
      const isSynced = await feed.freshness.wait(patienceMs, Number.NEGATIVE_INFINITY)
      if (!isSynced) {
        refuse(check.judge, 'revocation.unsynced', 'a first synchronisation', feed.problem ?? 'none yet')
        return access
      }
      // What was taken back came meanwhile.
      revocations.judge(access, check.judge)
    }
    const isFresh = (): boolean => elapsed() - feed.freshness.knownAt < rule.staleAfterMs
    if (!isFresh() && feed.problem === undefined) {
      feed.hurry()
      await feed.freshness.wait(hurryMs, elapsed() - rule.staleAfterMs)
      revocations.judge(access, check.judge)
    }
    return isFresh() ? access : judgeStale(access, check, feed, rule)
  }

  return (access, check) => {
    const feed = feeds.get(access.issuer)
    if (feed === undefined) return access
    const own = check.revocations
    const staleAfterMs = own?.staleAfterMs ?? feed.rule.staleAfterMs
    // Whoever asks the clock that never steps for each request pays more for that than for all of this.
    const isSurelyFresh = (check.now + 1) * 1_000 - feed.freshness.knownAtTime <= staleAfterMs
    if (isSurelyFresh && check.judge === strictJudge && told.size === 0) return access
    let ageMs = elapsed() - feed.freshness.knownAt
    // The clock that never steps stands still while the machine sleeps, and the other one does not. Once: what is asked from now on counts.
    if (ageMs < staleAfterMs && check.now * 1_000 - feed.freshness.knownAtTime >= staleAfterMs) {
      feed.freshness.doubt()
      ageMs = Number.POSITIVE_INFINITY
    }
    if (ageMs < staleAfterMs) {
      told.delete(feed)
      if (check.judge !== strictJudge) {
        check.judge('revocation feed', true, 'revocation.stale', undefined, describe(feed, ageMs))
      }
      return access
    }
    return judgeSlowly(access, check, feed, own === undefined ? feed.rule : { ...feed.rule, ...own })
  }
}

function refuse(
  judge: Judge,
  reason: 'revocation.unsynced' | 'revocation.stale',
  expected: string,
  received: string,
): void {
  if (judge !== strictJudge) {
    judge('revocation feed', false, reason, expected, received)
    return
  }
  throw new Refusal(reason, { check: 'revocation feed', expected, received, retryAfterSeconds: 1 })
}

function isOutage({ reason }: Refusal): boolean {
  return reason === 'introspection.unavailable' || reason === 'keys.unavailable'
}

function describe({ epoch, position, problem }: GatedFeed, ageMs: number): string {
  const place = epoch === undefined ? '' : `, at ${position} of epoch ${epoch}`
  return `${(ageMs / 1_000).toFixed(1)} s old${place}${problem === undefined ? '' : `; ${problem}`}`.slice(0, 200)
}
