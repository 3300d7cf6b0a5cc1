import { randomBytes } from 'node:crypto'
import type { FeedMetrics } from '../reports/feed-metrics.ts'
import { backoffMs } from './backoff.ts'
import type { Effect } from './effect.ts'
import type { Freshness } from './freshness.ts'
import type { FeedOrder } from './order.ts'
import type { Received, Receiver } from './receiver.ts'
import type { SetError, SnapshotAnswer, Stream, StreamClient, StreamDescription } from './stream.ts'
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
}

/** How long a poll may be held: an Arctos holds it for two seconds at the most, others as long as they like. */
const holdMs = { numbered: 2_000, other: 60_000 }
/** Between two polls of which the first brought nothing, though it was not held. */
const leastPollMs = { numbered: 50, other: 1_000 }
/** So often the log may seem to have gone back (nodes read it one after another) before that is believed. */
const behindLimit = 3
const behindPauseMs = 100
const heartbeatMs = { poll: 15_000, push: 1_500 }
/** After this time a heartbeat by push is missed; one by poll, when the next is due. */
const overdueMs = 3_000
/** After this time without a heartbeat by push (an Arctos sends one every two seconds) one is asked for. */
const silenceMs = 4_000
/** So many events are judged before others have their turn: two milliseconds of signatures. */
const sliceEvents = 64
/** After so many failures in a row the addresses themselves are in doubt. */
const doubtAfter = 5

type Verification = Extract<Effect, { kind: 'verification' }>

/** Where a log that numbers its events ends. */
export interface LogEnd {
  readonly epoch: number
  readonly head: number
}

interface Heartbeat {
  readonly state: string
  readonly askedAt: number
}

