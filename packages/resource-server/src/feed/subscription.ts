import type { FeedMetrics } from '../reports/feed-metrics.ts'
import { backoffMs } from './backoff.ts'
import type { Freshness } from './freshness.ts'
import { createHeartbeats } from './heartbeats.ts'
import { createListening } from './listening.ts'
import type { FeedOrder } from './order.ts'
import { createPolling, type LogEnd } from './polling.ts'
import type { Received, Receiver } from './receiver.ts'
import type { SnapshotAnswer, Stream, StreamClient, StreamDescription } from './stream.ts'
import type { Transmitter, TransmitterMetadata } from './transmitter.ts'
import { isTrouble, type Trouble } from './trouble.ts'

/** Follows one feed, from its construction on until it is closed. */
export interface Subscription {
  /** What went wrong last; `undefined` where nothing did since the last success. */
  readonly problem: string | undefined
  readonly streamId: string | undefined
  /** Has the next question answered at once: what is known grew old while nobody asked. */
  hurry(): void
  /** Takes an event that was pushed. */
  pushed(text: string): Promise<Received>
  /** Ends the stream; resolves when the transmitter was told, or could not be. */
  close(): Promise<void>
}

export interface SubscriptionOptions {
  readonly description: StreamDescription
  readonly transmitter: Transmitter
  readonly client: StreamClient
  readonly receiver: Receiver
  readonly order: FeedOrder
  readonly freshness: Freshness
  readonly metrics: FeedMetrics
  /**
   * Verifies a snapshot and applies it.
   *
   * @param askedAt epoch seconds
   * @param least where the log is known to have been: one that ends before would leave a gap that nothing fills
   */
  readonly synchronise: (
    answer: SnapshotAnswer,
    askedAt: number,
    least: LogEnd | undefined,
  ) => Promise<Trouble | undefined>
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
  /** Lets milliseconds pass, by the same clock. */
  readonly pause: (milliseconds: number) => Promise<void>
  /** From 0 to 1. */
  readonly chance: () => number
  /** Told once of a problem that does not go away by itself. */
  readonly troubled: (problem: string) => void
}

/** After so many failures in a row the addresses themselves are in doubt. */
const doubtAfter = 5
/** After so many, in about a second, somebody should know. */
const tellAfter = 4

