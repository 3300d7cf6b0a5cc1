import type pg from 'pg'
import { type EngineSources, StoreUnavailable } from './engine.ts'
import { ask } from './postgres-connection.ts'
import { integer, type Moment, type Transaction } from './transaction.ts'

/** How long a reading of the database's clock is carried on by our own, in milliseconds. */
const carriedMs = 1_000

const readState =
  'SELECT clock_ms, not_before, CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT) AS machine_ms FROM store_clock, issuer_state'

// Whoever holds the row moves the mark for all; nobody waits for it.
const moveMark =
  'UPDATE store_clock SET clock_ms = $1 WHERE id = (SELECT id FROM store_clock WHERE clock_ms < $1 FOR UPDATE SKIP LOCKED)'

export type StoreClock = ReturnType<typeof createClock>

/** The store's clock: the database's, but never before a second that was used (PROTOCOL §1). */
export function createClock(pool: pg.Pool, { now, random, environment = 'live' }: EngineSources) {
  let highestMs = 0
  let readMs = 0
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<unknown> | undefined

  const query = async (connection: pg.Pool | pg.PoolClient) => {
    const [state] = (await ask(connection, readState, [])).rows
    if (state === undefined) throw new StoreUnavailable('the database has no schema yet')
    const markMs = integer(state, 'clock_ms')
    const nowMs = Math.max(markMs, now?.() ?? integer(state, 'machine_ms'))
    readMs = nowMs
    readAt = performance.now()
    return { markMs, nowMs, notBefore: integer(state, 'not_before') }
  }

  return {
    /**
     * For a transaction, on its own connection and after its locks: whoever revoked before has a cut-off that we see, whoever
     * revokes after us gets a later time than ours.
     */
    async read(client: pg.PoolClient): Promise<Transaction & { readonly markMs: number }> {
      const { markMs, nowMs, notBefore } = await query(client)
      return { nowMs, now: Math.floor(nowMs / 1000), notBefore, random, environment, markMs }
    },
    /** Moves the stored mark, once a second, so that a database whose clock is set back does not go back itself. */
    async mark(
      client: pg.PoolClient,
      { markMs, nowMs, now }: Transaction & { readonly markMs: number },
    ): Promise<void> {
      if (now > Math.floor(markMs / 1000)) await ask(client, moveMark, [nowMs])
    },
    /** For a read: the last reading, carried on by the monotonic clock, so that few reads ask for the time. */
    async peek(): Promise<Moment> {
      if (performance.now() - readAt > carriedMs) {
        reading ??= query(pool).finally(() => {
          reading = undefined
        })
        await reading
      }
      highestMs = Math.max(highestMs, now?.() ?? Math.floor(readMs + performance.now() - readAt), readMs)
      return { nowMs: highestMs, now: Math.floor(highestMs / 1000), random, environment }
    },
  }
}
