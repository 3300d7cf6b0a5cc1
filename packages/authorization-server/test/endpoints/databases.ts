import { randomBytes } from 'node:crypto'
import pg from 'pg'

/** The databases that every test of state runs on. */
export const databaseKinds = ['sqlite', 'postgres'] as const

export type DatabaseKind = (typeof databaseKinds)[number]

export interface TestDatabase {
  /** As `openStore` takes it. */
  readonly url: string
  readonly drop: () => Promise<void>
}

/** An empty database of one's own: in memory, or on the PostgreSQL of the test run. */
export async function makeDatabase(kind: DatabaseKind): Promise<TestDatabase> {
  if (kind === 'sqlite') return { url: ':memory:', drop: async () => undefined }
  const server = process.env['ARCTOS_TEST_POSTGRES']
  if (server === undefined) throw new Error('ARCTOS_TEST_POSTGRES is not set: run the tests through vitest')
  const name = `arctos_endpoints_${randomBytes(6).toString('hex')}`
  await administer(server, `CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => administer(server, `DROP DATABASE ${name} WITH (FORCE)`) }
}

async function administer(server: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
