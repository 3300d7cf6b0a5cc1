import { setImmediate as otherWork } from 'node:timers/promises'
import { StoreUnavailable } from '../store/engine.ts'
import type { LedgerRow } from '../store/revocation-entry.ts'
import type { Store } from '../store/store.ts'
import type { FeedHead } from '../store/verbs/feed.ts'
import type { ToldRow } from './security-event.ts'
import type { Sequencer } from './sequencer.ts'

/** While somebody waits and the sequencer, which looks more often, says nothing, the tail looks by itself (PROTOCOL §6). */
const pollMs = 25
/** Rows in memory at the most; whoever is further behind is served from the database. */
const rowLimit = 20_000
const pageLimit = 1_000
/** Where the log stood when it was read last. */
export interface LogPosition {
  readonly epoch: number
  readonly head: number
  /** Whatever was acknowledged before is in the log up to the head (epoch milliseconds, the store's clock). */
  readonly asOfMs: number
}

/** Whom an event is for. */
export interface Audience {
  /** As `aud` has it. */
  readonly name: string
  /** Key of the resource; `undefined` is told everything. */
  readonly resourceKey: string | undefined
}

/** Rows behind a number that concern an audience. */
export interface TailPage {
  readonly rows: readonly ToldRow[]
  /** Everything up to here was looked at. */
  readonly scannedTo: number
}

/** The end of the ledger in the memory of a node: read once for all who wait. */
export interface Tail {
  /** Reads where the log stands; the reading begins after the call. Throws `StoreUnavailable`. */
  readonly refresh: () => Promise<LogPosition>
  /** Where it stood by the last reading, and how long ago that began, in milliseconds of the monotonic clock. */
  readonly last: () => { readonly position: LogPosition; readonly ageMs: number } | undefined
  /**
   * Resolves when the log has moved beyond a position or begun another epoch, at the deadline (of the monotonic clock), when the
   * signal says that nobody waits any more, or when the node stops.
   */
  readonly moved: (beyond: LogPosition, deadline: number, over?: AbortSignal) => Promise<void>
  /** Rows behind `after` for an audience, in their order, `limit` at the most. */
  readonly rowsAfter: (after: number, audience: Audience, limit: number) => Promise<TailPage>
  readonly isStopped: () => boolean
  /** Wakes whoever waits; from now on nobody waits any more. */
  readonly stop: () => void
}

