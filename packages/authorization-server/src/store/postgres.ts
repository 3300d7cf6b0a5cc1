import type { Settled } from '@arctos/core'
import { type Arrival, createChangeQueue } from './change-queue.ts'
import { type Engine, type EngineSources, unavailable } from './engine.ts'
import { createClock } from './postgres-clock.ts'
import { drive, openPool } from './postgres-connection.ts'
import { createPostgresHints } from './postgres-hints.ts'
import { claimOf, heldRow, lockFree } from './postgres-locks.ts'
import { migrate, pendingMigrations } from './postgres-migrations.ts'
import { createStragglers } from './postgres-stragglers.ts'
import { CommitUnknown, createRunner, remainingMs } from './postgres-transaction.ts'

const batchLimit = 64

export interface PostgresOptions extends EngineSources {
  /** Connections at the most. */
  readonly connections?: number
}

/**
 * Opens PostgreSQL, or what speaks its protocol. A turn's changes share one transaction; the rows they need are locked first,
 * and changes whose rows are held elsewhere run by themselves, so that they keep nobody waiting.
 */
export function openPostgres(url: string, options: PostgresOptions): Engine {
  const connections = options.connections ?? 16
  const pool = openPool(url, connections)
  const clock = createClock(pool, options)
  const hints = createPostgresHints(url, pool)
  const run = createRunner(pool, clock, hints.tell)
  // A quarter of the connections for batches and a quarter for those who wait, so that neither keeps out the other, or reads.
  const share = Math.max(1, Math.floor(connections / 4))
  const stragglers = createStragglers(run, share, options.random)
  // Apart from them, for the numbering of what was taken back must not wait for whoever waits for a row.
  const bulk = createStragglers(run, Math.max(2, share), options.random)

  const runBatch = async (arrivals: readonly Arrival[]): Promise<readonly Settled<unknown>[]> => {
    const claims = arrivals.map(claimOf)
    try {
      const { values, locked } = await run(claims, lockFree)
      return claims.map((claim) => {
        const row = heldRow(claim, locked)
        // A promise as the value: it is adopted by the caller's, and the others are answered without it.
        return { ok: true, value: row === undefined ? values.get(claim.change) : stragglers.await(row, claim) }
      })
    } catch (error) {
      if (error instanceof CommitUnknown || claims.some((claim) => remainingMs(claim) <= 0)) throw unavailable(error)
      return claims.map((claim) => ({ ok: true, value: stragglers.alone(claim) }))
    }
  }

  const enqueue = createChangeQueue({ run: runBatch, limit: batchLimit, parallel: share })

  return {
    watchFeed: hints.watchFeed,
    hintFeed: hints.hintFeed,
    async read({ verb, input }) {
      try {
        return await drive(pool, verb.run(await clock.peek(), input))
      } catch (error) {
        throw unavailable(error)
      }
    },
    change(change) {
      const row = stragglers.awaitedRow(change)
      if (row === undefined && !change.verb.bulk) return enqueue(change)
      const claim = claimOf({ change, arrivedAt: performance.now() })
      return row === undefined ? bulk.alone(claim) : stragglers.await(row, claim)
    },
    migrate: () => migrate(pool),
    pendingMigrations: () => pendingMigrations(pool),
    async durability() {
      const { rows } = await pool.query(
        "SELECT current_setting('synchronous_standby_names', true) AS names, current_setting('synchronous_commit', true) AS mode",
      )
      return rows[0]?.names && ['on', 'remote_apply'].includes(rows[0].mode) ? 'standby' : 'local'
    },
    async close() {
      await hints.close()
      await pool.end()
    },
  }
}
