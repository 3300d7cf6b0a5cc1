import { type AccessToken, checkAccessTokenClaims, Refusal, strictJudge } from '@arctos/core'
import { rowIdOf } from '../../packages/authorization-server/src/feed/security-event.ts'
import { createFeedGate } from '../../packages/resource-server/src/feed/feed-gate.ts'
import { createFreshness } from '../../packages/resource-server/src/feed/freshness.ts'
import { createOrder } from '../../packages/resource-server/src/feed/order.ts'
import { createReceiver } from '../../packages/resource-server/src/feed/receiver.ts'
import { defaultRule, type FeedRule } from '../../packages/resource-server/src/feed/rule.ts'
import { applySnapshot } from '../../packages/resource-server/src/feed/snapshot.ts'
import type { SnapshotAnswer, StreamClient } from '../../packages/resource-server/src/feed/stream.ts'
import { createSubscription } from '../../packages/resource-server/src/feed/subscription.ts'
import type { Trouble } from '../../packages/resource-server/src/feed/trouble.ts'
import { createFeedMetrics } from '../../packages/resource-server/src/reports/feed-metrics.ts'
import {
  createRevocationState,
  type Revocation,
} from '../../packages/resource-server/src/verification/revocation-state.ts'
import { type Answer, askAtOnce, createLine, headAt, type Line, poll } from './exchange.ts'
import { placeOf, snapshotBytes } from './model-guard.ts'
import { createRecord, type GuardRecord, noteForce, noteKnowledge } from './record.ts'
import { fleet, link, receiver as times } from './setting.ts'
import { audience, beginning, issuer, ledgerRowOf, sizes } from './sizes.ts'
import type { Transmitter } from './transmitter.ts'
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts'
import { isIn, type World } from './world.ts'

type GoodAnswer = Extract<Answer, { readonly ok: true }>

export interface RealRun {
  readonly record: GuardRecord
  readonly line: Line
  /** Every five minutes: when, how many entries were held, in how many bytes. */
  readonly memory: { readonly at: number; readonly entries: number; readonly bytes: number }[]
  /** Requests with a token that was taken back, and how many of them were let in. */
  probes: number
  letIn: number
}

const memoryEveryMs = 300_000
const probeEveryMs = 200

/**
 * A guard's own code, with a clock and a network that are not real: subscription, order, freshness, verification of events, snapshots,
 * the table, the gate. Requests with each token that is taken back come every 200 ms until one is refused.
 */
