import { trafficParts } from './exchange.ts'
import { createHistogram, type Histogram } from './histogram.ts'
import { runModelGuard } from './model-guard.ts'
import { runRealGuard } from './real-guard.ts'
import { fleet, type Setting } from './setting.ts'
import { createTransmitter } from './transmitter.ts'
import { createWorld } from './world.ts'

/** What a simulation found. Times in ms. */
export interface Outcome {
  readonly setting: Setting
  readonly entries: number
  readonly failovers: number
  readonly epochs: number
  readonly crashes: number
  readonly lags: Histogram
  readonly undisturbed: Histogram
  readonly ready: Histogram
  readonly worstStrict: number
  readonly worstLenient: number
  readonly staleShare: number
  readonly resyncs: number
  readonly polls: number
  readonly up: number
  readonly down: number
  /** Bytes of all guards, by part of the time. */
  readonly traffic: Float64Array
  /** Of the guards that ran the real code, by time: means of a guard. */
  readonly memory: readonly { readonly at: number; readonly entries: number; readonly bytes: number }[]
  readonly probes: number
  readonly letIn: number
  readonly violations: readonly string[]
}

/** Runs every guard of a fleet through the same world. The ones with the real code are held to the model, number by number. */
export async function simulate(setting: Setting, progress: (done: number) => void = () => {}): Promise<Outcome> {
  const world = createWorld(setting)
  const [lags, undisturbed, ready] = [createHistogram(), createHistogram(), createHistogram()]
  const traffic = new Float64Array(trafficParts)
  const violations: string[] = []
  const sums = {
    worstStrict: 0,
    worstLenient: 0,
    staleMs: 0,
    resyncs: 0,
    polls: 0,
    up: 0,
    down: 0,
    probes: 0,
    letIn: 0,
  }
  const transmitter = createTransmitter(world, fleet.longestTokenLifeSeconds * 1_000)
  const samples: { readonly at: number; readonly entries: number; readonly bytes: number }[] = []

  for (let guard = 0; guard < setting.guards; guard += 1) {
    const { record, line } = runModelGuard(world, guard)
    for (const lag of record.lags) lags.add(lag)
    for (const lag of record.undisturbed) undisturbed.add(lag)
    for (const each of record.ready) ready.add(each)
    for (const [part, bytes] of line.traffic.entries()) traffic[part] = (traffic[part] as number) + bytes
    sums.worstStrict = Math.max(sums.worstStrict, record.worstStrict)
    sums.worstLenient = Math.max(sums.worstLenient, record.worstLenient)
    sums.staleMs += record.staleMs
    sums.resyncs += record.resyncs
    sums.polls += line.polls
    sums.up += line.up
    sums.down += line.down
    for (const each of record.violations.slice(0, 10)) violations.push(`guard ${guard}: ${each}`)
    if (guard < setting.realGuards) {
      const real = await runRealGuard(world, guard, transmitter)
      sums.probes += real.probes
      sums.letIn += real.letIn
      samples.push(...real.memory)
      for (const each of real.record.violations.slice(0, 10)) violations.push(`guard ${guard}, real: ${each}`)
      const [expected, found] = [essence(line, record), essence(real.line, real.record)]
      if (found !== expected) violations.push(`guard ${guard}: the model says ${expected}, the real code ${found}`)
    }
    progress(guard + 1)
  }
  const { staleMs, ...rest } = sums
  return {
    setting,
    entries: world.acknowledged.length,
    failovers: world.failovers.length,
    epochs: world.epochs.length,
    crashes: world.crashes.flat().length,
    lags,
    undisturbed,
    ready,
    ...rest,
    staleShare: staleMs / (setting.guards * world.untilMs),
    traffic,
    memory: meansByTime(samples, world.untilMs),
    violations,
  }
}

/** What model and real code have to agree on to the last digit. */
function essence(
  { polls, up, down }: { readonly polls: number; readonly up: number; readonly down: number },
  { lags, ready, resyncs, worstStrict, worstLenient }: ReturnType<typeof runModelGuard>['record'],
): string {
  const sum = lags.reduce((total, lag) => total + lag, 0)
  return JSON.stringify({ polls, up, down, told: lags.length, lags: sum, ready, resyncs, worstStrict, worstLenient })
}

const memoryParts = 48

function meansByTime(
  samples: readonly { readonly at: number; readonly entries: number; readonly bytes: number }[],
  untilMs: number,
): Outcome['memory'] {
  return Array.from({ length: memoryParts }, (_, part) => {
    const each = samples.filter(({ at }) => Math.floor((at / untilMs) * memoryParts) === part)
    const mean = (of: (sample: (typeof each)[number]) => number): number =>
      each.reduce((sum, sample) => sum + of(sample), 0) / each.length
    return {
      at: ((part + 0.5) / memoryParts) * untilMs,
      entries: mean(({ entries }) => entries),
      bytes: mean(({ bytes }) => bytes),
    }
  }).filter(({ entries }) => Number.isFinite(entries))
}
