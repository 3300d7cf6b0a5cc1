import type { Stream } from '../store/stream.ts'
import { type Duty, type PushParts, pushStream } from './push-stream.ts'

/** Pushes events to receivers that want it so. */
export interface Pusher {
  /** Looks now which streams there are to push. */
  readonly look: () => Promise<void>
  /** Ends after what is under way, and lets other nodes go on at once. */
  readonly stop: () => Promise<void>
}

/** Starts pushing: each stream by one node at a time, in order, each event once the one before was accepted. RFC 8935 §2 */
export function startPusher(parts: PushParts): Pusher {
  const { store, times } = parts
  const node = parts.newId()
  const duties = new Map<string, Duty>()
  let stopped = false
  let looking: Promise<void> | undefined
  let again: Promise<void> | undefined

  const lease = async (): Promise<void> => {
    // An idle node writes nothing.
    if (duties.size === 0 && !(await store.hasPushStreams(undefined))) return
    const startedAt = performance.now()
    const leased = await store.leasePushStreams({ node, leaseMs: times.leaseMs, limit: 1_000 })
    const leasedUntil = startedAt + times.leaseMs
    for (const { stream, allowed } of leased) {
      const duty = duties.get(stream.id)
      if (duty === undefined) begin(stream, allowed, leasedUntil)
      else Object.assign(duty, { allowed, leasedUntil })
    }
    const ids = new Set(leased.map(({ stream }) => stream.id))
    for (const [id, duty] of duties) if (!ids.has(id)) duty.over.abort()
  }

  const begin = (stream: Stream, allowed: readonly string[], leasedUntil: number): void => {
    if (stopped) return
    const over = new AbortController()
    const duty: Duty = { stream, allowed, leasedUntil, version: 0, over, done: Promise.resolve() }
    duties.set(stream.id, duty)
    duty.done = pushStream(parts, duty)
      .catch((error: unknown) => {
        const fault = error instanceof Error ? `${error.name}: ${error.message}` : 'not an error'
        parts.journal.write({ endpoint: 'ssf push', client: stream.clientId, fault: fault.slice(0, 300) })
      })
      .finally(() => duties.delete(stream.id))
  }

  // A look that is under way may have missed what happened since it began: then there is one more behind it.
  const look = (): Promise<void> => {
    if (looking === undefined) {
      looking = lease().finally(() => {
        looking = undefined
      })
      return looking
    }
    const next = (): Promise<void> => {
      again = undefined
      return look()
    }
    again ??= looking.then(next, next)
    return again
  }
  // What fails now is tried again the next time; leases that are not renewed end by themselves.
  const lookAgain = (): void => void look().catch(() => undefined)
  const timer = setInterval(lookAgain, times.leaseEveryMs)
  timer.unref()
  lookAgain()

  return {
    look,
    async stop() {
      stopped = true
      clearInterval(timer)
      await (again ?? looking)?.catch(() => undefined)
      const had = duties.size > 0
      for (const duty of duties.values()) duty.over.abort()
      await Promise.all([...duties.values()].map(({ done }) => done))
      if (had) await store.releasePushStreams(node).catch(() => undefined)
    },
  }
}
