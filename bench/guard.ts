import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Attack, attacks, costsOfAttacks, wireText } from './guard/hostile.ts'
import { startIssuer } from './guard/issuer.ts'
import type { GuardJob, GuardMeasurement } from './guard/load.ts'
import { cold, type Framework, frameworks, open, type Ready, type Route, routes, warm } from './guard/setting.ts'
import { type Figure, median, type Report, round } from './report.ts'
import { answer, startPinned, stop } from './token/processes.ts'
import { audience, type TokenSet } from './verify/tokens.ts'
import { rawSignature } from './verify/verifiers.ts'

const connections = 32
const rounds = 3
/** The first round also warms up the servers' compilers. */
const firstWarmSeconds = 1
const warmSeconds = 0.3
const seconds = 1
const hostileCount = 10_000
const attackLimitMicroseconds = 1_000

type Algorithm = 'RS256' | 'ES256'
const algorithms = ['RS256', 'ES256'] as const
/** CPU time of a raw signature check in the study that the limits come from, in µs. */
const studied: Readonly<Record<Algorithm, number>> = { RS256: 18.6, ES256: 65.3 }
/** µs that a guard may add where nothing is remembered. */
const coldLimits: Readonly<Record<Algorithm, number>> = { RS256: 35, ES256: 90 }
/** Unguarded CPU over guarded CPU, where tokens are remembered. */
const warmLimits: Readonly<Partial<Record<Framework, number>>> = { 'Express 5': 0.85, 'Fastify 5': 0.8 }

interface Server {
  readonly framework: Framework
  readonly pid: number
  readonly port: number
}

interface Result {
  readonly framework: Framework
  readonly route: Route
  /** `undefined` for the open route, where the token is not looked at. */
  readonly algorithm: Algorithm | undefined
  /** One a round. */
  readonly measurements: GuardMeasurement[]
}

