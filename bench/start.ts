import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Figure, median, type Report, round } from './report.ts'

const rounds = 3
const startsPerRound = 3
const limitSeconds = 1

/** How much of an earlier start there is. */
const kinds = ['first start on a machine', 'first start in a directory', 'later start'] as const
type Kind = (typeof kinds)[number]

interface Start {
  /** From the start of the process to the accepted call, in seconds. */
  readonly accepted: number
  /** The same, to the end of the process. */
  readonly ended: number
}

/** How long it takes from `npm start` (without npm's own time) to a call that the sample API accepted. */
export async function measure(): Promise<Report> {
  const results = kinds.map((kind) => ({ kind, starts: [] as Start[][] }))
  for (let turn = 0; turn < rounds; turn++) {
    for (const { kind, starts } of results) starts.push(await startSeveral(kind))
  }
  const middle = (starts: readonly Start[][], of: (start: Start) => number): readonly number[] =>
    starts.map((each) => median(each.map(of)))
  const figures: Figure[] = results.map(({ kind, starts }) => ({
    name: kind,
    limit: limitSeconds,
    unit: ' s',
    must: 'not exceed',
    rounds: middle(starts, (start) => start.accepted),
  }))
  return {
    title: `Process start to accepted call: npm start -- --once, medians of ${rounds} rounds of ${startsPerRound}`,
    columns: ['start', 'accepted s', 'wanted', 'slowest s', 'ended s'],
    rows: results.map(({ kind, starts }) => [
      kind,
      round(median(middle(starts, (start) => start.accepted))),
      `≤ ${limitSeconds.toFixed(1)}`,
      round(Math.max(...starts.flat().map((start) => start.accepted))),
      round(median(middle(starts, (start) => start.ended))),
    ]),
    figures,
    notes: [
      'first start on a machine: nothing compiled, no data. In a directory: compiled code is there, no data. Later: both are there.',
      'The launcher runs on the Node of the path, and starts the one that came with the repository.',
    ],
  }
}

async function startSeveral(kind: Kind): Promise<Start[]> {
  const directory = mkdtempSync(join(tmpdir(), 'arctos-bench-'))
  try {
    // Node keeps compiled code below the folder for temporary files.
    const fresh = (name: string): string => mkdtempSync(join(directory, name))
    const cache = fresh('cache')
    const data = join(directory, 'data')
    if (kind !== 'first start on a machine') await start(data, cache)
    const starts: Start[] = []
    while (starts.length < startsPerRound) {
      const isFirst = kind === 'first start on a machine'
      const place = kind === 'later start' ? data : join(fresh('data'), 'data')
      starts.push(await start(place, isFirst ? fresh('cache') : cache))
    }
    return starts
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Starts the sample server once, as `npm start` does. */
async function start(data: string, temporary: string): Promise<Start> {
  const script = ['scripts/node.cjs', '--conditions=arctos-source', 'apps/cli/src/main.ts', 'dev']
  const options = ['--once', '--port', '0', '--api-port', '0', '--data-dir', data]
  const started = performance.now()
  const child = spawn('node', [...script, ...options], {
    cwd: join(import.meta.dirname, '..'),
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  let accepted = Number.NaN
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (Number.isNaN(accepted) && /GET +\/notes +200/.test(output)) accepted = (performance.now() - started) / 1000
  })
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0 || Number.isNaN(accepted)) throw new Error(`the sample server ended with ${code}:\n${output}`)
  return { accepted, ended: (performance.now() - started) / 1000 }
}
