import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { startPostgres } from '../../scripts/postgres.ts'
import { type Running, startGuard, startIssuer } from './processes.ts'
import type { GuardOrder, IssuerOrder } from './setting.ts'

const guardCount = 3

export const databases = ['SQLite', 'PostgreSQL, two nodes'] as const
export type Database = (typeof databases)[number]

/** An issuer and its guards, each a process. */
export interface Site {
  /** The node that revocations go to. */
  readonly issuer: Running
  readonly guards: readonly Running[]
  readonly guardPorts: readonly number[]
}

export interface SiteOrder extends Pick<GuardOrder, 'knows' | 'staleAfterSeconds' | 'unavailableAfterSeconds'> {
  readonly database: Database
  readonly reporterKeys?: string
  readonly statusListSeconds?: number
}

/** Where sites are put up, one after the other, each with a database of its own. */
export interface Sites {
  /** A site for as long as the work takes. With two nodes the guards ask the other one than revocations go to. */
  readonly use: <Result>(order: SiteOrder, work: (site: Site) => Promise<Result>) => Promise<Result>
  readonly close: () => Promise<void>
}

export async function openSites(): Promise<Sites> {
  const folder = mkdtempSync(join(tmpdir(), 'arctos-bench-'))
  const postgres = await startPostgres({ fsync: true })
  const placeOf = async (database: Database): Promise<string> => {
    const name = `site_${randomBytes(6).toString('hex')}`
    if (database === 'SQLite') return join(folder, `${name}.sqlite`)
    const admin = new Client({ connectionString: postgres.url })
    await admin.connect()
    await admin.query(`CREATE DATABASE ${name}`)
    await admin.end()
    return postgres.url.replace(/\/[^/]*$/, `/${name}`)
  }
  return {
    async use(order, work) {
      const running: Running[] = []
      try {
        return await work(await putUp(order, await placeOf(order.database), running))
      } finally {
        await Promise.all(running.map((each) => each.stop()))
      }
    },
    async close() {
      await postgres.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** @param running takes every process that was started, also where another one fails to */
async function putUp(order: SiteOrder, place: string, running: Running[]): Promise<Site> {
  const { database, reporterKeys, statusListSeconds, ...guarding } = order
  const keep = (started: Running): Running => {
    running.push(started)
    return started
  }
  const ports = await Promise.all(Array.from({ length: guardCount }, freePort))
  const node: IssuerOrder = {
    database: place,
    kek: randomBytes(32).toString('base64url'),
    pushEndpoints: ports.map((port) => `http://127.0.0.1:${port}/events`),
    reporterKeys,
    statusListSeconds,
  }
  const first = keep(await startIssuer(node))
  const issuer = `http://127.0.0.1:${first.port}`
  const second = database === 'SQLite' ? first : keep(await startIssuer({ ...node, issuer }))
  const start = async (port: number): Promise<Running> =>
    keep(await startGuard({ ...guarding, issuer, port, nodePort: second.port }))
  const guards = await Promise.all(ports.map(start))
  return { issuer: first, guards, guardPorts: ports }
}

function freePort(): Promise<number> {
  return new Promise((found, failed) => {
    const probe = createServer().once('error', failed)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        if (address !== null && typeof address === 'object') found(address.port)
        else failed(new Error('the system gave no port'))
      })
    })
  })
}