export async function runRealGuard(world: World, guard: number, transmitter: Transmitter): Promise<RealRun> {
  const line = createLine(world, guard)
  const clock = createVirtualClock()
  const run: RealRun = { record: createRecord(), line, memory: [], probes: 0, letIn: 0 }
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
  const actual = createFreshness(elapsed, (milliseconds) => clock.until(elapsed() + milliseconds))
  let troubleAt = from
  let appliedTo = 0
  let stopped = false

  const freshness: typeof actual = {
    get knownAt() {
      return actual.knownAt
    },
    get confirmedAt() {
      return actual.confirmedAt
    },
    confirm(askedAt) {
      noteKnowledge(record, line, appliedTo, askedAt, actual.knownAt, elapsed())
      if (actual.confirmedAt === undefined) record.ready.push(elapsed() - from)
      actual.confirm(askedAt)
      state.sweep(now() / 1_000)
    },
    doubt: actual.doubt,
    wait: actual.wait,
  }

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

  /** What is asked comes back when the clock is there. */
  const when = async <Result>(answer: Answer, make: (good: GoodAnswer) => Result): Promise<Result | Trouble> => {
    note(answer)
    await clock.until(answer.at)
    if (stopped) return { problem: 'stopped' }
    return answer.ok ? make(answer) : { problem: answer.problem }
  }
  const client: StreamClient = {
    async create() {
      const made = askAtOnce(line, elapsed(), sizes.answer)
      return when(made, ({ head }) => {
        line.done = placeOf(list, head)
        return { id: 's', pollEndpoint: `${issuer}/ssf/poll/s`, leastVerificationMs: 0 }
      })
    },
    async remove() {},
    async verify() {
      return undefined
    },
    async poll(_endpoint, { maxEvents, returnImmediately, ack }) {
      if (maxEvents === 0) {
        const looked = askAtOnce(line, elapsed(), sizes.answer)
        return when(looked, ({ epoch, head }) => ({ sets: [], moreAvailable: false, epoch, head }))
      }
      const numbers = ack.map((jti) => Number(/\d+/.exec(rowIdOf(jti, audience) ?? '')?.[0]))
      const acknowledgedTo = Math.max(line.done, ...numbers.map((number) => placeOf(list, number + 1)))
      const answer = poll(line, elapsed(), returnImmediately, acknowledgedTo)
      return when(answer, ({ rows, moreAvailable, epoch, head }) => ({
        sets: rows.map((place) => transmitter.event(resource, place, epoch)),
        moreAvailable,
        epoch,
        head,
      }))
    },
    async snapshot() {
      const at = elapsed()
      const answer = askAtOnce(line, at, snapshotBytes(world, list, at))
      return when(answer, ({ epoch, head }) => {
        const place = placeOf(list, head)
        const { body, lines } = transmitter.snapshot(resource, place, at)
        return { statement: JSON.stringify({ epoch, head, lines, place }), body }
      })
    },
    abort() {},
  }

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
    pause: (milliseconds) => clock.until(elapsed() + milliseconds),
    chance: chance.next,
  })

  const rule = { ...defaultRule, whenStale: behaviours[guard % behaviours.length] as FeedRule['whenStale'] }
  const feed = { rule, freshness, metrics, position: 0, epoch: 1, problem: undefined }
  const gate = createFeedGate({
    feeds: new Map([[issuer, feed]]),
    revocations: state,
    elapsed,
    ask() {
      const isCut = isIn(line.partitions, elapsed()) || isIn(world.failovers, elapsed())
      return Promise.reject(new Refusal(isCut ? 'introspection.unavailable' : 'token.inactive', { check: 'simulated' }))
    },
    write() {},
  })
  const boundMs = rule.whenStale === 'refuse' ? times.staleAfterMs : times.unavailableAfterMs
  const isLetIn = async (access: AccessToken): Promise<boolean> => {
    try {
      state.judge(access, strictJudge)
      await gate(access, { token: '', issuers: new Map(), now: now() / 1_000, judge: strictJudge, proven() {} })
      return true
    } catch (error) {
      if (error instanceof Refusal) return false
      throw error
    }
  }
  const probe = async (access: AccessToken, acknowledged: number): Promise<void> => {
    if (stopped) return
    run.probes += 1
    if (!(await isLetIn(access))) return
    run.letIn += 1
    const age = elapsed() - acknowledged
    if (age >= boundMs)
      record.violations.push(`${rule.whenStale}: let in ${Math.round(age)} ms after the acknowledgement`)
    clock.schedule(elapsed() + probeEveryMs, () => void probe(access, acknowledged))
  }
  const probeFrom = (place: number): void => {
    const number = list[place]
    if (number === undefined || stopped) return
    const acknowledged = world.acknowledged[number] as number
    clock.schedule(acknowledged, () => {
      probeFrom(place + 1)
      void probe(tokenOf(world, number), acknowledged)
    })
  }
  probeFrom(placeOf(list, headAt(world, from)))
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

const behaviours = ['introspect or accept', 'refuse', 'accept'] as const

const metadata = {
  jwksUri: `${issuer}/ssf/jwks`,
  configurationEndpoint: `${issuer}/ssf/streams`,
  verificationEndpoint: undefined,
  snapshotEndpoint: `${issuer}/ssf/snapshot`,
  criticalMembers: new Set(['actor']),
}

/** A token that an entry ends, from just before. */
function tokenOf(world: World, number: number): AccessToken {
  const atMs = world.acknowledged[number] as number
  const { entry } = ledgerRowOf(number, atMs, world.resource[number] === -1)
  const iat = Math.floor(beginning + atMs / 1_000)
  const claims = {
    iss: issuer,
    aud: audience,
    sub: ('userId' in entry && entry.userId) || 'user',
    client_id: 'clientId' in entry ? entry.clientId : 'client',
    jti: `j${number}`,
    iat,
    exp: iat + fleet.longestTokenLifeSeconds,
    ...('grantId' in entry ? { grant_id: entry.grantId } : {}),
  }
  const expected = { issuer, audience, clockToleranceSeconds: fleet.clockToleranceSeconds, allowUntyped: false }
  return checkAccessTokenClaims(claims, expected, iat)
}
