import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { openStore } from '../../src/store/open-store.ts'
import type { Store } from '../../src/store/store.ts'

export const engines = ['sqlite', 'postgres'] as const
export type EngineName = (typeof engines)[number]

/** Time that passes only when a test says so, in epoch milliseconds. */
export interface TestClock {
  readonly now: () => number
  readonly advance: (milliseconds: number) => void
  /** Goes on to where the next second begins, so that a test can count in seconds. */
  readonly alignToSecond: () => void
}

export function createTestClock(startMs = 1_900_000_000_000): TestClock {
  let nowMs = startMs
  return {
    now: () => nowMs,
    advance: (milliseconds) => {
      nowMs += milliseconds
    },
    alignToSecond: () => {
      nowMs = (Math.floor(nowMs / 1_000) + 1) * 1_000
    },
  }
}

export type TestValue = string | number | null
export type TestRow = Readonly<Record<string, TestValue>>

/** A database of one's own, with a store on it. */
export interface TestStore {
  readonly engine: EngineName
  readonly store: Store
  readonly clock: TestClock
  /** What names the database to `openStore`. */
  readonly address: string
  /** One statement on a connection of its own, beside the store: it sees what is committed. */
  readonly query: (text: string, ...values: readonly TestValue[]) => Promise<readonly TestRow[]>
  /** One more store on the same database, as another process would have it. */
  readonly openAnother: (now?: () => number) => Promise<Store>
  readonly close: () => Promise<void>
}

export interface TestStoreOptions {
  /** The real time when `undefined`, the test clock when absent. */
  readonly now?: (() => number) | undefined
  readonly migrated?: boolean
  readonly connections?: number
}

export async function openTestStore(engine: EngineName, options: TestStoreOptions = {}): Promise<TestStore> {
  const clock = createTestClock()
  const database = engine === 'sqlite' ? await createSqlite() : await createPostgres()
  const others: Store[] = []
  const closed = new Set<Store>()
  const open = async (now: (() => number) | undefined) => {
    const store = await openStore({ database: database.address, now, connections: options.connections ?? 8 })
    const close = async () => {
      if (closed.has(opened)) return
      closed.add(opened)
      await store.close()
    }
    const opened = { ...store, close }
    others.push(opened)
    return opened
  }
  const store = await open('now' in options ? options.now : clock.now)
  if (options.migrated !== false) await store.migrate()
  return {
    engine,
    store,
    clock,
    address: database.address,
    query: database.query,
    openAnother: (now = 'now' in options ? options.now : clock.now) => open(now),
    async close() {
      for (const other of others) await other.close()
      await database.remove()
    },
  }
}

interface TestDatabase {
  readonly address: string
  readonly query: TestStore['query']
  readonly remove: () => Promise<void>
}

async function createSqlite(): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'arctos-store-'))
  const address = join(folder, 'arctos.db')
  let beside: DatabaseSync | undefined
  return {
    address,
    async query(text, ...values) {
      beside ??= new DatabaseSync(address, { timeout: 2_000 })
      const rows = beside.prepare(text.replaceAll('$', '?')).all(...values) as unknown as TestRow[]
      // Reads of one turn share a snapshot, so the store sees in the next one what was changed beside it.
      await new Promise((resolve) => setImmediate(resolve))
      return rows
    },
    async remove() {
      beside?.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The server that the test run started. */
export function postgresUrl(): string {
  const url = process.env['ARCTOS_TEST_POSTGRES']
  if (url === undefined) throw new Error('ARCTOS_TEST_POSTGRES names no server')
  return url
}

async function createPostgres(): Promise<TestDatabase> {
  const name = `store_${randomBytes(8).toString('hex')}`
  const administrator = new pg.Client({ connectionString: postgresUrl() })
  await administrator.connect()
  await administrator.query(`CREATE DATABASE ${name}`)
  const address = new URL(`/${name}`, postgresUrl()).href
  let beside: Promise<pg.Client> | undefined
  const connect = async () => {
    const client = new pg.Client({ connectionString: address, pipeline: true })
    await client.connect()
    return client
  }
  return {
    address,
    async query(text, ...values) {
      beside ??= connect()
      const { rows } = await (await beside).query<Record<string, TestValue>>(text, [...values])
      // Counters and times come as text, for 64 bits are more than a number holds; ours are smaller.
      return rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, asNumber(value)])))
    },
    async remove() {
      await (await beside)?.end()
      await administrator.query(`DROP DATABASE ${name} WITH (FORCE)`)
      await administrator.end()
    },
  }
}

function asNumber(value: TestValue): TestValue {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
}