/** Makes the stream, reads the snapshot, and then polls or listens, over and over; whatever is lost is made anew. PROTOCOL §6 */
export function createSubscription(options: SubscriptionOptions): Subscription {
  const { description, transmitter, client, receiver, order, freshness, metrics, elapsed } = options
  const isPushed = description.push !== undefined
  let problem: string | undefined
  let stream: Stream | undefined
  const abandoned: Stream[] = []
  let isSynced = false
  let isClosed = false
  let wake: () => void = () => {}

  /** Lets time pass, but for `close` and for what cannot wait. */
  const pause = (milliseconds: number): Promise<void> => {
    const woken = new Promise<void>((resolve) => {
      wake = resolve
    })
    return Promise.race([options.pause(milliseconds), woken])
  }

  /** What an event says about the stream itself. */
  const mind = (received: Received): Trouble | undefined => {
    if (received.result !== 'applied' || received.effect === undefined) return undefined
    const { effect } = received
    if (effect.kind === 'verification') {
      if (isPushed) return listening.hear(effect)
      heartbeats.take(effect)
      return undefined
    }
    if (effect.kind !== 'stream' || effect.status === 'enabled') return undefined
    freshness.doubt()
    const status = effect.status === 'paused' ? 'paused' : 'disabled'
    return { problem: `stream: ${status} by the transmitter`, lost: 'stream' }
  }

  const isFollowing = (): boolean => isSynced && !isClosed
  const heartbeats = createHeartbeats(client, elapsed)
  const shared = { heartbeats, order, freshness, metrics, elapsed, pause }
  const polling = createPolling({ ...shared, client, receiver, mind })
  const listening = createListening({ ...shared, isFollowing })

  const subscribe = async (metadata: TransmitterMetadata): Promise<Stream | Trouble> => {
    const made = await client.create(metadata, description)
    if (isTrouble(made)) return made
    stream = made
    isSynced = false
    polling.reset()
    heartbeats.reset()
    return made
  }

  const synchronise = async ({ snapshotEndpoint }: TransmitterMetadata, of: Stream): Promise<Trouble | undefined> => {
    if (snapshotEndpoint !== undefined) {
      // Where the log is now the snapshot has to reach: what came before this stream will not come by it.
      const behind = await polling.look(of)
      if (behind !== undefined) return behind
      const askedAt = options.now() / 1_000
      const answer = await client.snapshot(snapshotEndpoint, of)
      if (isTrouble(answer)) return answer
      const trouble = await options.synchronise(answer, askedAt, polling.seen)
      if (trouble !== undefined) {
        if (trouble.reason !== undefined) metrics.event('refused', trouble.reason)
        return trouble
      }
      metrics.resynced()
    }
    polling.synchronised()
    listening.synchronised()
    isSynced = true
    return undefined
  }

  const step = async (): Promise<Trouble | undefined> => {
    freshness.align()
    const metadata = await transmitter.read()
    if (isTrouble(metadata)) return metadata
    await removeAbandoned(metadata)
    const current = stream ?? (await subscribe(metadata))
    if (isTrouble(current)) return current
    if (!isSynced) {
      const trouble = await synchronise(metadata, current)
      if (trouble !== undefined) return trouble
    }
    return isPushed ? listening.wait(metadata, current) : polling.ask(metadata, current)
  }

  const note = (trouble: Trouble): void => {
    problem = trouble.problem
    metrics.failed()
    if (trouble.lost === 'sync' || trouble.lost === 'stream') isSynced = false
    if (trouble.lost === 'stream' && stream !== undefined) {
      abandoned.push(stream)
      stream = undefined
    }
  }

  /** What is not followed any more must not fill up over there. Whether that works is not worth waiting for again. */
  const removeAbandoned = async (metadata: TransmitterMetadata): Promise<void> => {
    for (let each = abandoned.pop(); each !== undefined; each = abandoned.pop()) await client.remove(metadata, each)
  }

  const follow = async (): Promise<void> => {
    let failures = 0
    while (!isClosed) {
      const trouble = await step().catch((error: unknown): Trouble => ({ problem: nameOf(error) }))
      if (isClosed) return
      if (trouble === undefined) {
        failures = 0
        problem = undefined
        continue
      }
      failures += 1
      if (failures % doubtAfter === 0) transmitter.doubt()
      note(trouble)
      if (failures === tellAfter) options.troubled(trouble.problem)
      await pause(backoffMs(failures, options.chance(), trouble.retryAfterMs))
    }
  }

  const following = Promise.resolve().then(follow)

  return {
    get problem() {
      return problem
    },
    get streamId() {
      return stream?.id
    },
    hurry() {
      polling.hurry()
      listening.hurry()
      wake()
    },
    async pushed(text) {
      const received = await receiver.receive(text)
      const isOfAnotherEpoch = 'isOfAnotherEpoch' in received && received.isOfAnotherEpoch
      const isLost = received.result === 'refused' && order.epoch !== undefined
      const trouble: Trouble | undefined = isLost
        ? { problem: `event: refused, ${received.reason}`, lost: 'sync' }
        : mind(received)
      if (trouble !== undefined) note(trouble)
      if (trouble !== undefined || isOfAnotherEpoch) wake()
      if (isOfAnotherEpoch) isSynced = false
      return received
    },
    async close() {
      if (isClosed) return
      isClosed = true
      client.abort()
      wake()
      listening.stop()
      await following
      const metadata = await transmitter.read()
      if (isTrouble(metadata)) return
      if (stream !== undefined) abandoned.push(stream)
      await removeAbandoned(metadata)
    },
  }
}

/** A fault of ours; its message may repeat what was sent. */
function nameOf(error: unknown): string {
  return `fault: ${error instanceof Error ? error.name : typeof error}`
}
