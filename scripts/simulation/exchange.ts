import { type Chance, createChance, type Interval, intervalAt, intervals } from './chance.ts'
import { fleet, link, publisher, receiver } from './setting.ts'
import { sizes } from './sizes.ts'
import { countUntil, epochAt, isIn, type World } from './world.ts'

/** One guard's way to the issuer, and what the issuer keeps of its stream. */
export interface Line {
  readonly world: World
  readonly resource: number
  readonly chance: Chance
  readonly baseMs: number
  readonly partitions: readonly Interval[]
  /** When the process is down. */
  readonly restarts: readonly Interval[]
  /** The place in the list of its resource up to which everything is acknowledged. */
  done: number
  up: number
  down: number
  polls: number
  /** Bytes in either direction, by part of the time. */
  readonly traffic: Float64Array
  /** The slowest message of the last exchange. */
  slowest: number
}

/** What came of a question. */
export type Answer =
  | { readonly ok: false; readonly at: number; readonly problem: string }
  | {
      readonly ok: true
      readonly at: number
      readonly epoch: number
      readonly head: number
      /** Places in the list of the resource. */
      readonly rows: readonly number[]
      readonly moreAvailable: boolean
    }

const eventLimit = 500
export const trafficParts = 48

export function createLine(world: World, guard: number): Line {
  const chance = createChance(world.setting.seed, 1_000 + guard)
  const normal = Math.sqrt(-2 * Math.log(1 - chance.next())) * Math.cos(2 * Math.PI * chance.next())
  return {
    world,
    resource: Math.floor(guard / fleet.replicas),
    chance,
    baseMs: link.medianMs * Math.exp(link.spread * normal),
    partitions: intervals(chance, world.untilMs, link.partitionEveryMs, link.partitionForMs),
    restarts: intervals(chance, world.untilMs, receiver.restartEveryMs, receiver.downMs),
    done: 0,
    up: 0,
    down: 0,
    polls: 0,
    traffic: new Float64Array(trafficParts),
    slowest: 0,
  }
}

/** When a message arrives; `undefined` where it never does. */
function arrival(line: Line, sentAt: number): number | undefined {
  const { chance, baseMs, partitions } = line
  let delay = baseMs + chance.next() * link.jitterMs
  for (let again = link.retransmitMs; chance.next() < link.packetLoss; again *= 2) delay += again
  line.slowest = Math.max(line.slowest, delay)
  const isLost = chance.next() < link.messageLoss || isIn(partitions, sentAt) || isIn(partitions, sentAt + delay)
  return isLost ? undefined : sentAt + delay
}

/** A question and its answer, given what the issuer makes of it: until when it works, and what it says. */
function ask(
  line: Line,
  sentAt: number,
  timeoutMs: number,
  serve: (at: number, node: number) => { readonly at: number; readonly problem?: string } & Partial<Answer>,
): Answer {
  line.slowest = 0
  const timeout = { ok: false, at: sentAt + timeoutMs, problem: 'timeout' } as const
  const asked = arrival(line, sentAt)
  const node = Math.floor(line.chance.next() * publisher.nodes)
  if (asked === undefined) return timeout
  const served = serve(asked, node)
  const back = arrival(line, served.at)
  if (back === undefined || back > timeout.at) return timeout
  return { ...served, ok: served.problem === undefined, at: back } as Answer
}

/** The same for what is answered at once: where a stream is made, or a snapshot is read. */
export function askAtOnce(line: Line, sentAt: number, bytes: number): Answer {
  const { world } = line
  return ask(line, sentAt, receiver.timeoutMs, (at, node) => {
    count(line, 'up', sizes.request, at)
    if (isIn(world.crashes[node] as readonly Interval[], at)) return { at, problem: 'refused' }
    if (isIn(world.failovers, at)) return { at: at + 1, problem: 'unavailable' }
    count(line, 'down', bytes, at)
    return { at: at + work(line), epoch: epochAt(world, at), head: headAt(world, at), rows: [], moreAvailable: false }
  })
}

function count(line: Line, direction: 'up' | 'down', bytes: number, at: number): void {
  line[direction] += bytes
  const part = Math.min(trafficParts - 1, Math.floor((at / line.world.untilMs) * trafficParts))
  line.traffic[part] = (line.traffic[part] as number) + bytes
}

/** Whatever was acknowledged before a look is numbered by it. */
export function headAt({ earliest }: World, at: number): number {
  return countUntil(earliest, at)
}

function work({ chance }: Line): number {
  const [least, most] = publisher.answerMs
  return least + chance.next() * (most - least)
}

/** A poll as `feed/poll.ts` answers it: with what there is, or when there is something, or after two seconds. */
export function poll(line: Line, sentAt: number, isUrgent: boolean, acknowledgedTo: number): Answer {
  const { world, chance } = line
  const list = world.told[line.resource] as Int32Array
  line.polls += 1
  count(line, 'up', sizes.request + sizes.acknowledgement * Math.max(0, acknowledgedTo - line.done), sentAt)
  return ask(line, sentAt, receiver.timeoutMs, (at, node) => {
    const crashes = world.crashes[node] as readonly Interval[]
    const crash = intervalAt(crashes, at)
    if (crash !== undefined && crash.from <= at) return { at, problem: 'refused' }
    if (isIn(world.failovers, at)) return { at: at + 1, problem: 'unavailable' }
    if (chance.next() >= link.acknowledgementLoss) line.done = Math.max(line.done, acknowledgedTo)
    const late = world.setting.bug === 'node answers from memory' ? 8_000 : 0
    const seen = world.seen[node] as Float64Array
    const known = late > 0 ? countUntil(seen, at - late) : Math.max(countUntil(seen, at), headAt(world, at))
    const isThere = (list[line.done] ?? Number.POSITIVE_INFINITY) < known
    if (isThere || isUrgent) return answer(at + work(line), known)
    const deadline = at + publisher.holdMs
    const next = list[line.done]
    const news = next === undefined ? Number.POSITIVE_INFINITY : Math.max(at, (seen[next] as number) + late)
    const until = Math.min(deadline, news)
    if (crash !== undefined && crash.from <= until) return { at: crash.from, problem: 'reset' }
    const failover = intervalAt(world.failovers, until)
    const isBlind = failover !== undefined && failover.from <= until - publisher.staleReadingMs
    if (until === deadline && isBlind) return { at: deadline, problem: 'unavailable' }
    return answer(until + work(line), Math.max(known, countUntil(seen, until - late)))
  })

  function answer(at: number, head: number): { readonly at: number } & Partial<Answer> {
    const rows: number[] = []
    for (let place = line.done; rows.length < eventLimit && (list[place] ?? head) < head; place += 1) rows.push(place)
    const moreAvailable = (list[line.done + rows.length] ?? head) < head
    if (rows.length > 1 && chance.next() < link.disorder) rows.reverse()
    count(line, 'down', sizes.answer + rows.length * sizes.event, at)
    return { at, epoch: epochAt(world, at), head, rows, moreAvailable }
  }
}
