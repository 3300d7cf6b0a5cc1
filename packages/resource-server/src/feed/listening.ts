import type { FeedMetrics } from '../reports/feed-metrics.ts'
import type { Freshness } from './freshness.ts'
import type { Heartbeats, Verification } from './heartbeats.ts'
import type { FeedOrder } from './order.ts'
import type { Stream } from './stream.ts'
import type { TransmitterMetadata } from './transmitter.ts'
import type { Trouble } from './trouble.ts'

/** Waits for the heartbeats of a stream whose events are pushed, and asks for one where they stay away. RFC 8935 */
export interface Listening {
  /** Waits until something is to be done; `undefined` where all is well. */
  wait(metadata: TransmitterMetadata, of: Stream): Promise<Trouble | undefined>
  /** Takes a heartbeat: everything before it was delivered. */
  hear(heartbeat: Verification): Trouble | undefined
  /** What came before is known, by a snapshot. */
  synchronised(): void
  /** Has the next heartbeat asked for at once. */
  hurry(): void
  /** Waits for no heartbeat any more. */
  stop(): void
}

export interface ListeningOptions {
  /** Whether the stream is synchronised, and still wanted. */
  readonly isFollowing: () => boolean
  readonly heartbeats: Heartbeats
  readonly order: FeedOrder
  readonly freshness: Freshness
  readonly metrics: FeedMetrics
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
  readonly pause: (milliseconds: number) => Promise<void>
}

/** So often one is asked for, of a transmitter that sends none by itself. */
const everyMs = 1_500
/** After this time one that was asked for is missed. */
const overdueMs = 3_000
/** After this time without one (an Arctos sends one every two seconds) one is asked for. */
const silenceMs = 4_000

export function createListening(options: ListeningOptions): Listening {
  const { isFollowing, heartbeats, order, freshness, metrics, elapsed, pause } = options
  let isUrgent = true
  let heardAt = Number.NEGATIVE_INFINITY
  let heard: (() => void) | undefined

  return {
    async wait({ verificationEndpoint, snapshotEndpoint }, of) {
      if (verificationEndpoint === undefined) return { problem: 'push: the transmitter gives no heartbeat' }
      if (!isUrgent && snapshotEndpoint !== undefined) {
        await pause(Math.max(0, silenceMs - (elapsed() - heardAt)))
        if (!isUrgent && elapsed() - heardAt < silenceMs) return undefined
      }
      if (!isFollowing()) return undefined
      const coming = new Promise<void>((resolve) => {
        heard = resolve
      })
      const trouble = await heartbeats.ask(verificationEndpoint, of)
      if (trouble !== undefined) return trouble
      await Promise.race([coming, pause(overdueMs)])
      if (!isFollowing()) return undefined
      if (heartbeats.isAwaited()) return { problem: 'push: the heartbeat did not come', lost: 'stream' }
      isUrgent = false
      if (snapshotEndpoint === undefined) await pause(Math.max(everyMs, of.leastVerificationMs))
      return undefined
    },
    hear(heartbeat) {
      const heardBefore = heardAt
      heardAt = elapsed()
      if (!isFollowing()) return undefined
      const { log } = heartbeat
      if (log !== undefined && log.epoch !== order.epoch) return { problem: 'push: another epoch', lost: 'sync' }
      if (log !== undefined && log.head < order.position) return { problem: 'push: the log went back', lost: 'sync' }
      if (order.hasGap) {
        metrics.gap()
        return { problem: 'push: an event is missing', lost: 'sync' }
      }
      // One that was asked for was made after it was asked for; any other after the one before was taken.
      const askedAt = heartbeats.take(heartbeat)
      if (askedAt !== undefined) {
        freshness.confirm(askedAt)
        heard?.()
      } else if (log !== undefined) freshness.confirm(heardBefore)
      return undefined
    },
    synchronised() {
      isUrgent = true
    },
    hurry() {
      isUrgent = true
    },
    stop() {
      heard?.()
    },
  }
}
