import { randomBytes } from 'node:crypto'
import type { Answer } from '../answer.ts'
import type { Configuration } from '../configuration.ts'
import { createKeySource } from '../keys/key-source.ts'
import type { IssuerRegistry } from '../keys/trusted-issuers.ts'
import { createFeedMetrics, type FeedCount, type FeedReading } from '../reports/feed-metrics.ts'
import type { Revocation, RevocationState } from '../verification/revocation-state.ts'
import type { GatedFeed } from './feed-gate.ts'
import { createFeedToken } from './feed-token.ts'
import { createFreshness } from './freshness.ts'
import type { FeedConfiguration } from './options.ts'
import { createOrder } from './order.ts'
import { answerPush, type PushedFeed, type PushRequest } from './push.ts'
import { createReceiver } from './receiver.ts'
import { createStreamClient } from './stream.ts'
import { createSubscription } from './subscription.ts'
import { synchronise } from './synchronisation.ts'
import { createTransmitter } from './transmitter.ts'
import { isTrouble } from './trouble.ts'

/** Where one revocation feed stands. */
export interface RevocationFeedStatus {
  readonly issuer: string
  readonly transmitter: string
  readonly stream: string | undefined
  readonly epoch: number | undefined
  /** The number of the last event that was applied, where the transmitter numbers them. */
  readonly position: number
  /** Since the last question that was answered in full was sent; `undefined` before the first. */
  readonly ageSeconds: number | undefined
  /** What goes wrong now; `undefined` where nothing does. */
  readonly problem: string | undefined
  /** Events by result and reason, like `refused signature`. */
  readonly events: Readonly<Record<string, number>>
  readonly counts: Readonly<Record<FeedCount, number>>
}

/** All feeds of one guard. */
export interface Feeds {
  readonly gated: ReadonlyMap<string, GatedFeed>
  readonly readings: readonly FeedReading[]
  status(): readonly RevocationFeedStatus[]
  receive(request: PushRequest): Promise<Answer>
  close(): Promise<void>
}

interface Feed extends GatedFeed, FeedReading, PushedFeed {
  readonly isPushed: boolean
  status(): RevocationFeedStatus
  close(): Promise<void>
}

/**
 * Begins to follow the feeds of a configuration, at once.
 *
 * @param write takes a line for the operator
 */
export function startFeeds(
  configuration: Configuration,
  registry: IssuerRegistry,
  revocations: RevocationState,
  write: (line: string) => void,
): Feeds {
  const feeds = configuration.feeds.map((each) => startFeed(each, configuration, registry, revocations, write))
  return {
    gated: new Map(feeds.map((feed) => [feed.issuer, feed])),
    readings: feeds,
    status: () => feeds.map((feed) => feed.status()),
    receive: (request) =>
      answerPush(
        request,
        feeds.filter(({ isPushed }) => isPushed),
      ),
    async close() {
      await Promise.all(feeds.map((feed) => feed.close()))
    },
  }
}

function startFeed(
  feed: FeedConfiguration,
  configuration: Configuration,
  registry: IssuerRegistry,
  revocations: RevocationState,
  write: (line: string) => void,
): Feed {
  const { issuer, audiences, pushEndpoint, rule } = feed
  const { resource, now, elapsed, wait, clockToleranceSeconds, longestTokenLifeSeconds, staleIfErrorSeconds } =
    configuration
  const fetch = configuration.metrics.ofIssuer(issuer).watch(configuration.fetch)
  const metrics = createFeedMetrics()
  const order = createOrder()
  const freshness = createFreshness(configuration)
  const transmitter = createTransmitter(feed.transmitter, fetch, elapsed)
  let critical: ReadonlySet<string> = new Set()
  const keys = createKeySource({
    issuer: feed.transmitter,
    async locate() {
      const metadata = await transmitter.read()
      return isTrouble(metadata) ? metadata : { url: metadata.jwksUri }
    },
    doubt: transmitter.doubt,
    fetch,
    elapsed,
    wait,
    staleIfErrorMs: staleIfErrorSeconds * 1_000,
    metrics: { keysLoaded() {}, keysFailed() {} },
  })
  const expectation = { issuer: feed.transmitter, audiences, clockToleranceSeconds }
  const token = createFeedToken({
    ...feed,
    issuer: feed.transmitter,
    metadata: registry.issuerNamed(feed.transmitter).metadata,
    fetch,
    now,
    elapsed,
  })
  const apply = (entry: Revocation): void => revocations.add(entry, now() / 1_000)
  const receiver = createReceiver({
    ...expectation,
    keys,
    order,
    metrics,
    context: () => ({ issuer, critical, now: now() / 1_000, longestTokenLifeSeconds }),
    enforce(effect) {
      if (effect.kind === 'revoke') apply(effect.entry)
      else {
        registry.withdrawKey(issuer, effect.kid)
        revocations.touch()
      }
    },
  })
  const sink = {
    issuer,
    apply(entries: readonly Revocation[]) {
      for (const entry of entries) {
        try {
          apply(entry)
        } catch (error) {
          if (!(error instanceof TypeError)) throw error
          metrics.event('refused', 'line_time')
        }
      }
    },
    ignored: (why: string) => metrics.event('ignored', why),
  }
  const authorization = `Bearer ${randomBytes(32).toString('base64url')}`
  const subscription = createSubscription({
    description: {
      issuer: feed.transmitter,
      audiences,
      resource,
      push: pushEndpoint === undefined ? undefined : { endpoint: pushEndpoint, authorization },
    },
    transmitter: {
      async read() {
        // It is asked before each poll: so what is over is forgotten where nothing new comes, too.
        revocations.sweep(now() / 1_000)
        const metadata = await transmitter.read()
        if (!isTrouble(metadata)) critical = metadata.criticalMembers
        return metadata
      },
      doubt: transmitter.doubt,
    },
    client: createStreamClient(fetch, token),
    receiver,
    order,
    freshness,
    metrics,
    async synchronise(answer, askedAt, least) {
      const trouble = await synchronise(answer, askedAt, least, { ...expectation, keys, order, sink, now })
      // A key that was withdrawn while events were missed is no longer published; who cannot be asked is asked again later.
      if (trouble === undefined) await registry.reloadKeysOf(issuer).catch(() => {})
      return trouble
    },
    now,
    elapsed,
    pause: configuration.pause,
    chance: Math.random,
    troubled: (problem) => write(JSON.stringify({ event: 'revocation feed problem', issuer, problem })),
  })
  const ageSeconds = (): number | undefined => {
    const { confirmedAt } = freshness
    return confirmedAt === undefined ? undefined : (elapsed() - confirmedAt) / 1_000
  }

  return {
    issuer,
    rule,
    freshness,
    metrics,
    authorization,
    isPushed: pushEndpoint !== undefined,
    get position() {
      return order.position
    },
    get epoch() {
      return order.epoch
    },
    get problem() {
      return subscription.problem
    },
    ageSeconds,
    hurry: subscription.hurry,
    pushed: subscription.pushed,
    status: () => ({
      issuer,
      transmitter: feed.transmitter,
      stream: subscription.streamId,
      epoch: order.epoch,
      position: order.position,
      ageSeconds: ageSeconds(),
      problem: subscription.problem,
      events: Object.fromEntries(metrics.events),
      counts: { ...metrics.counts },
    }),
    close: subscription.close,
  }
}
