import pg from 'pg'
import { createListeners, type FeedHints } from './feed-hints.ts'

const channel = 'arctos_feed'
const connectTimeoutMs = 1_500
/** A database that has no LISTEN, or is away, is tried again after this time, which doubles (milliseconds). */
const firstPauseMs = 1_000
const longestPauseMs = 60_000

/** Hints between processes: LISTEN on a connection of its own, NOTIFY outside the transactions that issue. */
export interface PostgresHints extends FeedHints {
  /** Tells the listeners of this process. */
  readonly tell: () => void
  readonly close: () => Promise<void>
}

/**
 * A notice costs a lock on the whole server when its transaction commits, so it is sent by itself, after the commit that it tells
 * of, and while one is on its way all others gather into the next. Poolers and servers without LISTEN are tolerated: then every
 * node learns by asking.
 */
export function createPostgresHints(url: string, pool: pg.Pool): PostgresHints {
  const listeners = createListeners()
  let connection: pg.Client | undefined
  let retry: NodeJS.Timeout | undefined
  let pauseMs = firstPauseMs
  let closed = false

  const connect = async (): Promise<void> => {
    const client = new pg.Client({
      connectionString: url,
      keepAlive: true,
      connectionTimeoutMillis: connectTimeoutMs,
      application_name: 'arctos feed hints',
    })
    connection = client
    client.on('error', () => lose(client))
    client.on('end', () => lose(client))
    client.on('notification', () => listeners.tell())
    try {
      await client.connect()
      await client.query(`LISTEN ${channel}`)
      pauseMs = firstPauseMs
      // What was said before we listened.
      listeners.tell()
    } catch {
      lose(client)
    }
  }

  const lose = (client: pg.Client): void => {
    if (connection !== client) return
    connection = undefined
    client.end().catch(() => {})
    if (closed || listeners.count() === 0) return
    retry = setTimeout(() => void connect(), pauseMs)
    retry.unref()
    pauseMs = Math.min(2 * pauseMs, longestPauseMs)
  }

  const stop = async (): Promise<void> => {
    clearTimeout(retry)
    const client = connection
    connection = undefined
    await client?.end().catch(() => {})
  }

  const send = createSender(async () => {
    await pool.query(`NOTIFY ${channel}`)
  })

  return {
    tell: listeners.tell,
    watchFeed(listener) {
      const remove = listeners.add(listener)
      if (listeners.count() === 1 && connection === undefined) void connect()
      return () => {
        remove()
        if (listeners.count() === 0) void stop()
      }
    },
    hintFeed: send,
    async close() {
      closed = true
      await stop()
    },
  }
}

/** One at a time; those that come meanwhile are one. */
function createSender(send: () => Promise<void>): () => Promise<void> {
  let current: Promise<void> | undefined
  let next: Promise<void> | undefined
  const start = (): Promise<void> => {
    current = send()
      .catch(() => {})
      .finally(() => {
        current = undefined
      })
    return current
  }
  return () => {
    if (current === undefined) return start()
    next ??= current.then(() => {
      next = undefined
      return start()
    })
    return next
  }
}
