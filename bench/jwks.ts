import { type Library, ours, peers } from './jwks/libraries.ts'
import { type Numbers, runScenario, type ScenarioName, scenarios } from './jwks/scenarios.ts'
import type { Figure, Report } from './report.ts'

const rounds = 3

/** What is promised of ours: the number that a scenario saw, and its limit. */
const promises: readonly (readonly [string, ScenarioName, string, Figure['must'], number, Figure['unit']])[] = [
  ['A, fetches for 200 at once', 'coldHerd', 'fetches', 'not exceed', 1, ''],
  ['A, good of 200', 'coldHerd', 'good', 'reach', 200, ''],
  ['B, fetches when warm', 'warmCache', 'fetches', 'not exceed', 0, ''],
  ['C, fetches for 200 unknown keys', 'unknownKeys', 'fetches', 'not exceed', 5, ''],
  ['D, rotation', 'rotation', 'ms', 'not exceed', 50, ' ms'],
  ['E, good of 20', 'failing', 'good', 'reach', 20, ''],
  ['E, fetches', 'failing', 'fetches', 'not exceed', 2, ''],
  ['F, added', 'hanging', 'ms', 'not exceed', 10, ' ms'],
  ['G, new key', 'newKeyInFlood', 'ms', 'not exceed', 1_000, ' ms'],
  ['G, refusals before', 'newKeyInFlood', 'refused', 'not exceed', 0, ''],
  ['rotating, good tokens refused', 'rotationUnderLoad', 'refused', 'not exceed', 0, ''],
]

type Seen = Readonly<Record<ScenarioName, Numbers>>

const names = [
  'coldHerd',
  'warmCache',
  'unknownKeys',
  'rotation',
  'failing',
  'hanging',
  'newKeyInFlood',
  'rotationUnderLoad',
] as const

/** How a cache of keys behaves when keys change, strangers knock and the endpoint is in trouble; beside others in the same run. */
export async function measure(): Promise<Report> {
  // What a process compiles on its first requests is not the cache's.
  await runAll(ours)
  const own: Seen[] = []
  while (own.length < rounds) own.push(await runAll(ours))
  const rows: string[][] = [row(ours.name, own.at(-1))]
  for (const peer of peers) rows.push(row(peer.name, await runAll(peer)))
  return {
    title: `Seven tests of a key cache, and rotation under load: real HTTP on 127.0.0.1, ours ${rounds} times`,
    columns: ['library', ...names.map((name) => scenarios[name].name)],
    rows: [...rows, ['wanted', '1', '0', '≤ 5', '≤ 50 ms', '20/20, ≤ 2', '≤ 10 ms', '≤ 1000 ms', '0']],
    figures: promises.map(([name, scenario, of, must, limit, unit]) => ({
      name,
      limit,
      unit,
      must,
      rounds: own.map((seen) => seen[scenario][of] ?? Number.NaN),
    })),
    notes: [
      'A: fetches for 200 requests at once on a cold cache. B: fetches for 100 more. C: fetches for 200 unknown kids at once.',
      'D: a key used right after it was published. E: good calls, and fetches, while the endpoint answers 500 after max-age.',
      'F: what the slowest of 20 calls takes longer while the endpoint hangs after max-age. G: a new key during a flood of C.',
      'rotating: good tokens refused while the key changes five times in 2 s, and is used at once.',
      'Whoever can be told how old keys may get was told that of the answer, 1 s; aws-jwt-verify, hono and oauth4webapi cannot.',
    ],
  }
}

async function runAll(library: Library): Promise<Seen> {
  const seen: Partial<Record<ScenarioName, Numbers>> = {}
  for (const name of names) seen[name] = await runScenario(scenarios[name], library)
  return seen as Seen
}

function row(name: string, seen: Seen | undefined): string[] {
  return [name, ...names.map((each) => (seen === undefined ? '-' : scenarios[each].show(seen[each])))]
}
