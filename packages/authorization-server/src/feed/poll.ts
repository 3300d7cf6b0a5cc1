import { Refusal } from '@arctos/core'
import type { Store } from '../store/store.ts'
import type { Stream } from '../store/stream.ts'
import type { EventSigner } from './event-signer.ts'
import { isWhole, type Progress } from './progress.ts'
import { claimsOfNotice, dueNotices, eventId } from './security-event.ts'
import type { LogPosition, Tail } from './tail.ts'

/** How long a poll is held while there is nothing to say, in milliseconds (PROTOCOL §6). */
export const usualHoldMs = 2_000
/** A reading of the log that is older than this, in milliseconds, says nothing about now. */
const staleMs = 1_000

/** What a receiver asks for (RFC 8936 §2.4). */
export interface PollRequest {
  /** 0: it only acknowledges. */
  readonly maxEvents: number
  readonly isHeld: boolean
  /** Events that arrived, or that it could not use, by their `jti`: neither is delivered again. */
  readonly done: ReadonlySet<string>
}

/** An answer as it goes on the wire (RFC 8936 §2.5), and where the log stood, for our own guards (PROTOCOL §6). */
export interface PollAnswer {
  readonly sets: Readonly<Record<string, string>>
  readonly moreAvailable?: true
  /** Absent where {@link isWhole} says no: then an empty answer says nothing of the log, and must not pass for news. */
  readonly epoch?: number
  readonly head?: number
  readonly as_of: number
}

export interface PollParts {
  readonly issuer: string
  readonly store: Pick<Store, 'readStream'>
  readonly tail: Tail
  readonly progress: Progress
  readonly signer: EventSigner
  readonly holdMs: number
  /** How often this node changed a stream, more or less: another number means that it did. */
  readonly versionOf: (streamId: string) => number
  /** Resolves when this node has changed the stream since that version, or at the end of the signal. */
  readonly changed: (streamId: string, since: number, until: AbortSignal) => Promise<void>
}

/** Answers a poll; throws `feed.stream_unknown` when the stream goes meanwhile, and `StoreUnavailable` without a log to read. */
export async function answerPoll(
  parts: PollParts,
  known: Stream,
  request: PollRequest,
  nowSeconds: number,
): Promise<PollAnswer> {
  const { tail, progress } = parts
  const deadline = performance.now() + parts.holdMs
  let version = parts.versionOf(known.id)
  let position = await tail.refresh()
  let stream = await progress.settle(known, request.done, nowSeconds)
  for (;;) {
    const answer = await answerNow(parts, stream, position, request.maxEvents)
    const isEmpty = Object.keys(answer.sets).length === 0
    const mayWait = request.isHeld && request.maxEvents > 0 && performance.now() < deadline && !tail.isStopped()
    // A guard whose stream was stopped lives on what it knew before: it has to hear of that now.
    const isOver = stream.status !== 'enabled' && stream.resourceKey !== undefined
    if (!isEmpty || !mayWait || isOver) return answer
    await news(parts, stream, version, position, deadline)
    const now = parts.versionOf(stream.id)
    const last = tail.last()
    position = last === undefined || last.ageMs > staleMs ? await tail.refresh() : last.position
    // Before anything is delivered it has to be clear that the stream still is there, and still wants it.
    if (now !== version || (await progress.next(stream, 1)).rows.length > 0) {
      const again = await parts.store.readStream(stream)
      if (again === undefined) throw new Refusal('feed.stream_unknown', { check: 'stream_id' })
      stream = again
      version = now
    }
  }
}

/** Waits for the log to move, or for this node to change the stream. */
async function news(
  { tail, changed }: PollParts,
  { id }: Stream,
  version: number,
  position: LogPosition,
  deadline: number,
): Promise<void> {
  const over = new AbortController()
  await Promise.race([tail.moved(position, deadline, over.signal), changed(id, version, over.signal)])
  over.abort()
}

async function answerNow(
  { issuer, progress, signer }: PollParts,
  stream: Stream,
  { epoch, head, asOfMs }: LogPosition,
  limit: number,
): Promise<PollAnswer> {
  const isEnabled = stream.status === 'enabled'
  const waiting = dueNotices(stream)
  const notices = waiting.slice(0, limit)
  const { rows, hasMore } =
    isEnabled && limit > notices.length
      ? await progress.next(stream, limit - notices.length)
      : { rows: [], hasMore: waiting.length > notices.length }
  const sets = await Promise.all([
    ...notices.map(async (notice) => {
      const claims = claimsOfNotice(issuer, stream.id, stream.audience, notice)
      return [notice.jti, await signer.sign(claims)] as const
    }),
    ...rows.map(async (told) => {
      return [eventId(told.row.id, stream.audience), await signer.signRow(epoch, told, stream.audience)] as const
    }),
  ])
  // While a stream is paused nothing is told, so nothing is known of what came since.
  const asOf = isEnabled ? asOfMs : Math.min(asOfMs, stream.statusMs)
  return {
    sets: Object.fromEntries(sets),
    ...(hasMore && limit > 0 ? { moreAvailable: true } : {}),
    ...(isWhole(stream) ? { epoch, head } : {}),
    as_of: asOf / 1_000,
  }
}
