import { type Reason, Refusal, refusalRow } from '@arctos/core'
import type { Fetch } from '../outbound-fetch.ts'

/**
 * What a guard counts. Whoever does something counts it here, and nothing that is handed in comes from a request: labels are
 * reasons of the table of refusals and issuers of the configuration, so they are bounded in count, too.
 */
export interface GuardMetrics {
  /** Counts one decision about a request; without a reason it was allowed. */
  decided(reason?: Reason): void
  /** Looks into the cache of verified tokens. */
  readonly verifiedTokens: { hits: number; misses: number }
  /** What is measured of one issuer. All that the configuration does not name share one. */
  ofIssuer(issuer: string): IssuerMetrics
  /** Measures one question to the introspection endpoint; claims are what the issuer says of an active token. */
  introspected<Told extends { readonly claims: unknown }>(ask: () => Promise<Told>): Promise<Told>
  /** Told of each introspection as it ends, in seconds. */
  onIntrospection: ((outcome: IntrospectionOutcome, seconds: number) => void) | undefined
  /** Everything that was counted, to be read when somebody asks for it. */
  readonly figures: Figure[]
  readonly introspections: Histogram
}

/** What is measured of one issuer. */
export interface IssuerMetrics {
  /** @param askedAt when the keys were asked for, in milliseconds of the clock that never steps */
  keysLoaded(askedAt: number): void
  keysFailed(): void
  /** Asks like `fetch`, and reads the issuer's clock from the answers. */
  watch(fetch: Fetch): Fetch
}

export type Labels = Readonly<Record<string, string>>
export type IntrospectionOutcome = 'active' | 'inactive' | 'unavailable'

/** One figure, named as OpenTelemetry does it; Prometheus puts `_` for the dots and adds the unit. */
export interface Figure {
  readonly name: string
  readonly kind: 'counter' | 'gauge'
  readonly unit: 's' | ''
  readonly help: string
  readonly read: () => readonly { readonly labels: Labels; readonly value: number }[]
}

/** Durations by outcome: `counts` by upper bound, the last of them without one. */
export interface Histogram {
  readonly name: string
  readonly help: string
  readonly bounds: readonly number[]
  readonly read: () => readonly { readonly labels: Labels; readonly counts: readonly number[]; readonly sum: number }[]
}

export interface GuardMetricsOptions {
  /** The issuers that the configuration names. */
  readonly issuers: readonly string[]
  /** Epoch milliseconds: the clock that tokens are judged by. */
  readonly now: () => number
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
}

/** For the issuers that a function trusts: it may name any number of them. */
const otherIssuers = '(others)'
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const

