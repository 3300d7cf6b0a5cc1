import pg from 'pg'
import type { Answer, Row, Verb } from './transaction.ts'

/** A connection that does not answer for this long is given up, with all that is on its way, in milliseconds. */
export const answerTimeoutMs = 1_800
const connectTimeoutMs = 1_500

// Columns of 64 bits hold times and counters, which fit a number.
const types = {
  getTypeParser: (oid: number, format?: string) =>
    oid === 20 ? Number : pg.types.getTypeParser(oid, format as 'text'),
}

/** Connections to one database. Statements of one connection are sent without waiting for the answers of those before. */
export function openPool(url: string, connections: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    pipeline: true,
    keepAlive: true,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: answerTimeoutMs,
    types: types as never,
  })
  // Without these two a restart of the database ends the process: idle clients emit errors that nobody else hears.
  pool.on('error', ignoreLostConnection)
  pool.on('connect', (client) => client.on('error', ignoreLostConnection))
  return pool
}

function ignoreLostConnection(): void {
  // The pool replaces the connection; calls that were using it fail by themselves.
}

type Queryable = pg.Pool | pg.PoolClient

// The verbs have a fixed set of texts, so the names that a connection keeps prepared are few.
const names = new Map<string, string>()

/** Sends one statement. */
export async function ask(
  connection: Queryable,
  text: string,
  values: readonly unknown[],
  timeoutMs = answerTimeoutMs,
): Promise<Answer> {
  let name = names.get(text)
  if (name === undefined) {
    name = `arctos_${names.size}`
    names.set(text, name)
  }
  const query = { name, text, values: values as unknown[], query_timeout: timeoutMs }
  const { rows, rowCount } = await connection.query<Row>(query)
  return { rows, changes: rowCount ?? 0 }
}

/** Runs a verb to its end, one statement after the other. */
export async function drive<Result>(connection: Queryable, verb: Verb<Result>, timeoutMs?: number): Promise<Result> {
  let step = verb.next()
  while (!step.done) step = verb.next(await ask(connection, step.value.text, step.value.values, timeoutMs))
  return step.value
}

/** Waits for all, also when one fails: a statement under way must not come behind the ROLLBACK, where it would count. */
export async function allDone(tasks: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) if (result.status === 'rejected') throw result.reason
}
