import type { FeedMetrics } from '../reports/feed-metrics.ts'
import type { Freshness } from './freshness.ts'
import type { Heartbeats } from './heartbeats.ts'
import type { FeedOrder } from './order.ts'
import type { Received, Receiver } from './receiver.ts'
import type { Polled, SetError, Stream, StreamClient } from './stream.ts'
import type { TransmitterMetadata } from './transmitter.ts'
import { isTrouble, type Trouble } from './trouble.ts'

/** Where a log that numbers its events ends. */
export interface LogEnd {
  readonly epoch: number
  readonly head: number
}

/** Asks for the events of one stream after the other. RFC 8936 §2 */
export interface Polling {
  /** Where the log was seen last. */
  readonly seen: LogEnd | undefined
  /** Sees where the log is, and takes nothing from it. */
  look(of: Stream): Promise<Trouble | undefined>
  /** Asks once, and has what came judged. */
  ask(metadata: TransmitterMetadata, of: Stream): Promise<Trouble | undefined>
  /** Begins anew, with another stream. */
  reset(): void
  /** What came before is known, by a snapshot. */
  synchronised(): void
  /** Has the next question answered at once. */
  hurry(): void
}

export interface PollingOptions {
  readonly client: Pick<StreamClient, 'poll'>
  readonly receiver: Receiver
  /** What an event says about the stream itself. */
  readonly mind: (received: Received) => Trouble | undefined
  readonly heartbeats: Heartbeats
  readonly order: FeedOrder
  readonly freshness: Freshness
  readonly metrics: FeedMetrics
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
  readonly pause: (milliseconds: number) => Promise<void>
}

/** How long a poll may be held: an Arctos holds it for two seconds at the most, others as long as they like. */
const holdMs = { numbered: 2_000, other: 60_000 }
/** Between two polls of which the first brought nothing, though it was not held. */
const leastPollMs = { numbered: 50, other: 1_000 }
/** So often the log may seem to have gone back (nodes read it one after another) before that is believed. */
const behindLimit = 3
const behindPauseMs = 100
/** So many events are judged before others have their turn: two milliseconds of signatures. */
const sliceEvents = 64

export function createPolling(options: PollingOptions): Polling {
  const { client, receiver, mind, heartbeats, order, freshness, metrics, elapsed, pause } = options
  /** Whether the next poll is to be answered at once: something is to be known before anybody can be let in. */
  let isUrgent = true
  let isHurried = false
  let seen: LogEnd | undefined
  let timesBehind = 0
  /** Of an answer that did not have everything: what to reach, and when it was asked for. */
  let target: { readonly head: number; readonly askedAt: number } | undefined
  let ack: string[] = []
  let setErrs: Record<string, SetError> = {}

  const receiveAll = async (sets: Polled['sets'], isNumbered: boolean): Promise<Trouble | undefined> => {
    let trouble: Trouble | undefined
    for (const [index, [jti, set]] of sets.entries()) {
      if (index % sliceEvents === sliceEvents - 1) await new Promise((resolve) => setImmediate(resolve))
      const received = await receiver.receive(set)
      if (received.result === 'undecided') {
        trouble ??= { problem: received.problem }
        continue
      }
      // Under whatever name it came: that is the one which the other side waits for.
      if (received.result !== 'refused') ack.push(jti)
      else {
        setErrs[jti] = received.error
        // It will not come again. Where it was one of the log all the same, because of keys that are old, say, a snapshot has it.
        if (isNumbered) trouble ??= { problem: `event: refused, ${received.reason}`, lost: 'sync' }
      }
      trouble ??= mind(received)
    }
    return trouble
  }

  /** Who numbers nothing shows by heartbeats that nothing is missing. */
  const askForHeartbeat = async (endpoint: string, of: Stream): Promise<Trouble | undefined> => {
    if (!heartbeats.isDue()) return undefined
    if (heartbeats.isAwaited()) return { problem: 'poll: the heartbeat did not come', lost: 'stream' }
    const trouble = await heartbeats.ask(endpoint, of)
    if (trouble?.lost !== undefined) return trouble
    // It may come too often for the transmitter: polls go on meanwhile.
    if (trouble !== undefined) heartbeats.forget()
    return undefined
  }

  /** What the end of the log says about what is known; `more` where the rest has still to be asked for. */
  const judgeEnd = async (
    { epoch, head, moreAvailable }: Polled,
    askedAt: number,
  ): Promise<Trouble | 'more' | undefined> => {
    // A stream that somebody paused or disabled says so by that: nothing comes by it any more.
    if (epoch === undefined || head === undefined) return { problem: 'poll: without epoch and head', lost: 'stream' }
    if (epoch !== order.epoch) return { problem: 'poll: another epoch', lost: 'sync' }
    if (head < (seen?.head ?? 0)) return (await fellBehind()) ?? 'more'
    seen = { epoch, head }
    timesBehind = 0
    if (moreAvailable) {
      target ??= { head, askedAt }
      if (order.position < target.head) return 'more'
      freshness.confirm(target.askedAt)
      target = undefined
      return 'more'
    }
    if (!order.hasGap) return undefined
    metrics.gap()
    return { problem: 'poll: an event is missing', lost: 'sync' }
  }

  const fellBehind = async (): Promise<Trouble | undefined> => {
    timesBehind += 1
    if (timesBehind >= behindLimit) return { problem: 'poll: the log went back', lost: 'sync' }
    await pause(behindPauseMs)
    return undefined
  }

  return {
    get seen() {
      return seen
    },
    async look({ pollEndpoint }) {
      if (pollEndpoint === undefined) return undefined
      const request = { maxEvents: 0, returnImmediately: true, ack: [], setErrs: {} }
      const answer = await client.poll(pollEndpoint, request, 0)
      if (isTrouble(answer)) return answer
      const { epoch, head } = answer
      if (epoch === undefined || head === undefined) return { problem: 'poll: without epoch and head' }
      seen = { epoch, head }
      return undefined
    },
    async ask({ snapshotEndpoint, verificationEndpoint }, of) {
      const kind = snapshotEndpoint === undefined ? 'other' : 'numbered'
      if (kind === 'other' && verificationEndpoint !== undefined) {
        const trouble = await askForHeartbeat(verificationEndpoint, of)
        if (trouble !== undefined) return trouble
      }
      const askedAt = elapsed()
      const [wasUrgent, acked, refused] = [isUrgent || isHurried, ack, setErrs]
      isHurried = false
      const request = { returnImmediately: wasUrgent, ack: acked, setErrs: refused }
      const answer = await client.poll(of.pollEndpoint ?? '', request, holdMs[kind])
      isUrgent = true
      if (isTrouble(answer)) return answer
      ack = []
      setErrs = {}
      const trouble = await receiveAll(answer.sets, kind === 'numbered')
      if (trouble !== undefined) return trouble
      const end = kind === 'numbered' ? await judgeEnd(answer, askedAt) : answer.moreAvailable ? 'more' : undefined
      if (end !== undefined) return end === 'more' ? undefined : end
      target = undefined
      freshness.confirm(askedAt)
      isUrgent = false
      const spent = elapsed() - askedAt
      if (!wasUrgent && answer.sets.length === 0 && spent < leastPollMs[kind]) await pause(leastPollMs[kind] - spent)
      return undefined
    },
    reset() {
      ack = []
      setErrs = {}
    },
    synchronised() {
      if (order.epoch !== undefined) seen = { epoch: order.epoch, head: order.position }
      timesBehind = 0
      target = undefined
      isUrgent = true
    },
    hurry() {
      isHurried = true
    },
  }
}
