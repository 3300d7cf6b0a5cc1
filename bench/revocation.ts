import { type Figure, type Report, round } from './report.ts'
import { type CutOutcome, cutFeed } from './revocation/cut.ts'
import { type Lags, loadPerSecond, measureLags } from './revocation/lag.ts'
import { type Mass, reportLeakOf, startReporter } from './revocation/mass.ts'
import type { Running } from './revocation/processes.ts'
import { type Races, raceRefreshAgainstRevoke } from './revocation/races.ts'
import { databases, openSites, type Sites } from './revocation/site.ts'
import { measureStatusList } from './revocation/status-list.ts'
import { measureTable } from './revocation/table.ts'

/** How much of everything is done. */
interface Extent {
  readonly revocations: number
  readonly races: number
  readonly massTokens: number
  readonly listRevocations: number
}
const full: Extent = { revocations: 60, races: 60, massTokens: 100_000, listRevocations: 8 }
const quick: Extent = { revocations: 5, races: 10, massTokens: 2_000, listRevocations: 1 }
/** Status lists are signed anew so often, in seconds, and guards look again as often. */
const listSeconds = 5
const limits = { p50: 50, p99: 250, max: 1_000 }
/** Declared for the guard whose feed is cut; the usual times are 5 s and 60 s. */
const declared = { staleAfterSeconds: 5, unavailableAfterSeconds: 12 }

/** From a revocation to the last acceptance, and what else taking back costs: real processes, real databases. */
export async function measure(isQuick: boolean): Promise<Report> {
  const extent = isQuick ? quick : full
  const sites = await openSites()
  try {
    const parts = [...(await lagsByFeed(sites, extent)), await lagByStatusList(sites, extent)]
    const races = await racesOn(sites, extent)
    const cut = await cutOf(sites)
    const mass = await massOf(sites, extent)
    return {
      title: `From an acknowledged revocation to the last acceptance: three guards, each a process, with ${loadPerSecond} other calls a second to each`,
      columns: ['where', 'p50', 'p99', 'max', 'times', 'other calls, wrong'],
      rows: parts.map(rowOf),
      figures: [
        ...parts.flatMap(figuresOfPart),
        ...figuresOfRaces(races),
        ...figuresOfCut(cut),
        ...figuresOfMass(mass),
      ],
      notes: [...races.map(noteOfRaces), noteOfCut(cut), noteOfMass(mass)],
      also: isQuick ? [] : [await measureTable(), await measureStatusList()],
    }
  } finally {
    await sites.close()
  }
}

interface Part extends Lags {
  readonly name: string
  readonly limits: { readonly p50: number; readonly p99: number; readonly max: number }
}

async function lagsByFeed(sites: Sites, { revocations }: Extent): Promise<Part[]> {
  const parts: Part[] = []
  for (const database of databases) {
    for (const knows of ['feed by poll', 'feed by push'] as const) {
      const lags = await sites.use({ database, knows }, (site) => measureLags(site, revocations, 'tokens'))
      parts.push({ name: `${database}, ${knows}`, limits, ...lags })
    }
  }
  return parts
}

/** By the list nobody is told: the guard looks when `ttl` is over. Published when it is asked for, and at most a second old then. */
async function lagByStatusList(sites: Sites, { listRevocations }: Extent): Promise<Part> {
  const latest = (listSeconds + 1) * 1_000
  const lags = await sites.use({ database: 'SQLite', knows: 'status list', statusListSeconds: listSeconds }, (site) =>
    measureLags(site, listRevocations, 'grants'),
  )
  return {
    name: `SQLite, status list of ttl ${listSeconds} s`,
    limits: { p50: latest, p99: latest, max: latest },
    ...lags,
  }
}

async function racesOn(sites: Sites, { races: count }: Extent): Promise<(Races & { readonly name: string })[]> {
  const all: (Races & { readonly name: string })[] = []
  for (const database of databases) {
    const races = await sites.use({ database, knows: 'feed by poll' }, ({ issuer }) =>
      raceRefreshAgainstRevoke(issuer, count),
    )
    all.push({ name: database, ...races })
  }
  return all
}

async function cutOf(sites: Sites): Promise<CutOutcome> {
  return await sites.use({ database: 'SQLite', knows: 'feed by poll', ...declared }, ({ issuer, guards }) =>
    cutFeed(issuer, guards[0] as Running, declared.unavailableAfterSeconds + 5),
  )
}

async function massOf(sites: Sites, { massTokens }: Extent): Promise<Mass> {
  const reporter = await startReporter()
  try {
    return await sites.use(
      { database: 'SQLite', knows: 'feed by poll', reporterKeys: reporter.keysUrl },
      ({ issuer, guardPorts }) => reportLeakOf(massTokens, reporter, issuer.port, guardPorts),
    )
  } finally {
    reporter.close()
  }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

function rowOf({ name, lags, wrong, calls }: Part): string[] {
  const ms = (share: number): string => `${round(percentile(lags, share))} ms`
  return [name, ms(0.5), ms(0.99), ms(1), String(lags.length), `${calls}, ${wrong}`]
}

function figuresOfPart({ name, limits: { p50, p99, max }, lags, wrong }: Part): Figure[] {
  return [
    atMost(`${name}: p50`, p50, ' ms', percentile(lags, 0.5)),
    atMost(`${name}: p99`, p99, ' ms', percentile(lags, 0.99)),
    atMost(`${name}: max`, max, ' ms', percentile(lags, 1)),
    atMost(`${name}: good calls refused`, 0, '', wrong),
  ]
}

function figuresOfRaces(races: readonly (Races & { readonly name: string })[]): Figure[] {
  return races.map(({ name, races: count, alive }) =>
    atMost(`${name}: tokens alive after ${count} races`, 0, '', alive),
  )
}

function noteOfRaces({ name, races, refreshed, alive }: Races & { readonly name: string }): string {
  return `${name}: ${races} races of a refresh against a revocation; ${refreshed} refreshes were answered, ${alive} tokens were alive afterwards.`
}

function figuresOfCut({ strictAfter, usualAfter, isClean }: CutOutcome): Figure[] {
  const { staleAfterSeconds, unavailableAfterSeconds } = declared
  return [
    // Half a second for the calls that look.
    atMost('feed cut: strict routes answer 503 after', staleAfterSeconds + 0.5, ' s', strictAfter),
    atMost('feed cut: other routes answer 503 after', unavailableAfterSeconds + 0.5, ' s', usualAfter),
    atMost('feed cut: answers that were neither 200 nor 503', 0, '', isClean ? 0 : 1),
  ]
}

function noteOfCut({ strictAfter, usualAfter, backAfter }: CutOutcome): string {
  const { staleAfterSeconds, unavailableAfterSeconds } = declared
  return `Feed cut (the issuer hangs): strict routes answered 503 after ${round(strictAfter)} s (declared ${staleAfterSeconds}), others after ${round(usualAfter)} s (declared ${unavailableAfterSeconds}); both accepted again ${round(backAfter)} s after the issuer went on. Freshness counts from when a poll was sent, up to 2 s before the cut.`
}

function figuresOfMass({ tokens, seconds }: Mass): Figure[] {
  return [atMost(`${tokens} tokens of one leak`, 5, ' s', seconds)]
}

function noteOfMass({ tokens, seconds, reportMs }: Mass): string {
  return `One leaked client secret with ${tokens} live tokens: the report took ${round(reportMs)} ms, and ${round(seconds * 1_000)} ms later no guard accepted any of them.`
}

function atMost(name: string, limit: number, unit: Figure['unit'], value: number): Figure {
  return { name, limit, unit, must: 'not exceed', rounds: [value] }
}
