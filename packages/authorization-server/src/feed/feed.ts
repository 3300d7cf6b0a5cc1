import { createRecentCache, deriveKey, seal, unseal } from '@arctos/core'
import type { Journal } from '../journal.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Store } from '../store/store.ts'
import type { Stream } from '../store/stream.ts'
import { createEventSigner } from './event-signer.ts'
import { answerPoll, type PollAnswer, type PollParts, type PollRequest, usualHoldMs } from './poll.ts'
import { createProgress, isQuiet } from './progress.ts'
import { type Pusher, startPusher } from './push.ts'
import { type PushTimes, usualPushTimes } from './push-stream.ts'
import type { Sequencer } from './sequencer.ts'
import { createSnapshotMaker, type Snapshot } from './snapshot.ts'
import { createTail } from './tail.ts'

/** The transmitter: what was taken back, told to whoever guards with it (PROTOCOL §6, SSF §1). */
export interface Feed {
  readonly poll: (stream: Stream, request: PollRequest, nowSeconds: number) => Promise<PollAnswer>
  readonly snapshot: (stream: Stream) => Promise<Snapshot>
  /** A receiver asked about its stream, which is a sign of its life (SSF §8.1.1). */
  readonly touch: (stream: Stream, nowSeconds: number) => Promise<void>
  /** This node changed a stream: whoever waits on it looks again. */
  readonly streamChanged: (streamId: string) => void
  /** Seals the `Authorization` that events are pushed with, for one stream. */
  readonly sealAuthorization: (streamId: string, header: string) => string
  /** Starts to push. What it returns ends that, wakes whoever waits, and lets nobody wait any more. */
  readonly start: () => () => Promise<void>
}

/** How long things take; only tests give other times. */
export interface FeedTimes extends PushTimes {
  /** How long a poll is held while there is nothing to say, in milliseconds. */
  readonly holdMs: number
}

export interface FeedOptions {
  readonly issuer: string
  readonly store: Store
  readonly keys: KeyRing
  readonly sequencer: Sequencer
  readonly journal: Journal
  readonly now: () => number
  readonly random: (byteLength: number) => Buffer
  readonly times?: Partial<FeedTimes> | undefined
}

export function createFeed(options: FeedOptions): Feed {
  const { issuer, store, keys, sequencer, journal, now, random } = options
  const tail = createTail(store, sequencer)
  const progress = createProgress(issuer, store, tail)
  const signer = createEventSigner(issuer, keys)
  const makeSnapshot = createSnapshotMaker(issuer, store, tail, signer, () => Math.floor(now() / 1_000))
  const waiting = new Map<string, Set<() => void>>()

  // Whoever read a stream before it changed must not sleep over that, so changes are counted.
  const versions = createRecentCache<string, number>(10_000)
  let changes = 0
  const versionOf = (streamId: string): number => versions.get(streamId) ?? 0

  const changed: PollParts['changed'] = (streamId, since, until) =>
    new Promise((resolve) => {
      if (until.aborted || versionOf(streamId) !== since) return resolve()
      const waiters = waiting.get(streamId) ?? new Set()
      waiting.set(streamId, waiters)
      const end = (): void => {
        waiters.delete(end)
        if (waiters.size === 0 && waiting.get(streamId) === waiters) waiting.delete(streamId)
        until.removeEventListener('abort', end)
        resolve()
      }
      waiters.add(end)
      until.addEventListener('abort', end)
    })
  const times = { holdMs: usualHoldMs, ...usualPushTimes, ...options.times }
  const parts = { issuer, store, tail, progress, signer, versionOf, changed, holdMs: times.holdMs }
  let pusher: Pusher | undefined

  return {
    poll: (stream, request, nowSeconds) => answerPoll(parts, stream, request, nowSeconds),
    snapshot: ({ audience, resourceKey, acked }) => makeSnapshot({ name: audience, resourceKey }, acked),
    async touch(stream, nowSeconds) {
      if (isQuiet(stream, nowSeconds))
        await store.acknowledgeEvents({ id: stream.id, acked: stream.acked, notices: [] })
    },
    streamChanged(streamId) {
      changes += 1
      versions.set(streamId, changes)
      for (const end of [...(waiting.get(streamId) ?? [])]) end()
      void pusher?.look().catch(() => undefined)
    },
    sealAuthorization: (streamId, header) =>
      seal(sealingKey(keys), sealedFor(streamId), Buffer.from(header), random(12)).toString('base64url'),
    start() {
      const started = startPusher({
        ...parts,
        journal,
        newId: () => random(12).toString('base64url'),
        openAuthorization: (streamId, sealed) => openAuthorization(keys, streamId, sealed),
        times,
      })
      pusher = started
      return async () => {
        tail.stop()
        pusher = undefined
        await started.stop()
      }
    },
  }
}

/** What the receiver of a stream wants to be pushed with. */
function openAuthorization(keys: Pick<KeyRing, 'formKey'>, streamId: string, sealed: string): string {
  const opened = unseal(sealingKey(keys), sealedFor(streamId), Buffer.from(sealed, 'base64url'))
  if (opened === undefined) throw new Error(`the authorization of stream ${streamId} does not open`)
  return opened.toString('utf8')
}

function sealingKey({ formKey }: Pick<KeyRing, 'formKey'>): Buffer {
  return deriveKey(formKey().export(), 'arctos push authorization')
}

function sealedFor(streamId: string): string {
  return `arctos stream ${streamId}`
}
