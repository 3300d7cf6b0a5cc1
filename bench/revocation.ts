import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../scripts/postgres.ts'
import { type Figure, type Report, round } from './report.ts'
import { type CutOutcome, cutFeed } from './revocation/cut.ts'
import { type Lags, loadPerSecond, measureLags } from './revocation/lag.ts'
import { type Running, startGuard, startIssuer } from './revocation/processes.ts'
import { type Races, raceRefreshAgainstRevoke } from './revocation/races.ts'
import type { GuardOrder } from './revocation/setting.ts'

const guardCount = 3
const revocationsOfEach = 60
const raceCount = 60
const limits = { p50: 50, p99: 250, max: 1_000 }
/** Declared for the cut feed; the usual times are 5 s and 60 s. */
const declared = { staleAfterSeconds: 5, unavailableAfterSeconds: 12 }

type Database = 'SQLite' | 'PostgreSQL, two nodes'
type Knows = GuardOrder['knows']

/** From a revocation to the last acceptance, and what else taking back costs: real processes, real databases. */
export async function measure(): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'arctos-bench-'))
  const postgres = await startPostgres({ fsync: true })
  const placeOf = (database: Database): string =>
    database === 'SQLite' ? join(folder, `${randomBytes(6).toString('hex')}.sqlite`) : postgres.url
  try {
    const rows: string[][] = []
    const figures: Figure[] = []
    for (const database of ['SQLite', 'PostgreSQL, two nodes'] as const) {
      for (const knows of ['feed by poll', 'feed by push'] as const) {
        const lags = await withSite({ database, place: placeOf(database), knows }, ({ issuer, guards }) =>
          measureLags(
            issuer.port,
            guards.map(({ port }) => port),
            revocationsOfEach,
          ),
        )
        rows.push(rowOf(`${database}, ${knows}`, lags))
        figures.push(...figuresOf(`${database}, ${knows}`, lags))
      }
    }
    const races: Races[] = []
    for (const database of ['SQLite', 'PostgreSQL, two nodes'] as const) {
      races.push(
        await withSite({ database, place: placeOf(database), knows: 'feed by poll' }, ({ issuer }) =>
          raceRefreshAgainstRevoke(issuer, raceCount),
        ),
      )
    }
    const cut = await withSite(
      { database: 'SQLite', place: placeOf('SQLite'), knows: 'feed by poll', ...declared },
      ({ issuer, guards }) => cutFeed(issuer, guards[0] as Running, declared.unavailableAfterSeconds + 5),
    )
    return {
      title: `From an acknowledged revocation to the last acceptance: ${guardCount} guards in processes of their own, ${loadPerSecond} calls a second to each`,
      columns: ['where', 'p50', 'p99', 'max', 'revocations × guards', 'other calls, wrong'],
      rows,
      figures: [...figures, ...figuresOfRaces(races), ...figuresOfCut(cut)],
      notes: [
        ...races.map(
          ({ races: count, refreshed, alive }, at) =>
            `${at === 0 ? 'SQLite' : 'PostgreSQL'}: ${count} races of refresh against revoke, ${refreshed} refreshes came through, ${alive} tokens alive afterwards`,
        ),
        `feed cut (the issuer hangs): strict routes 503 after ${round(cut.strictAfter)} s (declared ${declared.staleAfterSeconds}), others after ${round(cut.usualAfter)} s (declared ${declared.unavailableAfterSeconds}), accepted again ${round(cut.backAfter)} s after the issuer went on`,
      ],
    }
  } finally {
    await postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Site {
  /** The node that revocations go to. */
  readonly issuer: Running
  readonly guards: readonly Running[]
}

interface SiteOrder {
  readonly database: Database
  readonly place: string
  readonly knows: Knows
  readonly staleAfterSeconds?: number
  readonly unavailableAfterSeconds?: number
}

/** An issuer and its guards, for as long as the work takes. With two nodes the guards ask the other one. */
async function withSite<Result>(order: SiteOrder, work: (site: Site) => Promise<Result>): Promise<Result> {
  const { place: database, knows, staleAfterSeconds, unavailableAfterSeconds } = order
  const running: Running[] = []
  const keep = (started: Running): Running => {
    running.push(started)
    return started
  }
  try {
    const ports = await Promise.all(Array.from({ length: guardCount }, freePort))
    const pushEndpoints = ports.map((port) => `http://127.0.0.1:${port}/events`)
    const node = {
      database,
      kek: randomBytes(32).toString('base64url'),
      pushEndpoints,
      statusLists: knows === 'status list',
    }
    const first = keep(await startIssuer(node))
    const issuer = `http://127.0.0.1:${first.port}`
    const second = order.database === 'SQLite' ? undefined : keep(await startIssuer({ ...node, issuer }))
    const guards = await Promise.all(
      ports.map((port) =>
        startGuard({
          issuer,
          knows,
          port,
          ...(second === undefined ? {} : { nodePort: second.port }),
          ...(staleAfterSeconds === undefined ? {} : { staleAfterSeconds }),
          ...(unavailableAfterSeconds === undefined ? {} : { unavailableAfterSeconds }),
        }),
      ),
    )
    for (const guard of guards) keep(guard)
    return await work({ issuer: first, guards })
  } finally {
    await Promise.all(running.map((each) => each.stop()))
  }
}

function freePort(): Promise<number> {
  return new Promise((found, failed) => {
    const probe = createServer().once('error', failed)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() =>
        address !== null && typeof address === 'object' ? found(address.port) : failed(new Error('no port')),
      )
    })
  })
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

function rowOf(name: string, { lags, wrong, calls }: Lags): string[] {
  const ms = (share: number): string => `${round(percentile(lags, share))} ms`
  return [name, ms(0.5), ms(0.99), ms(1), String(lags.length), `${calls}, ${wrong}`]
}

function figuresOf(name: string, { lags, wrong }: Lags): Figure[] {
  const at = (which: string, share: number, limit: number): Figure =>
    atMost(`${name}: ${which}`, limit, ' ms', percentile(lags, share))
  return [
    at('p50', 0.5, limits.p50),
    at('p99', 0.99, limits.p99),
    at('max', 1, limits.max),
    atMost(`${name}: good calls refused`, 0, '', wrong),
  ]
}

function figuresOfRaces(races: readonly Races[]): Figure[] {
  return races.map(({ alive }, at) =>
    atMost(`tokens alive after a race (${at === 0 ? 'SQLite' : 'PostgreSQL'})`, 0, '', alive),
  )
}

function figuresOfCut({ strictAfter, usualAfter, isClean }: CutOutcome): Figure[] {
  const { staleAfterSeconds, unavailableAfterSeconds } = declared
  return [
    // Freshness counts from when the last answered poll was sent, up to 2 s before the cut.
    atMost('feed cut: strict routes answer 503 after', staleAfterSeconds + 0.5, ' s', strictAfter),
    atMost('feed cut: other routes answer 503 after', unavailableAfterSeconds + 0.5, ' s', usualAfter),
    atMost('feed cut: answers that were neither 200 nor 503', 0, '', isClean ? 0 : 1),
  ]
}

function atMost(name: string, limit: number, unit: Figure['unit'], value: number): Figure {
  return { name, limit, unit, must: 'not exceed', rounds: [value] }
}
