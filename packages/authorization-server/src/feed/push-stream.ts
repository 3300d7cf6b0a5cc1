import type { Journal } from '../journal.ts'
import { isAllowedEndpoint } from '../push-endpoint.ts'
import type { Store } from '../store/store.ts'
import type { Stream } from '../store/stream.ts'
import type { EventSigner } from './event-signer.ts'
import type { Progress } from './progress.ts'
import { type Delivery, type PushTarget, pushEvent, pushTimeoutMs } from './push-delivery.ts'
import { claimsOfNotice, dueNotices, eventId } from './security-event.ts'
import type { LogPosition, Tail } from './tail.ts'

/** In milliseconds; only tests give others. */
export interface PushTimes {
  /** How often the leases of this node are renewed, and those of a node that is gone looked for. */
  readonly leaseEveryMs: number
  readonly leaseMs: number
  /** How often the guard of a resource hears that nothing happened (PROTOCOL §6: normal is up to 5 s). */
  readonly heartbeatMs: number
  readonly firstPauseMs: number
  /** The longest pause between two attempts, for the guard of a resource and for others. */
  readonly guardPauseMs: number
  readonly longestPauseMs: number
}

export const usualPushTimes: PushTimes = {
  leaseEveryMs: 2_000,
  leaseMs: 7_000,
  heartbeatMs: 2_000,
  firstPauseMs: 200,
  guardPauseMs: 5_000,
  longestPauseMs: 60_000,
}

/** Events of one round at the most: after each it is looked whether the stream still wants them. */
const roundLimit = 100
/** An event that a receiver refuses so often is left out, or it would keep all later ones from it. */
const refusalLimit = 5

export interface PushParts {
  readonly issuer: string
  readonly store: Pick<
    Store,
    'readStream' | 'setStreamStatus' | 'hasPushStreams' | 'leasePushStreams' | 'releasePushStreams'
  >
  readonly tail: Tail
  readonly progress: Progress
  readonly signer: EventSigner
  readonly journal: Journal
  readonly newId: () => string
  readonly openAuthorization: (streamId: string, sealed: string) => string
  readonly versionOf: (streamId: string) => number
  readonly changed: (streamId: string, since: number, until: AbortSignal) => Promise<void>
  readonly times: PushTimes
}

/** A stream that this node pushes for now. */
export interface Duty {
  stream: Stream
  allowed: readonly string[]
  /** By the monotonic clock. */
  leasedUntil: number
  /** Of the stream, when it was read. */
  version: number
  readonly over: AbortController
  done: Promise<void>
}

/** Pushes one stream until the duty is over. */
export async function pushStream(parts: PushParts, duty: Duty): Promise<void> {
  const { store, tail, times } = parts
  const isGuard = duty.stream.resourceKey !== undefined
  let contactAt = Number.NEGATIVE_INFINITY
  let failures = 0
  let refusals = 0
  while (!duty.over.signal.aborted) {
    duty.version = parts.versionOf(duty.stream.id)
    const position = await refreshed(tail)
    const stream = position && (await store.readStream(duty.stream).catch(() => undefined))
    if (position === undefined || stream === undefined || !isLeased(duty)) {
      // No log, no stream or no lease: others may know more.
      await pause(parts, duty, times.firstPauseMs)
      continue
    }
    duty.stream = stream
    const target = targetOf(parts, duty)
    if (target === undefined) {
      await refuseTarget(parts, stream)
      await pause(parts, duty, times.longestPauseMs)
      continue
    }
    const isHeartbeatDue = isGuard && performance.now() - contactAt >= times.heartbeatMs
    const round = await pushRound(parts, duty, target, position, isHeartbeatDue)
    if (round.contacted) contactAt = performance.now()
    if (round.delivery.outcome === 'accepted') {
      failures = 0
      refusals = 0
      if (!round.isIdle) continue
      await waitForNews(parts, duty, position, isGuard ? contactAt + times.heartbeatMs : Number.POSITIVE_INFINITY)
      continue
    }
    note(parts, stream, round.delivery, failures)
    failures += 1
    refusals = round.delivery.outcome === 'refused' ? refusals + 1 : 0
    if (refusals >= refusalLimit && round.jti !== undefined) {
      await settle(parts, duty, new Set([round.jti]), position)
      refusals = 0
    }
    const longest = isGuard ? times.guardPauseMs : times.longestPauseMs
    await pause(parts, duty, Math.min(longest, times.firstPauseMs * 2 ** Math.min(failures - 1, 10)))
  }
}

interface Round {
  readonly delivery: Delivery
  /** The event that did not arrive. */
  readonly jti?: string
  readonly contacted: boolean
  /** There was nothing (more) to push. */
  readonly isIdle: boolean
}

