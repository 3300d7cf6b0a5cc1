import { createRecentCache } from '@arctos/core'
import type { Store } from '../store/store.ts'
import type { Stream } from '../store/stream.ts'
import { supportedEvents } from './event-types.ts'
import { isDelivered, rowIdOf, subjectOf, type ToldRow } from './security-event.ts'
import { matchesSubject } from './subject-match.ts'
import type { Tail } from './tail.ts'

/** Events of one answer at the most. */
export const eventLimit = 1_000
/** Events that were acknowledged out of order and are remembered; the others are delivered again. */
const looseLimit = 10_000
/** Rows that are none of a stream's business and yet move its number in the store, so that others need not look at them again. */
const strideRows = 1_000
/** A sign of life is written when this part of a stream's time has passed. */
const lifePart = 0.25

/** Where the streams of a node stand. The store has the same, a little behind; another node begins from there. */
export interface Progress {
  /** Takes note of what arrived, and returns the stream as it is then. */
  readonly settle: (stream: Stream, done: ReadonlySet<string>, nowSeconds: number) => Promise<Stream>
  /** The next events of a stream that nobody acknowledged, and whether there are more. */
  readonly next: (
    stream: Stream,
    limit: number,
  ) => Promise<{ readonly rows: readonly ToldRow[]; readonly hasMore: boolean }>
}

interface Mark {
  epoch: number
  acked: number
  readonly loose: Set<number>
}

/** Whether so much of a stream's time has passed without a sign of life that the next one has to be written down. */
export function isQuiet({ timeoutSeconds, expiresAt }: Stream, nowSeconds: number): boolean {
  return timeoutSeconds !== undefined && (expiresAt ?? 0) - nowSeconds < timeoutSeconds * (1 - lifePart)
}

/** The types of events that a stream delivers (SSF §8.1.1). */
export function deliveredEvents({ settings }: Stream): readonly string[] {
  const { eventsRequested } = settings
  return eventsRequested === undefined
    ? supportedEvents
    : supportedEvents.filter((type) => eventsRequested.includes(type))
}

/**
 * Whether the number of the log says something to whoever reads a stream: it is enabled, and where it is a guard's, nothing is filtered
 * out of it. A guard takes an empty answer with a number for a proof that nothing was taken back.
 */
export function isWhole(stream: Stream): boolean {
  const { status, resourceKey, settings } = stream
  const isFiltered = deliveredEvents(stream).length < supportedEvents.length || (settings.removed ?? []).length > 0
  return status === 'enabled' && !(resourceKey !== undefined && isFiltered)
}

export function createProgress(issuer: string, store: Pick<Store, 'acknowledgeEvents'>, tail: Tail): Progress {
  const marks = createRecentCache<string, Mark>(10_000)
  const markOf = ({ id, acked }: Stream): Mark => {
    let mark = marks.get(id)
    if (mark === undefined) {
      mark = { epoch: 0, acked, loose: new Set() }
      marks.set(id, mark)
    }
    const { epoch, head } = tail.last()?.position ?? { epoch: mark.epoch, head: 0 }
    // What was known of another life of the database says nothing about this one.
    if (mark.epoch !== epoch || mark.acked > head) {
      mark.epoch = epoch
      mark.acked = acked
      mark.loose.clear()
    }
    // Another node may know more.
    if (acked > mark.acked) mark.acked = acked
    return mark
  }
  const isWanted = (stream: Stream, { row: { entry } }: ToldRow): boolean =>
    isDelivered(entry, deliveredEvents(stream)) &&
    !(stream.settings.removed ?? []).some((subject) => matchesSubject(subject, subjectOf(issuer, entry)))

  const audienceOf = ({ audience, resourceKey }: Stream) => ({ name: audience, resourceKey })

  /** Moves the mark over everything that is done, and returns how many events of the stream that were. */
  const advance = async (stream: Stream, mark: Mark, doneRows: ReadonlySet<string>): Promise<number> => {
    let moved = 0
    for (;;) {
      const page = await tail.rowsAfter(mark.acked, audienceOf(stream), eventLimit)
      let open = false
      for (const told of page.rows) {
        const { seq, id } = told.row
        const isDone = doneRows.has(id) || mark.loose.has(seq)
        if (!isWanted(stream, told)) {
          if (!open) mark.acked = seq
        } else if (!isDone) open = true
        else if (open) {
          if (mark.loose.size < looseLimit) mark.loose.add(seq)
        } else {
          mark.acked = seq
          mark.loose.delete(seq)
          moved += 1
        }
      }
      if (open || page.scannedTo <= mark.acked) return moved
      mark.acked = page.scannedTo
    }
  }

  return {
    async settle(stream, done, nowSeconds) {
      const mark = markOf(stream)
      const rowIds = new Set([...done].flatMap((jti) => rowIdOf(jti, stream.audience) ?? []))
      const notices = stream.notices.map(({ jti }) => jti).filter((jti) => done.has(jti))
      const moved = stream.status === 'enabled' || rowIds.size > 0 ? await advance(stream, mark, rowIds) : 0
      const { timeoutSeconds } = stream
      const mayWait = moved === 0 && notices.length === 0 && mark.acked - stream.acked < strideRows
      if (mayWait && !isQuiet(stream, nowSeconds)) return stream
      await store.acknowledgeEvents({ id: stream.id, acked: mark.acked, notices })
      return {
        ...stream,
        acked: mark.acked,
        notices: stream.notices.filter(({ jti }) => !notices.includes(jti)),
        expiresAt: timeoutSeconds === undefined ? undefined : nowSeconds + timeoutSeconds,
      }
    },
    async next(stream, limit) {
      const mark = markOf(stream)
      const rows: ToldRow[] = []
      for (let after = mark.acked; ; ) {
        const page = await tail.rowsAfter(after, audienceOf(stream), limit + 1)
        rows.push(...page.rows.filter((told) => !mark.loose.has(told.row.seq) && isWanted(stream, told)))
        if (rows.length > limit) return { rows: rows.slice(0, limit), hasMore: true }
        if (page.scannedTo <= after) return { rows, hasMore: false }
        after = page.scannedTo
      }
    },
  }
}
