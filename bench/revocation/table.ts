// What a guard's look-up in its revocations costs; by itself `node bench/revocation/table.ts` prints it.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { type Figure, formatReport, median, type Report, round, verdict } from '../report.ts'

/** What one process measures. */
export interface TableJob {
  readonly kind: 'table' | 'Set of strings'
  readonly size: number
}

export interface TableMeasurement extends TableJob {
  /** ns of one look-up, hash included: by what is looked up, one a round. */
  readonly probes: Readonly<Record<string, readonly number[]>>
  readonly buildMs: number
  /** The longest that 64 entries in a row took to go in. */
  readonly longestMs: number
  /** The longest step of forgetting all of them. */
  readonly sweepMs: number
  /** An entry's share of the slots. */
  readonly computedBytes: number
  /** An entry's share of what the process had more in use, after a collection. */
  readonly usedBytes: number
  /** The same of what the process had more from the operating system. */
  readonly residentBytes: number
  readonly cachedNs: number
  /** A read of one word at random in as much memory, on this machine, now. */
  readonly memoryNs: number
}

const million = 1_000_000
const limits: Readonly<Record<number, number>> = { [million]: 100, [10 * million]: 250 }
const bytesLimit = 35
const pauseLimitMs = 10

/** Look-ups at 10^6 and 10^7 entries, beside a Set of strings at 10^6. */
export async function measureTable(): Promise<Report> {
  const jobs: readonly TableJob[] = [
    { kind: 'table', size: million },
    { kind: 'table', size: 10 * million },
    { kind: 'Set of strings', size: million },
  ]
  return report(jobs.map(run))
}

function run(job: TableJob): TableMeasurement {
  const file = join(import.meta.dirname, 'table-process.ts')
  const args = ['--conditions=arctos-source', file, JSON.stringify(job)]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1_000_000 }))
}

function report(results: readonly TableMeasurement[]): Report {
  const tables = results.filter(({ kind }) => kind === 'table')
  const figures = tables.flatMap((each): Figure[] => {
    const at = `at 10^${Math.log10(each.size)}`
    const misses = Object.entries(each.probes).filter(([name]) => name.startsWith('miss'))
    const worst = misses.map(([, costs]) => costs).toSorted((a, b) => median(b) - median(a))[0] ?? []
    const most = { must: 'not exceed' } as const
    return [
      {
        name: `miss ${at}`,
        limit: (limits[each.size] as number) / 1_000,
        unit: ' µs',
        ...most,
        rounds: lowestOfFive(worst).map((ns) => ns / 1_000),
      },
      {
        name: `bytes an entry ${at}`,
        limit: bytesLimit,
        unit: '',
        ...most,
        rounds: [each.computedBytes, each.usedBytes, each.usedBytes],
      },
      {
        name: `longest pause ${at}`,
        limit: pauseLimitMs,
        unit: ' ms',
        ...most,
        rounds: [each.longestMs, each.sweepMs, each.longestMs],
      },
    ]
  })
  const rows = results.flatMap((each) =>
    Object.entries(each.probes).map(([name, costs], at) => [
      `${each.kind}, 10^${Math.log10(each.size)}`,
      name,
      round(median(costs)),
      round(Math.min(...costs)),
      ...(at > 0
        ? ['', '', '', '', '']
        : [
            round(each.computedBytes),
            round(each.usedBytes),
            round(each.residentBytes),
            round(each.buildMs),
            `${round(each.longestMs)} / ${round(each.sweepMs)}`,
          ]),
    ]),
  )
  const reads = tables.map(({ size, memoryNs }) => `10^${Math.log10(size)}: ${round(memoryNs)} ns`)
  return {
    title: 'Look-up of one name among those taken back, hash included, CPU time in ns: medians and lowest of 25 rounds',
    columns: [
      'held in',
      'look-up',
      'ns',
      'lowest',
      'bytes computed',
      'in use',
      'resident',
      'build ms',
      'longest ms to add / forget',
    ],
    rows,
    figures,
    notes: [
      'A good token misses; a hit is a refusal. A miss is answered by a filter of a byte an entry, a hit reads its slot as well.',
      'Judged is the form of name that is slowest, by the lowest of each five rounds.',
      `One read at random in as much memory as the slots take, on this machine in this run: ${reads.join(', ')}.`,
      `A token found good before: one comparison, ${round(tables[0]?.cachedNs ?? Number.NaN)} ns.`,
    ],
  }
}

/** What neighbours do to the processor's caches only adds, so of each five rounds the lowest counts. */
function lowestOfFive(costs: readonly number[]): readonly number[] {
  return Array.from({ length: costs.length / 5 }, (_, at) => Math.min(...costs.slice(at * 5, at * 5 + 5)))
}

if (import.meta.main) {
  const result = await measureTable()
  console.log(formatReport(result))
  console.log(verdict(result.figures))
}