/** What a guard adds to the CPU that a request costs its server, beside other guards in their own frameworks. */
export async function measure(): Promise<Report> {
  if (process.platform !== 'linux') throw new Error('this bench needs Linux: it pins processes and reads /proc')
  const directory = mkdtempSync(join(tmpdir(), 'arctos-bench-'))
  const issuer = await startIssuer()
  const running: ReturnType<typeof startPinned>[] = []
  const start = async <Message>(core: number, name: string, file: string, setting?: object) => {
    const args = [join(import.meta.dirname, 'guard', file), ...(setting === undefined ? [] : [JSON.stringify(setting)])]
    const child = startPinned(core, args, join(directory, `${name.replaceAll(/\W/g, '')}.log`))
    running.push(child)
    return { child, message: setting === undefined ? undefined : await answer<Message>(child, name) }
  }
  try {
    const servers: Server[] = []
    for (const framework of frameworks) {
      const setting = { framework, issuer: issuer.issuer, audience }
      const { child, message } = await start<Ready>(0, framework, 'server.ts', setting)
      servers.push({ framework, pid: child.pid as number, port: message?.port ?? 0 })
    }
    const { child } = await start(1, 'load', 'load.ts')
    const load = async (job: GuardJob): Promise<GuardMeasurement> => {
      child.send(job)
      const result = await answer<{ measurement?: GuardMeasurement; error?: string }>(child, 'the load')
      if (result.measurement === undefined) throw new Error(result.error)
      return result.measurement
    }
    const raw: Record<Algorithm, number[]> = { RS256: [], ES256: [] }
    const results = servers.flatMap(({ framework }) => resultsOf(framework))
    for (let turn = 0; turn < rounds; turn++) {
      for (const algorithm of algorithms) raw[algorithm].push(rawCost(issuer.tokens[algorithm]))
      for (const { framework, route, algorithm, measurements } of results) {
        const server = servers.find((each) => each.framework === framework) as Server
        const requests = requestsFor(route, issuer.tokens[algorithm ?? 'ES256'])
        const warming = turn === 0 ? firstWarmSeconds : warmSeconds
        measurements.push(await load({ ...server, requests, connections, warmSeconds: warming, seconds }))
      }
    }
    const harmless = Array.from({ length: 100 }, () => `GET ${open.path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
    // The reader of answers knows no HEAD, and needs no forms.
    const isPlain = ({ request }: Attack): boolean => request.method === 'GET' && request.body === undefined
    const hostile = attacks(issuer).filter(isPlain).map(wireText)
    const goodRequests = requestsFor(warm, issuer.tokens.ES256)
    const crowds = []
    for (let turn = 0; turn < 3; turn++) {
      for (const [name, requests] of [
        ['nobody', undefined],
        ['harmless', harmless],
        ['hostile', hostile],
      ] as const) {
        const crowd = requests && { requests, count: hostileCount, connections: 8 }
        const job = { ...(servers[0] as Server), requests: goodRequests, connections: 8, warmSeconds, seconds }
        crowds.push({ name, ...(await load(crowd === undefined ? job : { ...job, crowd })) })
      }
    }
    return report(results, raw, await costsOfAttacks(issuer), crowds)
  } finally {
    await Promise.all(running.map(stop))
    issuer.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

function resultsOf(framework: Framework): Result[] {
  return routes[framework].flatMap((route): Result[] => {
    const one = (algorithm: Algorithm | undefined): Result => ({ framework, route, algorithm, measurements: [] })
    // What is remembered costs the same under either algorithm; the token under ES256 is the shorter one.
    return route === open ? [one(undefined)] : route === warm ? [one('ES256')] : algorithms.map(one)
  })
}

/** The open route gets the token, too: reading it off the wire is no work of the guard's. */
function requestsFor({ path }: Route, { tokens }: TokenSet): readonly string[] {
  return tokens.map(
    (token) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token.toString('latin1')}\r\n\r\n`,
  )
}

function rawCost(set: TokenSet): number {
  const verify = rawSignature(set)
  const pass = (): number => {
    const before = process.cpuUsage()
    for (let count = 0; count < 2_000; count++) verify(count % set.tokens.length)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 2_000
  }
  return Math.min(pass(), pass(), pass())
}

interface Crowd extends GuardMeasurement {
  readonly name: 'nobody' | 'harmless' | 'hostile'
}

function report(
  results: readonly Result[],
  raw: Readonly<Record<Algorithm, readonly number[]>>,
  attackCosts: ReadonlyMap<string, number>,
  crowds: readonly Crowd[],
): Report {
  const costs = (framework: Framework, route: Route, algorithm: Algorithm | undefined): readonly number[] =>
    results
      .find((each) => each.framework === framework && each.route === route && each.algorithm === algorithm)
      ?.measurements.map(cost) ?? []
  const combine = (above: readonly number[], below: readonly number[], of: (a: number, b: number) => number) =>
    above.map((value, turn) => of(value, below[turn] as number))
  const openCosts = (framework: Framework): readonly number[] => costs(framework, open, undefined)
  const scale = (algorithm: Algorithm): number => median(raw[algorithm]) / studied[algorithm]

  const coldFigures = frameworks.flatMap((framework) =>
    algorithms.map((algorithm): Figure => {
      const added = combine(costs(framework, cold, algorithm), openCosts(framework), (a, b) => a - b)
      return {
        name: `cold, ${framework}, ${algorithm}`,
        limit: coldLimits[algorithm],
        unit: ' µs',
        must: 'not exceed',
        rounds: added.map((value) => value / scale(algorithm)),
      }
    }),
  )
  const warmFigures = frameworks.flatMap((framework): Figure[] => {
    const limit = warmLimits[framework]
    const ratios = combine(openCosts(framework), costs(framework, warm, 'ES256'), (a, b) => a / b)
    if (limit === undefined) return []
    return [{ name: `warm, ${framework}`, limit, unit: '×', must: 'reach', rounds: ratios }]
  })
  const [worst = ['none', 0]] = [...attackCosts].sort((a, b) => b[1] - a[1])
  const attackFigure: Figure = {
    name: `dearest of ${attackCosts.size} attacks`,
    limit: attackLimitMicroseconds,
    unit: ' µs',
    must: 'not exceed',
    rounds: [worst[1]],
  }
  const p99 = (name: Crowd['name']): number =>
    median(crowds.filter((each) => each.name === name).map((each) => each.p99))
  const figures = [...coldFigures, ...warmFigures, attackFigure]
  return {
    title: `Server CPU per request behind a guard: ${connections} connections, server on core 0, load on core 1, medians of ${rounds} rounds of ${seconds} s`,
    columns: ['server', 'guard', 'token', 'CPU µs', 'added µs', 'of unguarded', 'req/s', 'p50 ms', 'p99 ms', 'bad'],
    rows: results.map(({ framework, route, algorithm, measurements }) => {
      const own = measurements.map(cost)
      const base = openCosts(framework)
      const middle = (of: (measurement: GuardMeasurement) => number): string => round(median(measurements.map(of)))
      const isOpen = route === open
      return [
        framework,
        route.guard,
        algorithm ?? '',
        round(median(own)),
        isOpen ? '' : round(median(combine(own, base, (a, b) => a - b))),
        isOpen ? '' : round(median(combine(base, own, (a, b) => a / b))),
        middle((each) => each.requests / each.seconds),
        middle((each) => each.p50),
        middle((each) => each.p99),
        String(measurements.reduce((sum, each) => sum + each.bad, 0)),
      ]
    }),
    figures,
    notes: [
      `Limits in µs are scaled by this run's raw signature over the study's: ${algorithms.map((each) => `${each} ${round(scale(each))}`).join(', ')}.`,
      ...figures.map(
        ({ name, rounds: each, limit, unit, must }) =>
          `${name}: ${round(median(each))}${unit}, ${must === 'reach' ? 'at least' : 'at most'} ${limit}${unit}`,
      ),
      `The dearest attack: ${worst[0]}.`,
      `p99 of good requests over 8 connections: ${round(p99('nobody'))} ms alone, ${round(p99('harmless'))} ms beside ${hostileCount} harmless requests, ${round(p99('hostile'))} ms beside ${hostileCount} hostile ones; bad answers to good requests: ${crowds.reduce((sum, { bad }) => sum + bad, 0)}.`,
      ...results.flatMap(({ framework, route, measurements }) => {
        const complaint = measurements.find((each) => each.complaint !== undefined)?.complaint
        return complaint === undefined ? [] : [`bad answer of ${framework}, ${route.guard}: ${complaint}`]
      }),
    ],
  }
}

/** Microseconds of server CPU for each request. */
function cost({ serverCpuSeconds, requests }: GuardMeasurement): number {
  return (serverCpuSeconds * 1e6) / requests
}
