import { backoffMs } from '../../packages/resource-server/src/feed/backoff.ts'
import { type Answer, askAtOnce, createLine, headAt, type Line, poll } from './exchange.ts'
import { createRecord, type GuardRecord, noteForce, noteKnowledge } from './record.ts'
import { fleet, link } from './setting.ts'
import { sizes } from './sizes.ts'
import type { World } from './world.ts'

/** A poll that comes back at once with nothing is not repeated sooner. */
const leastPollMs = 50

/** What a guard has after a start: nothing. */
interface Life {
  at: number
  hasStream: boolean
  epoch: number | undefined
  isUrgent: boolean
  failures: number
  /** Up to which place of the list everything is in force. */
  appliedTo: number
  knownAt: number
  troubleAt: number
}

/**
 * The control flow of `feed/subscription.ts` in a loop without promises, a thousand times as quick: the same questions in the same
 * order with the same chance. That it is the same is checked against the real one, guard by guard.
 */
export function runModelGuard(world: World, guard: number): { readonly record: GuardRecord; readonly line: Line } {
  const line = createLine(world, guard)
  const record = createRecord()
  let from = 0
  for (const { from: end, to } of [...line.restarts, { from: world.untilMs, to: world.untilMs }]) {
    if (from < end) live(line, record, from, end)
    from = to
  }
  return { record, line }
}

function live(line: Line, record: GuardRecord, from: number, end: number): void {
  const { world } = line
  const list = world.told[line.resource] as Int32Array
  const life: Life = {
    at: from,
    hasStream: false,
    epoch: undefined,
    isUrgent: true,
    failures: 0,
    appliedTo: 0,
    knownAt: Number.NEGATIVE_INFINITY,
    troubleAt: from,
  }
  let acknowledgedTo = 0

  const note = (answer: Answer): void => {
    // Held up on its way, or the first after a failure: until now something was out of order.
    if (!answer.ok || line.slowest > link.slowMs || life.failures > 0) life.troubleAt = answer.at
  }

  /** Everything before a place is in force, from now on. */
  const apply = (place: number): void => {
    for (; life.appliedTo < place; life.appliedTo += 1) {
      const acknowledged = world.acknowledged[list[life.appliedTo] as number] as number
      // A guard that was not ready then has accepted nothing since.
      if (life.knownAt !== Number.NEGATIVE_INFINITY) noteForce(record, acknowledged, life)
    }
  }

  const step = (): boolean => {
    if (!life.hasStream) {
      const made = askAtOnce(line, life.at, sizes.answer)
      note(made)
      life.at = made.at
      if (!made.ok || made.at >= end) return made.ok
      line.done = placeOf(list, made.head)
      acknowledgedTo = line.done
      life.hasStream = true
      life.epoch = world.setting.bug === 'guard begins without a snapshot' ? made.epoch : undefined
    }
    if (life.epoch === undefined) {
      const look = askAtOnce(line, life.at, sizes.answer)
      note(look)
      life.at = look.at
      if (!look.ok || look.at >= end) return look.ok
      const snapshot = askAtOnce(line, life.at, snapshotBytes(world, list, life.at))
      note(snapshot)
      life.at = snapshot.at
      if (!snapshot.ok || snapshot.at >= end) return snapshot.ok
      record.resyncs += 1
      life.epoch = snapshot.epoch
      life.isUrgent = true
      apply(placeOf(list, snapshot.head))
    }
    const askedAt = life.at
    const wasUrgent = life.isUrgent
    const answer = poll(line, askedAt, wasUrgent, acknowledgedTo)
    note(answer)
    life.at = answer.at
    life.isUrgent = true
    if (!answer.ok || answer.at >= end) return answer.ok
    const last = Math.max(...answer.rows, -1) + 1
    acknowledgedTo = Math.max(acknowledgedTo, last)
    apply(last)
    if (answer.epoch !== life.epoch) {
      life.epoch = undefined
      life.troubleAt = life.at
      return false
    }
    if (answer.moreAvailable) return true
    const known = world.setting.bug === 'age counts from the answer' ? life.at : askedAt
    noteKnowledge(record, line, life.appliedTo, known, life.knownAt, life.at)
    if (life.knownAt === Number.NEGATIVE_INFINITY) record.ready.push(life.at - from)
    life.knownAt = Math.max(life.knownAt, known)
    life.isUrgent = false
    const spent = life.at - askedAt
    if (!wasUrgent && answer.rows.length === 0 && spent < leastPollMs) life.at += leastPollMs - spent
    return true
  }

  while (life.at < end) {
    if (step()) {
      life.failures = 0
      continue
    }
    if (life.at >= end) break
    life.failures += 1
    life.at += backoffMs(life.failures, line.chance.next())
  }
}

/** How long a snapshot is: what no token outlives is not in it. */
export function snapshotBytes(world: World, list: Int32Array, at: number): number {
  const since = at - fleet.longestTokenLifeSeconds * 1_000
  return sizes.answer + (placeOf(list, headAt(world, at)) - placeOf(list, headAt(world, since))) * sizes.line
}

/** How many entries of a list are among the first `head`. */
export function placeOf(list: Int32Array, head: number): number {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle] as number) < head) low = middle + 1
    else high = middle
  }
  return low
}