/** Makes the counters of one guard. Counting costs tens of nanoseconds; everything else is done when somebody reads. */
export function createGuardMetrics({ issuers, now, elapsed }: GuardMetricsOptions): GuardMetrics {
  let allowed = 0
  const refused = new Map<Reason, number>()
  const verifiedTokens = { hits: 0, misses: 0 }
  const byIssuer = new Map([...issuers, otherIssuers].map((issuer) => [issuer, createIssuerCounts(now)]))
  const durations = new Map<IntrospectionOutcome, { counts: number[]; sum: number }>()

  const introspectionEnded = (outcome: IntrospectionOutcome, startedAt: number): void => {
    const seconds = (elapsed() - startedAt) / 1_000
    const of = durations.get(outcome) ?? { counts: Array(bounds.length + 1).fill(0), sum: 0 }
    durations.set(outcome, of)
    const index = bounds.findIndex((bound) => seconds <= bound)
    const bucket = index < 0 ? bounds.length : index
    of.counts[bucket] = (of.counts[bucket] ?? 0) + 1
    of.sum += seconds
    metrics.onIntrospection?.(outcome, seconds)
  }

  const ofEachIssuer = (read: (counts: IssuerCounts) => number | undefined) => () =>
    [...byIssuer].flatMap(([issuer, counts]) => {
      const value = read(counts)
      return value === undefined ? [] : [{ labels: { issuer }, value }]
    })

  const metrics: GuardMetrics = {
    decided(reason) {
      if (reason === undefined) allowed += 1
      else refused.set(reason, (refused.get(reason) ?? 0) + 1)
    },
    verifiedTokens,
    ofIssuer: (issuer) => byIssuer.get(issuer) ?? (byIssuer.get(otherIssuers) as IssuerCounts),
    async introspected(ask) {
      const startedAt = elapsed()
      try {
        const told = await ask()
        introspectionEnded(told.claims === undefined ? 'inactive' : 'active', startedAt)
        return told
      } catch (error) {
        if (error instanceof Refusal) introspectionEnded('unavailable', startedAt)
        throw error
      }
    },
    onIntrospection: undefined,
    figures: [
      {
        name: 'arctos.guard.requests',
        kind: 'counter',
        unit: '',
        help: 'Decisions about requests, by result and reason of the refusal.',
        read: () => [
          { labels: { result: 'allowed' }, value: allowed },
          ...[...refused].map(([reason, value]) => ({ labels: { result: resultOf(reason), reason }, value })),
        ],
      },
      {
        name: 'arctos.guard.verified_tokens',
        kind: 'counter',
        unit: '',
        help: 'Looks into the cache of verified tokens.',
        read: () => [
          { labels: { cache: 'hit' }, value: verifiedTokens.hits },
          { labels: { cache: 'miss' }, value: verifiedTokens.misses },
        ],
      },
      {
        name: 'arctos.guard.key_loads',
        kind: 'counter',
        unit: '',
        help: 'Questions for the keys of an issuer that were answered.',
        read: ofEachIssuer(({ loads }) => loads),
      },
      {
        name: 'arctos.guard.key_load_failures',
        kind: 'counter',
        unit: '',
        help: 'Questions for the keys of an issuer that failed.',
        read: ofEachIssuer(({ failures }) => failures),
      },
      {
        name: 'arctos.guard.key_age',
        kind: 'gauge',
        unit: 's',
        help: 'Time since the issuer last told or confirmed its keys.',
        read: ofEachIssuer(({ askedAt }) => (askedAt === undefined ? undefined : (elapsed() - askedAt) / 1_000)),
      },
      {
        name: 'arctos.guard.clock_skew',
        kind: 'gauge',
        unit: 's',
        help: 'How far the clock of the issuer is ahead of this one, to about a second.',
        read: ofEachIssuer(({ skewSeconds }) => skewSeconds),
      },
    ],
    introspections: {
      name: 'arctos.guard.introspection',
      help: 'Questions to the introspection endpoint, by outcome.',
      bounds,
      read: () => [...durations].map(([outcome, { counts, sum }]) => ({ labels: { outcome }, counts, sum })),
    },
  }
  return metrics
}

function resultOf(reason: Reason): 'refused' | 'unavailable' {
  return refusalRow(reason).status >= 500 ? 'unavailable' : 'refused'
}

interface IssuerCounts extends IssuerMetrics {
  readonly loads: number
  readonly failures: number
  readonly askedAt: number | undefined
  readonly skewSeconds: number | undefined
}

function createIssuerCounts(now: () => number): IssuerCounts {
  const counts = {
    loads: 0,
    failures: 0,
    askedAt: undefined as number | undefined,
    skewSeconds: undefined as number | undefined,
    keysLoaded(askedAt: number) {
      counts.loads += 1
      counts.askedAt = askedAt
    },
    keysFailed() {
      counts.failures += 1
    },
    watch:
      (fetch: Fetch): Fetch =>
      async (url, init) => {
        const sentAt = now()
        const response = await fetch(url, init)
        const skew = skewOf(response.headers, sentAt, now())
        if (skew !== undefined) counts.skewSeconds = skew
        return response
      },
  }
  return counts
}

/**
 * The issuer's clock against ours, in seconds, from `Date` and, for what a cache held, `Age` (RFC 9110 §6.6.1, RFC 9111
 * §5.1). Not from `iat` of tokens: when a token is shown is up to its holder, so it could only tell that the issuer is ahead,
 * never that it is behind.
 */
function skewOf(headers: Headers, sentAt: number, receivedAt: number): number | undefined {
  const date = Date.parse(headers.get('date') ?? '')
  const age = Number(headers.get('age') ?? 0)
  if (Number.isNaN(date) || !(age >= 0)) return undefined
  // `Date` is cut to whole seconds: half of one is lost on average.
  return (date + age * 1_000 + 500 - (sentAt + receivedAt) / 2) / 1_000
}
