import type pg from 'pg'
import { DatabaseError } from 'pg'
import type { Change } from './engine.ts'
import type { StoreClock } from './postgres-clock.ts'
import { allDone, drive } from './postgres-connection.ts'
import { type Claim, heldRow, type Locked, lanesOf } from './postgres-locks.ts'

/** How long a change may take in all, from its arrival, in milliseconds: then the caller answers 503 and the client retries. */
const patienceMs = 1_500
const bulkPatienceMs = 120_000
/** What a statement gets at the least, so that a full queue does not fail what would have gone well. */
const leastMs = 100
/**
 * How long the database waits for the next statement. A node that is frozen or cut off inside a transaction, with rows that others
 * need (who numbers the feed holds one that all need), gives them up then.
 */
const idleMs = 3_000

/** What is left of a claim's time. */
export function remainingMs({ arrivedAt, change }: Claim): number {
  return arrivedAt + (change.verb.bulk ? bulkPatienceMs : patienceMs) - performance.now()
}

/** Runs claims in one transaction. Values are of those whose rows were not held elsewhere. */
export type Runner = (
  claims: readonly Claim[],
  lock: (client: pg.PoolClient, claims: readonly Claim[]) => Promise<Locked>,
) => Promise<{ readonly values: ReadonlyMap<Change, unknown>; readonly locked: Locked }>

/** @param onTold called after a commit that took something back */
export function createRunner(pool: pg.Pool, clock: StoreClock, onTold: () => void): Runner {
  return async (claims, lock) => {
    const timeoutMs = Math.ceil(Math.max(leastMs, ...claims.map(remainingMs)))
    const prepare = async (client: pg.PoolClient) => {
      const locking = lock(client, claims)
      // Sent behind the statements that lock, and so read when they have their rows.
      const reading = clock.read(client)
      await allDone([locking, reading])
      return { locked: await locking, moment: await reading }
    }
    let told = false
    const done = await inTransaction(pool, timeoutMs, prepare, async (client, { locked, moment }) => {
      const values = new Map<Change, unknown>()
      const free = claims.filter((claim) => heldRow(claim, locked) === undefined)
      const lanes = lanesOf(free, locked).map(async (lane) => {
        for (const { change } of lane) {
          const verb = change.verb.run(moment, change.input)
          values.set(change, await drive(client, verb, change.verb.bulk && timeoutMs))
        }
      })
      // Whatever changes very many rows issues nothing, and would hold the mark for minutes, in which nobody could move it.
      const isBulk = claims.every(({ change }) => change.verb.bulk)
      await allDone(isBulk ? lanes : [clock.mark(client, moment), ...lanes])
      told = moment.told === true
      return { values, locked }
    })
    if (told) onTold()
    return done
  }
}

/** Whether a COMMIT without an answer took hold cannot be told: running its work again could do it twice. */
export class CommitUnknown extends Error {
  override readonly name = 'CommitUnknown'
}

/**
 * Runs work between BEGIN and COMMIT on one connection.
 *
 * @param timeoutMs for each statement, and for each wait for a row
 * @param prepare sent together with BEGIN, so it must not change anything: should BEGIN fail, it runs outside any transaction
 * @param work what the transaction is for; runs when BEGIN and `prepare` have been answered
 */
export async function inTransaction<Prepared, Result>(
  pool: pg.Pool,
  timeoutMs: number,
  prepare: (client: pg.PoolClient) => Promise<Prepared>,
  work: (client: pg.PoolClient, prepared: Prepared) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    const begun = client.query(
      `BEGIN; SET LOCAL statement_timeout = ${timeoutMs}; SET LOCAL lock_timeout = ${timeoutMs};
       SET LOCAL idle_in_transaction_session_timeout = ${idleMs}`,
    )
    const prepared = prepare(client)
    await allDone([begun, prepared])
    const result = await work(client, await prepared)
    await commit(client)
    return result
  } catch (error) {
    broken = error instanceof CommitUnknown ? error : await rollback(client)
    throw error
  } finally {
    // A connection whose state is unknown is not given back.
    client.release(broken)
  }
}

async function commit(client: pg.PoolClient): Promise<void> {
  let command: string
  try {
    command = (await client.query('COMMIT')).command
  } catch (error) {
    // The server said no: nothing happened. Anything else, and its own end, leaves it open.
    if (error instanceof DatabaseError && error.severity === 'ERROR') throw error
    throw new CommitUnknown('the outcome of the commit is unknown', { cause: error })
  }
  // What PostgreSQL answers when a statement before had failed.
  if (command !== 'COMMIT') throw new Error('the transaction was rolled back')
}

async function rollback(client: pg.PoolClient): Promise<Error | undefined> {
  try {
    await client.query('ROLLBACK')
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error('rollback failed')
  }
}

/** Serialization failure, deadlock: the database asks for another try. */
export function isRetryable(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === '40001' || error.code === '40P01')
}