/** Pushes what a stream has to be told now, up to the first event that is not accepted. */
async function pushRound(
  parts: PushParts,
  duty: Duty,
  target: PushTarget,
  position: LogPosition,
  isHeartbeatDue: boolean,
): Promise<Round> {
  const { issuer, progress, signer } = parts
  const { stream } = duty
  const isOpen = stream.status === 'enabled'
  const { rows, hasMore } = isOpen ? await progress.next(stream, roundLimit) : { rows: [], hasMore: false }
  const { epoch } = position
  const events = [
    ...dueNotices(stream).map((notice) => ({
      jti: notice.jti,
      sign: () => signer.sign(claimsOfNotice(issuer, stream.id, stream.audience, notice)),
    })),
    ...rows.map((told) => ({
      jti: eventId(told.row.id, stream.audience),
      sign: () => signer.signRow(epoch, told, stream.audience),
    })),
  ]
  const done = new Set<string>()
  for (const { jti, sign } of events) {
    if (!isLeased(duty)) break
    const delivery = await pushEvent(target, await sign())
    if (delivery.outcome !== 'accepted') {
      if (done.size > 0) await settle(parts, duty, done, position)
      return { delivery, jti, contacted: done.size > 0, isIdle: false }
    }
    done.add(jti)
  }
  if (done.size > 0) await settle(parts, duty, done, position)
  const isIdle = done.size === events.length && !hasMore
  if (events.length > 0 || !isHeartbeatDue || !isOpen || !isLeased(duty))
    return { delivery: { outcome: 'accepted' }, contacted: done.size > 0, isIdle }
  // Everything up to the head was accepted before the log was read: that is what the heartbeat says.
  const notice = { jti: parts.newId(), kind: 'verification', at: Math.floor(position.asOfMs / 1_000) } as const
  const heartbeat = { epoch, head: position.head, asOf: position.asOfMs / 1_000 }
  const set = await signer.sign(claimsOfNotice(issuer, stream.id, stream.audience, notice, heartbeat))
  const delivery = await pushEvent(target, set)
  const isAccepted = delivery.outcome === 'accepted'
  if (isAccepted) await settle(parts, duty, done, position)
  return { delivery, contacted: isAccepted, isIdle: true }
}

async function settle(
  { progress }: PushParts,
  duty: Duty,
  done: ReadonlySet<string>,
  { asOfMs }: LogPosition,
): Promise<void> {
  duty.stream = await progress.settle(duty.stream, done, Math.floor(asOfMs / 1_000))
}

/** Whether an event that is pushed now is over before another node may take the stream. */
function isLeased({ leasedUntil, over }: Duty): boolean {
  return !over.signal.aborted && leasedUntil - performance.now() > pushTimeoutMs
}

async function refreshed(tail: Tail): Promise<LogPosition | undefined> {
  try {
    return await tail.refresh()
  } catch {
    return undefined
  }
}

/** Where to push, if the operator still allows it. */
function targetOf({ openAuthorization }: PushParts, { stream, allowed }: Duty): PushTarget | undefined {
  const { endpointUrl, authorization } = stream.settings
  if (endpointUrl === undefined || !isAllowedEndpoint(allowed, endpointUrl)) return undefined
  return {
    url: endpointUrl,
    authorization: authorization === undefined ? undefined : openAuthorization(stream.id, authorization),
  }
}

async function refuseTarget({ store, journal }: PushParts, { id, clientId, status }: Stream): Promise<void> {
  if (status === 'disabled') return
  const reason = 'the address is no longer one to push to'
  journal.write({ endpoint: 'ssf push', client: clientId, outcome: 'disabled', reason: 'feed.delivery_refused' })
  await store.setStreamStatus({ id, clientId, status: 'disabled', reason, by: 'transmitter' }).catch(() => undefined)
}

function note({ journal }: PushParts, { clientId, id }: Stream, delivery: Delivery, failures: number): void {
  const received = delivery.outcome === 'refused' ? delivery.err : delivery.outcome === 'failed' ? delivery.what : ''
  const facts = { check: `stream ${id}`, expected: 202, received, attempts: failures + 1 }
  journal.write({ endpoint: 'ssf push', client: clientId, outcome: delivery.outcome, facts })
}

/** Waits for so long, or until the receiver changes its stream or the duty is over. */
async function pause(parts: PushParts, duty: Duty, ms: number): Promise<void> {
  const round = new AbortController()
  const timer = setTimeout(() => round.abort(), ms)
  await parts.changed(duty.stream.id, duty.version, AbortSignal.any([round.signal, duty.over.signal]))
  clearTimeout(timer)
}

/** Until the log moves, the receiver changes its stream, a heartbeat is due, or the duty is over. */
async function waitForNews(parts: PushParts, duty: Duty, position: LogPosition, due: number): Promise<void> {
  const round = new AbortController()
  const until = AbortSignal.any([round.signal, duty.over.signal])
  // Another node's changes of the stream show when it is read again.
  const deadline = Math.min(due, performance.now() + parts.times.heartbeatMs)
  await Promise.race([parts.tail.moved(position, deadline, until), parts.changed(duty.stream.id, duty.version, until)])
  round.abort()
}