export function createTail(store: Pick<Store, 'readFeed'>, sequencer: Pick<Sequencer, 'look' | 'watch'>): Tail {
  let position: LogPosition | undefined
  let readAt = Number.NEGATIVE_INFINITY
  // Rows behind `base`, up to the head.
  let base = 0
  let rows: LedgerRow[] = []
  let stopped = false
  const waiting = new Set<() => void>()
  let timer: NodeJS.Timeout | undefined

  const load = async ({ epoch, head, asOfMs }: FeedHead, startedAt: number): Promise<LogPosition> => {
    if (position?.epoch !== epoch || head < position.head || head - position.head > rowLimit) {
      // Another life of the database, or the first look after long: what was before is read from there.
      base = head
      rows = []
    } else {
      for (let from = position.head; from < head; ) {
        const page = await store.readFeed({ after: from, limit: pageLimit })
        if (page.epoch !== epoch) throw new StoreUnavailable('the log began another epoch meanwhile')
        const fresh = page.rows.filter(({ seq }) => seq <= head)
        rows.push(...fresh)
        from = page.rows.length < pageLimit ? head : (fresh.at(-1)?.seq ?? head)
        if (from < head) await otherWork()
      }
      if (rows.length > rowLimit) {
        rows = rows.slice(-rowLimit / 2)
        base = (rows[0]?.seq ?? head + 1) - 1
      }
    }
    const moved = position?.epoch !== epoch || position.head !== head
    position = { epoch, head, asOfMs }
    readAt = startedAt
    if (moved) wake()
    return position
  }

  const wake = (): void => {
    for (const each of [...waiting]) each()
  }

  // One after the other, for each adds to the rows; an older look than the last one adds nothing.
  let loading: Promise<unknown> = Promise.resolve()
  const loadNext = (head: FeedHead, startedAt: number): Promise<LogPosition> => {
    const loaded = loading.then(() =>
      position !== undefined && position.epoch === head.epoch && position.head >= head.head && readAt >= startedAt
        ? position
        : load(head, startedAt),
    )
    loading = loaded.catch(() => undefined)
    return loaded
  }

  const refresh = async (): Promise<LogPosition> => {
    const startedAt = performance.now()
    return await loadNext(await sequencer.look(), startedAt)
  }

  const schedule = (): void => {
    clearTimeout(timer)
    if (waiting.size === 0 || stopped) return
    timer = setTimeout(() => {
      // A failure shows to whoever is answered next; the next look may find the database again.
      void refresh().catch(() => schedule())
    }, pollMs)
  }

  // Every look of this node, whoever had it made. How long it took is not known: it began after the one before was told.
  let toldAt = performance.now()
  const unwatch = sequencer.watch((head) => {
    const startedAt = toldAt
    toldAt = performance.now()
    if (waiting.size === 0) return
    schedule()
    if (head !== undefined) void loadNext(head, startedAt).catch(() => undefined)
  })

  return {
    refresh,
    last: () => position && { position, ageMs: performance.now() - readAt },
    moved: (beyond, deadline, over) =>
      new Promise((resolve) => {
        if (stopped || position?.head !== beyond.head || position.epoch !== beyond.epoch) return resolve()
        const end = (): void => {
          clearTimeout(limit)
          waiting.delete(end)
          over?.removeEventListener('abort', end)
          resolve()
        }
        const limit = setTimeout(end, Math.max(0, deadline - performance.now()))
        waiting.add(end)
        over?.addEventListener('abort', end)
        schedule()
      }),
    async rowsAfter(after, audience, limit) {
      const head = position?.head ?? 0
      if (after >= base) return pageOf(rows, after, head, audience, limit)
      // Too far behind for memory. What is read here is bounded, so that one receiver that was away does not cost all others.
      const page = await store.readFeed({ after, limit: pageLimit })
      const end = page.rows.length < pageLimit ? head : (page.rows.at(-1)?.seq ?? head)
      const known = page.rows.filter(({ seq }) => seq <= head)
      return pageOf(known, after, Math.min(end, head), audience, limit)
    },
    isStopped: () => stopped,
    stop() {
      stopped = true
      unwatch()
      clearTimeout(timer)
      wake()
    },
  }
}

/** Whether an audience is told of a row. */
export function concerns({ resources }: LedgerRow, { resourceKey }: Audience): boolean {
  return resources === undefined || resourceKey === undefined || resources.includes(resourceKey)
}

function pageOf(rows: readonly LedgerRow[], after: number, end: number, audience: Audience, limit: number): TailPage {
  const begin = firstAfter(rows, after)
  const told: ToldRow[] = []
  let previous = lastBefore(rows, begin, audience)
  for (let at = begin; at < rows.length; at++) {
    const row = rows[at]
    if (row === undefined || !concerns(row, audience)) continue
    if (told.length === limit) return { rows: told, scannedTo: told.at(-1)?.row.seq ?? after }
    told.push({ row, previous })
    previous = row.seq
  }
  return { rows: told, scannedTo: Math.max(after, end) }
}

/** Index of the first row behind a number. */
function firstAfter(rows: readonly LedgerRow[], after: number): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rows[middle]?.seq ?? 0) <= after) low = middle + 1
    else high = middle
  }
  return low
}

/** How many rows are looked through for the one before: a number that is missing means that it is not known. */
const lookBackLimit = 1_000

function lastBefore(rows: readonly LedgerRow[], begin: number, audience: Audience): number {
  for (let at = begin - 1; at >= Math.max(0, begin - lookBackLimit); at--) {
    const row = rows[at]
    if (row !== undefined && concerns(row, audience)) return row.seq
  }
  return 0
}
