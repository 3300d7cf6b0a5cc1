import { createFreshness } from '../../packages/resource-server/src/feed/freshness.ts'
import { createOrder } from '../../packages/resource-server/src/feed/order.ts'
import { createReceiver } from '../../packages/resource-server/src/feed/receiver.ts'
import { applySnapshot } from '../../packages/resource-server/src/feed/snapshot.ts'
import type { SnapshotAnswer } from '../../packages/resource-server/src/feed/stream.ts'
import { createSubscription } from '../../packages/resource-server/src/feed/subscription.ts'
import type { Trouble } from '../../packages/resource-server/src/feed/trouble.ts'
import { createFeedMetrics } from '../../packages/resource-server/src/reports/feed-metrics.ts'
import {
  createRevocationState,
  type Revocation,
} from '../../packages/resource-server/src/verification/revocation-state.ts'
import { type Answer, createLine, type Line } from './exchange.ts'
import { type Probes, startProbes, tokenOf } from './probes.ts'
import { createRecord, type GuardRecord, noteForce, noteKnowledge } from './record.ts'
import { fleet, link } from './setting.ts'
import { createSimulatedClient } from './simulated-client.ts'
import { audience, beginning, issuer } from './sizes.ts'
import type { Transmitter } from './transmitter.ts'
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts'
import type { World } from './world.ts'

export interface RealRun extends Probes {
  readonly record: GuardRecord
  readonly line: Line
  /** Every five minutes: when, how many entries were held, in how many bytes. */
  readonly memory: { readonly at: number; readonly entries: number; readonly bytes: number }[]
}

const memoryEveryMs = 300_000

/**
 * A guard's own code, with a clock and a network that are not real: subscription, order, freshness, verification of events, snapshots,
 * the table, the gate. Requests with each token that is taken back come every 200 ms until one is refused.
 */
export async function runRealGuard(world: World, guard: number, transmitter: Transmitter): Promise<RealRun> {
  const line = createLine(world, guard)
  const clock = createVirtualClock()
  const record = createRecord()
  const run: RealRun = { record, line, memory: [], probes: 0, letIn: 0, violations: record.violations }
  let from = 0
  for (const { from: end, to } of [...line.restarts, { from: world.untilMs, to: world.untilMs }]) {
    if (from < end) {
      clock.schedule(from, () => {})
      await clock.run(from)
      await live(run, clock, transmitter, from, end, guard)
    }
    from = to
  }
  return run
}

async function live(
  run: RealRun,
  clock: VirtualClock,
  transmitter: Transmitter,
  from: number,
  end: number,
  guard: number,
): Promise<void> {
  const { line, record } = run
  const { world, resource, chance } = line
  const list = world.told[resource] as Int32Array
  const elapsed = clock.now
  const now = (): number => beginning * 1_000 + elapsed()
  const { longestTokenLifeSeconds, clockToleranceSeconds } = fleet
  const state = createRevocationState({ onlyIssuer: issuer, longestTokenLifeSeconds, clockToleranceSeconds })
  const order = createOrder()
  const metrics = createFeedMetrics()
  const pause = (milliseconds: number): Promise<void> => clock.until(elapsed() + milliseconds)
  const actual = createFreshness({ now, elapsed, pause })
  let troubleAt = from
  let appliedTo = 0
  let stopped = false

  // The guard's own, with a look at what it is told.
  const freshness: typeof actual = Object.assign(Object.create(actual), {
    confirm(askedAt: number): void {
      noteKnowledge(record, line, appliedTo, askedAt, actual.knownAt, elapsed())
      if (actual.confirmedAt === undefined) record.ready.push(elapsed() - from)
      actual.confirm(askedAt)
      state.sweep(now() / 1_000)
    },
  })

  const note = (answer: Answer): void => {
    if (!answer.ok || line.slowest > link.slowMs || subscription.problem !== undefined) troubleAt = answer.at
  }

  /** Notes what came into force, when the state ends the tokens of it. */
  const apply = (entry: Revocation): void => state.add(entry, now() / 1_000)
  const noteApplied = (): void => {
    for (; appliedTo < list.length; appliedTo += 1) {
      const number = list[appliedTo] as number
      const acknowledged = world.acknowledged[number] as number
      if (state.isGood(tokenOf(world, number))) return
      if (actual.confirmedAt !== undefined)
        noteForce(record, acknowledged, { at: elapsed(), knownAt: actual.knownAt, troubleAt })
    }
  }

  const expectation = { issuer, audiences: [audience], clockToleranceSeconds }
  const receiver = createReceiver({
    ...expectation,
    keys: transmitter.keys,
    order,
    metrics,
    context: () => ({
      issuer,
      critical: new Set(['actor']),
      now: now() / 1_000,
      clockToleranceSeconds,
      longestTokenLifeSeconds,
    }),
    enforce(effect) {
      if (effect.kind === 'revoke') apply(effect.entry)
    },
  })

  const client = createSimulatedClient({ line, clock, transmitter, note, isStopped: () => stopped })

  const synchronise = async ({ statement, body }: SnapshotAnswer): Promise<Trouble | undefined> => {
    const { epoch, head, lines, place } = JSON.parse(statement) as Record<string, number>
    const snapshot = {
      issuedAt: now() / 1_000,
      epoch: epoch as number,
      head: head as number,
      entries: lines as number,
      digest: '',
    }
    const sink = { issuer, apply: (entries: readonly Revocation[]) => entries.forEach(apply), ignored() {} }
    const trouble = await clock.during(applySnapshot(snapshot, body, sink))
    if (trouble !== undefined) return trouble
    order.reset(snapshot.epoch, snapshot.head)
    record.resyncs += 1
    // What is older than any token is not told again, and what came before the start was never accepted here.
    if (actual.confirmedAt === undefined) appliedTo = Math.max(appliedTo, place as number)
    noteApplied()
    return undefined
  }

  const subscription = createSubscription({
    description: { issuer, audiences: [audience], resource: audience, push: undefined },
    transmitter: { read: async () => metadata, doubt() {} },
    client,
    receiver: {
      async receive(text) {
        const received = await receiver.receive(text)
        if (received.result === 'refused' || received.result === 'undecided')
          record.violations.push(`an event is ${received.result}`)
        noteApplied()
        return received
      },
    },
    order,
    freshness,
    metrics,
    synchronise,
    now,
    elapsed,
    pause,
    chance: chance.next,
    troubled() {},
  })

  // Requests hurry a feed that is well and silent; the model has no requests, so here the feed never looks well.
  const feed = { freshness, metrics, position: 0, epoch: 1, problem: 'simulated', hurry() {} }
  startProbes({ line, clock, state, feed, guard, from, isStopped: () => stopped }, run)

  const watchMemory = (): void => {
    if (stopped) return
    state.sweep(now() / 1_000)
    run.memory.push({ at: elapsed(), entries: state.size, bytes: state.bytes })
    clock.schedule(elapsed() + memoryEveryMs, watchMemory)
  }
  clock.schedule(from + memoryEveryMs, watchMemory)

  await clock.run(end)
  stopped = true
  void subscription.close()
}

const metadata = {
  jwksUri: `${issuer}/ssf/jwks`,
  configurationEndpoint: `${issuer}/ssf/streams`,
  verificationEndpoint: undefined,
  snapshotEndpoint: `${issuer}/ssf/snapshot`,
  criticalMembers: new Set(['actor']),
}
