import type { Figure } from './metrics.ts'

/** What is counted of one revocation feed. Labels are words of closed lists, never of a message. */
export interface FeedMetrics {
  /** Counts one event. @param reason a word of a closed list */
  event(result: 'applied' | 'duplicate' | 'ignored' | 'refused', reason?: string): void
  /** A critical member of a subject was not understood, so that more was ended than was meant. */
  widened(): void
  resynced(): void
  gap(): void
  failed(): void
  /** A request was let in although the feed was stale. */
  acceptedStale(): void
  /** The counts of events, by result and reason. */
  readonly events: ReadonlyMap<string, number>
  readonly counts: Readonly<Record<FeedCount, number>>
}

export type FeedCount = 'resyncs' | 'gaps' | 'failures' | 'widened' | 'acceptedStale'

/** Where a feed stands when somebody reads the figures. */
export interface FeedReading {
  readonly issuer: string
  readonly metrics: FeedMetrics
  /** Since the last question that was answered in full was sent; `undefined` before the first. */
  ageSeconds(): number | undefined
  /** Of the last event that was applied, where the transmitter numbers them. */
  readonly position: number
}

export function createFeedMetrics(): FeedMetrics {
  const events = new Map<string, number>()
  const counts = { resyncs: 0, gaps: 0, failures: 0, widened: 0, acceptedStale: 0 }
  const countUp = (name: FeedCount) => (): void => {
    counts[name] += 1
  }
  return {
    event(result, reason) {
      const name = reason === undefined ? result : `${result} ${reason}`
      events.set(name, (events.get(name) ?? 0) + 1)
    },
    widened: countUp('widened'),
    resynced: countUp('resyncs'),
    gap: countUp('gaps'),
    failed: countUp('failures'),
    acceptedStale: countUp('acceptedStale'),
    events,
    counts,
  }
}

/** The figures of all feeds of a guard; none where it has no feed. @param size how many entries are held */
export function feedFigures(feeds: readonly FeedReading[], size: () => number): readonly Figure[] {
  if (feeds.length === 0) return []
  const counter = (name: string, help: string, of: FeedCount): Figure => ({
    name: `arctos.guard.feed_${name}`,
    kind: 'counter',
    unit: '',
    help,
    read: () => feeds.map(({ issuer, metrics }) => ({ labels: { issuer }, value: metrics.counts[of] })),
  })
  return [
    {
      name: 'arctos.guard.feed_age',
      kind: 'gauge',
      unit: 's',
      help: 'Age of what is known of revocations: time since the last question that was answered in full was sent.',
      read: () =>
        feeds.flatMap((feed) => {
          const value = feed.ageSeconds()
          return value === undefined ? [] : [{ labels: { issuer: feed.issuer }, value }]
        }),
    },
    {
      name: 'arctos.guard.feed_position',
      kind: 'gauge',
      unit: '',
      help: 'Number of the last event that was applied.',
      read: () => feeds.map(({ issuer, position }) => ({ labels: { issuer }, value: position })),
    },
    {
      name: 'arctos.guard.feed_events',
      kind: 'counter',
      unit: '',
      help: 'Security events, by result and reason.',
      read: () =>
        feeds.flatMap(({ issuer, metrics }) =>
          [...metrics.events].map(([name, value]) => {
            const [result = '', reason] = name.split(' ')
            return { labels: { issuer, result, ...(reason === undefined ? {} : { reason }) }, value }
          }),
        ),
    },
    counter('resyncs', 'Snapshots that were applied.', 'resyncs'),
    counter('gaps', 'Times that an event was missing.', 'gaps'),
    counter('failures', 'Attempts to follow the feed that failed.', 'failures'),
    counter('widened', 'Events of which a critical part was not understood, so that more was ended.', 'widened'),
    counter('stale_accepts', 'Requests let in while the feed was stale.', 'acceptedStale'),
    {
      name: 'arctos.guard.revocations',
      kind: 'gauge',
      unit: '',
      help: 'Entries of what was taken back that are held.',
      read: () => [{ labels: {}, value: size() }],
    },
  ]
}
