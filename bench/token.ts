import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Figure, median, type Report, round } from './report.ts'
import { type CaseName, caseNames, type FloorName, floorNames } from './token/cases.ts'
import type { Measurement } from './token/load.ts'
import { type LoadProcess, type ServerProcess, startLoad, startServer } from './token/processes.ts'

const connections = 32
const rounds = 3
/** The first round also warms up the servers' compilers. */
const firstWarmSeconds = 3
const warmSeconds = 1
const seconds = 3

/** How many times less CPU than oidc-provider a request has to cost. */
const limits: Readonly<Record<CaseName, number>> = {
  'client_credentials jwt': 4,
  'client_credentials opaque': 2.5,
  refresh: 4.5,
  introspect: 5,
}
const durabilityLimit = 1.3

/** What a request at the token endpoint and at introspection costs a server, beside oidc-provider in the same run. */
export async function measure(): Promise<Report> {
  const directory = mkdtempSync(join(tmpdir(), 'arctos-bench-'))
  const running: { readonly stop: () => Promise<void> }[] = []
  try {
    checkFileSystem(directory)
    const start = async (name: string, file: string, ...args: readonly string[]): Promise<ServerProcess> => {
      const server = await startServer(name, file, args, join(directory, `${name.replaceAll(/\W/g, '')}.log`))
      running.push(server)
      return server
    }
    const full = await start('Arctos, SQLite FULL', 'arctos-server.ts', join(directory, 'arctos.sqlite'))
    const memory = await start('Arctos, :memory:', 'arctos-server.ts', ':memory:')
    const peer = await start('oidc-provider, memory', 'oidc-provider-server.ts')
    const floor = await start('node:http', 'floor-server.ts')
    const load = startLoad(join(directory, 'load.log'))
    running.push(load)
    return report(await measureAll(load, { full, memory, peer, floor }))
  } finally {
    await Promise.all(running.map((each) => each.stop()))
    rmSync(directory, { recursive: true, force: true })
  }
}

type Role = 'full' | 'memory' | 'peer' | 'floor'
interface Result {
  readonly name: CaseName | FloorName
  readonly role: Role
  readonly server: string
  /** One a round. */
  readonly measurements: Measurement[]
}

/** Runs every case on every server, round by round, so that a noisy minute hits all of them. */
async function measureAll(
  load: LoadProcess,
  servers: Readonly<Record<Role, ServerProcess>>,
): Promise<readonly Result[]> {
  const result = (name: Result['name'], role: Role): Result => {
    return { name, role, server: servers[role].name, measurements: [] }
  }
  const results = [
    ...caseNames.flatMap((name) =>
      (['full', 'memory', 'peer'] as const)
        .filter((role) => role !== 'memory' || name === 'refresh')
        .map((role) => result(name, role)),
    ),
    ...floorNames.map((name) => result(name, 'floor')),
  ]
  for (let turn = 0; turn < rounds; turn++) {
    for (const { name, role, measurements } of results) {
      const { pid, target, codes } = servers[role]
      const job = { name, target, pid, connections, warmSeconds: turn === 0 ? firstWarmSeconds : warmSeconds, seconds }
      measurements.push(await load.run({ ...job, codes: name === 'refresh' ? await codes(connections) : [] }))
    }
  }
  return results
}

function report(results: readonly Result[]): Report {
  const costs = (name: CaseName, role: Role): readonly number[] =>
    results.find((each) => each.name === name && each.role === role)?.measurements.map(cost) ?? []
  const ratios = (above: readonly number[], below: readonly number[]): readonly number[] =>
    above.map((value, index) => value / (below[index] ?? Number.NaN))

  const figures: Figure[] = caseNames.map((name) => ({
    name,
    limit: limits[name],
    unit: '×',
    must: 'reach',
    rounds: ratios(costs(name, 'peer'), costs(name, 'full')),
  }))
  const durability: Figure = {
    name: 'refresh, FULL to :memory:',
    limit: durabilityLimit,
    unit: '×',
    must: 'not exceed',
    rounds: ratios(costs('refresh', 'full'), costs('refresh', 'memory')),
  }
  const factor = ({ name, role }: Result): string => {
    if (role === 'memory') return formatFactor(durability, '≤')
    const figure = role === 'full' ? figures.find((each) => each.name === name) : undefined
    return figure === undefined ? '' : formatFactor(figure, '≥')
  }
  return {
    title: `Server CPU per request: ${connections} connections, server on core 0, load on core 1, medians of ${rounds} rounds of ${seconds} s`,
    columns: ['request', 'server', 'CPU µs', 'factor', 'wanted', 'req/s', 'p50 ms', 'p99 ms', 'bad'],
    rows: results.map((result) => row(result, factor(result))),
    figures: [...figures, durability],
    notes: [
      'factor: the CPU that oidc-provider needs for the same request divided by ours; beside :memory:, what FULL costs above it.',
      'All with HTTP Basic, ES256 where there is a signature, Bearer tokens for one resource; every answer is checked.',
      coldNote(results),
      ...complaints(results),
    ],
  }
}

function formatFactor({ rounds: each, limit }: Figure, sign: string): string {
  return `${round(median(each))} × | ${sign} ${limit} ×`
}

function row({ name, server, measurements }: Result, factor: string): readonly string[] {
  const middle = (of: (measurement: Measurement) => number): string => round(median(measurements.map(of)))
  const [ratio = '', wanted = ''] = factor.split(' | ')
  return [
    name,
    server,
    middle(cost),
    ratio,
    wanted,
    middle((each) => each.requests / each.seconds),
    middle((each) => each.p50),
    middle((each) => each.p99),
    String(measurements.reduce((sum, each) => sum + each.bad, 0)),
  ]
}

/** What the very first requests of each process cost: the rounds measure servers that are warm. */
function coldNote(results: readonly Result[]): string {
  const [first] = caseNames
  const cold = results
    .filter(({ name, role }) => name === first && role !== 'memory')
    .map(
      ({ server, measurements }) =>
        `${server} ${round(measurements[0] ? cost(measurements[0].warming) : Number.NaN)} µs`,
    )
  return `cold, in the first ${firstWarmSeconds} s of its process, ${first}: ${cold.join(', ')}.`
}

/** Microseconds of server CPU for each request. */
function cost({ serverCpuSeconds, requests }: Pick<Measurement, 'serverCpuSeconds' | 'requests'>): number {
  return (serverCpuSeconds * 1e6) / requests
}

function complaints(results: readonly Result[]): readonly string[] {
  return results.flatMap(({ name, server, measurements }) => {
    const complaint = measurements.find((each) => each.complaint !== undefined)?.complaint
    return complaint === undefined ? [] : [`bad answer of ${server} to ${name}: ${complaint}`]
  })
}

const memoryFileSystem = 0x01021994

/** A sync that costs nothing would make durability look free. */
function checkFileSystem(directory: string): void {
  if (process.platform !== 'linux') throw new Error('this bench needs Linux: it pins processes and reads /proc')
  if (statfsSync(directory).type === memoryFileSystem)
    throw new Error(`${tmpdir()} is in memory; set TMPDIR to a folder on a disk`)
}