export function createSubscription(options: SubscriptionOptions): Subscription {
  const { description, transmitter, client, receiver, order, freshness, metrics, elapsed } = options
  const isPushed = description.push !== undefined
  let problem: string | undefined
  let stream: Stream | undefined
  const abandoned: Stream[] = []
  let isSynced = false
  /** Whether the next poll is to be answered at once: something is to be known before anybody can be let in. */
  let isUrgent = true
  let isHurried = false
  /** Where the log was seen last. */
  let seen: LogEnd | undefined
  let timesBehind = 0
  /** Of an answer that did not have everything: what to reach, and when it was asked for. */
  let target: { readonly head: number; readonly askedAt: number } | undefined
  let ack: string[] = []
  let setErrs: Record<string, SetError> = {}
  let heartbeat: Heartbeat | undefined
  let nextHeartbeatAt = 0
  let heardAt = Number.NEGATIVE_INFINITY
  let heard: (() => void) | undefined
  let isClosed = false
  let wake: () => void = () => {}

  /** Lets time pass, but for `close` and for what cannot wait. */
  const pause = (milliseconds: number): Promise<void> => {
    const woken = new Promise<void>((resolve) => {
      wake = resolve
    })
    return Promise.race([options.pause(milliseconds), woken])
  }

  const subscribe = async (metadata: TransmitterMetadata): Promise<Stream | Trouble> => {
    const made = await client.create(metadata, description)
    if (isTrouble(made)) return made
    stream = made
    isSynced = false
    ack = []
    setErrs = {}
    heartbeat = undefined
    nextHeartbeatAt = 0
    return made
  }

  /** Where the log is now, which a snapshot has to reach: what came before this stream will not come by it. */
  const look = async ({ pollEndpoint }: Stream): Promise<Trouble | undefined> => {
    if (pollEndpoint === undefined) return undefined
    const request = { maxEvents: 0, returnImmediately: true, ack: [], setErrs: {} }
    const answer = await client.poll(pollEndpoint, request, 0)
    if (isTrouble(answer)) return answer
    const { epoch, head } = answer
    if (epoch === undefined || head === undefined) return { problem: 'poll: without epoch and head' }
    seen = { epoch, head }
    return undefined
  }

  const sync = async ({ snapshotEndpoint }: TransmitterMetadata, of: Stream): Promise<Trouble | undefined> => {
    if (snapshotEndpoint !== undefined) {
      const behind = await look(of)
      if (behind !== undefined) return behind
      const askedAt = options.now() / 1_000
      const answer = await client.snapshot(snapshotEndpoint, of)
      if (isTrouble(answer)) return answer
      const trouble = await options.synchronise(answer, askedAt, seen)
      if (trouble !== undefined) {
        if (trouble.reason !== undefined) metrics.event('refused', trouble.reason)
        return trouble
      }
      metrics.resynced()
    }
    if (order.epoch !== undefined) seen = { epoch: order.epoch, head: order.position }
    timesBehind = 0
    target = undefined
    isSynced = true
    isUrgent = true
    return undefined
  }

  /** What an event says about the stream itself. */
  const mind = (received: Received): Trouble | undefined => {
    if (received.result !== 'applied' || received.effect === undefined) return undefined
    const { effect } = received
    if (effect.kind === 'verification') return isPushed ? hear(effect) : answered(effect)
    if (effect.kind !== 'stream' || effect.status === 'enabled') return undefined
    freshness.doubt()
    const status = effect.status === 'paused' ? 'paused' : 'disabled'
    return { problem: `stream: ${status} by the transmitter`, lost: 'stream' }
  }

  /** Whether it is the answer to the heartbeat that was asked for. */
  const isAnswer = ({ state }: Verification): boolean => state !== undefined && state === heartbeat?.state

  const answered = (effect: Verification): undefined => {
    if (isAnswer(effect)) heartbeat = undefined
  }

  /**
   * A heartbeat of a transmitter that pushes: everything before was delivered. One that was asked for was made after it was asked
   * for; any other after the one before was taken.
   */
  const hear = (effect: Verification): Trouble | undefined => {
    const heardBefore = heardAt
    heardAt = elapsed()
    if (!isSynced) return undefined
    if (effect.log !== undefined) {
      if (effect.log.epoch !== order.epoch) return { problem: 'push: another epoch', lost: 'sync' }
      if (effect.log.head < order.position) return { problem: 'push: the log went back', lost: 'sync' }
    }
    if (order.hasGap) {
      metrics.gap()
      return { problem: 'push: an event is missing', lost: 'sync' }
    }
    if (isAnswer(effect)) {
      freshness.confirm(heartbeat?.askedAt ?? heardBefore)
      heartbeat = undefined
      heard?.()
    } else if (effect.log !== undefined) freshness.confirm(heardBefore)
    return undefined
  }

  const receiveAll = async (sets: readonly (readonly [string, string])[]): Promise<Trouble | undefined> => {
    let trouble: Trouble | undefined
    for (const [index, [jti, set]] of sets.entries()) {
      if (index % sliceEvents === sliceEvents - 1) await new Promise((resolve) => setImmediate(resolve))
      const received = await receiver.receive(set)
      if (received.result === 'undecided') {
        trouble ??= { problem: received.problem }
        continue
      }
      if (received.result === 'refused') setErrs[jti] = received.error
      // Under whatever name it came: that is the one which the other side waits for.
      else ack.push(jti)
      trouble ??= mind(received)
    }
    return trouble
  }

  const askForHeartbeat = async (endpoint: string, of: Stream): Promise<Trouble | undefined> => {
    const state = randomBytes(12).toString('base64url')
    heartbeat = { state, askedAt: elapsed() }
    nextHeartbeatAt = elapsed() + Math.max(heartbeatMs.poll, of.leastVerificationMs)
    return client.verify(endpoint, of, state)
  }

  const poll = async (metadata: TransmitterMetadata, of: Stream): Promise<Trouble | undefined> => {
    const isNumbered = metadata.snapshotEndpoint !== undefined
    const kind = isNumbered ? 'numbered' : 'other'
    if (!isNumbered && metadata.verificationEndpoint !== undefined && elapsed() >= nextHeartbeatAt) {
      if (heartbeat !== undefined) return { problem: 'poll: the heartbeat did not come', lost: 'stream' }
      const trouble = await askForHeartbeat(metadata.verificationEndpoint, of)
      if (trouble?.lost !== undefined) return trouble
      // It may come too often for the transmitter: polls go on meanwhile.
      if (trouble !== undefined) heartbeat = undefined
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
    const trouble = await receiveAll(answer.sets)
    if (trouble !== undefined) return trouble
    if (isNumbered) {
      const { epoch, head, moreAvailable } = answer
      if (epoch === undefined || head === undefined) return { problem: 'poll: without epoch and head' }
      if (epoch !== order.epoch) return { problem: 'poll: another epoch', lost: 'sync' }
      if (head < (seen?.head ?? 0)) return fellBehind()
      seen = { epoch, head }
      timesBehind = 0
      if (moreAvailable) {
        target ??= { head, askedAt }
        if (order.position >= target.head) {
          freshness.confirm(target.askedAt)
          target = undefined
        }
        return undefined
      }
      if (order.hasGap) {
        metrics.gap()
        return { problem: 'poll: an event is missing', lost: 'sync' }
      }
    } else if (answer.moreAvailable) return undefined
    target = undefined
    freshness.confirm(askedAt)
    isUrgent = false
    const spent = elapsed() - askedAt
    if (!wasUrgent && answer.sets.length === 0 && spent < leastPollMs[kind]) await pause(leastPollMs[kind] - spent)
    return undefined
  }

  const fellBehind = async (): Promise<Trouble | undefined> => {
    timesBehind += 1
    if (timesBehind >= behindLimit) return { problem: 'poll: the log went back', lost: 'sync' }
    await pause(behindPauseMs)
    return undefined
  }

  /** Events come by themselves, and so do the heartbeats of an Arctos; where they do not, they are asked for. */
  const listen = async (metadata: TransmitterMetadata, of: Stream): Promise<Trouble | undefined> => {
    const { verificationEndpoint, snapshotEndpoint } = metadata
    if (verificationEndpoint === undefined) return { problem: 'push: the transmitter gives no heartbeat' }
    if (!isUrgent && !isHurried && snapshotEndpoint !== undefined) {
      await pause(Math.max(0, silenceMs - (elapsed() - heardAt)))
      if (elapsed() - heardAt < silenceMs) return undefined
    }
    isHurried = false
    if (isClosed || !isSynced) return undefined
    const coming = new Promise<void>((resolve) => {
      heard = resolve
    })
    const trouble = await askForHeartbeat(verificationEndpoint, of)
    if (trouble !== undefined) return trouble
    await Promise.race([coming, pause(overdueMs)])
    if (isClosed || !isSynced) return undefined
    if (heartbeat !== undefined) return { problem: 'push: the heartbeat did not come', lost: 'stream' }
    isUrgent = false
    if (snapshotEndpoint === undefined) await pause(Math.max(heartbeatMs.push, of.leastVerificationMs))
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
      const trouble = await sync(metadata, current)
      if (trouble !== undefined) return trouble
    }
    return isPushed ? listen(metadata, current) : poll(metadata, current)
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
      isHurried = true
      wake()
    },
    async pushed(text) {
      const received = await receiver.receive(text)
      const isOfAnotherEpoch = 'isOfAnotherEpoch' in received && received.isOfAnotherEpoch
      const trouble = mind(received)
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
      heard?.()
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
