import { fleet, link, publisher, rates } from './setting.ts'
import { sizes } from './sizes.ts'

/** The closed formulas of docs/guide/revocation-numbers.md, for the fleet that is simulated. Times in ms, sizes in bytes. */
export interface Formulas {
  /** One way, mean: the path, its jitter, packets that come again. */
  readonly oneWayMs: number
  /** From acknowledgement to what a waiting node sees, mean. */
  readonly seenMs: number
  /** How long no poll of a guard waits at a node, each time. */
  readonly awayMs: number
  readonly lagMs: number
  readonly pollsAnHour: number
  readonly upADay: number
  readonly downADay: number
  /** At all nodes together, bytes a second, for so many guards. */
  publisherBytes(guards: number): number
  readonly entries: number
  readonly tableBytes: readonly [least: number, most: number]
}

export function formulas(): Formulas {
  const rate = rates.own + rates.everywhere
  const mean = ([least, most]: readonly [number, number]): number => (least + most) / 2
  const path = link.medianMs * Math.exp(link.spread ** 2 / 2)
  const again = (link.packetLoss * link.retransmitMs) / (1 - 2 * link.packetLoss)
  const oneWayMs = path + link.jitterMs / 2 + again
  const other = (publisher.nodes - 1) / publisher.nodes
  const hinted = (1 - publisher.hintLoss) * mean(publisher.hintMs) + publisher.hintLoss * (publisher.lookMs / 2 + 1)
  const seenMs = mean(publisher.numberMs) + other * hinted
  const workMs = mean(publisher.answerMs)
  const awayMs = 2 * oneWayMs + workMs
  const share = awayMs / (publisher.holdMs + awayMs)
  const cycleMs = (1 - Math.exp(-rate * publisher.holdMs)) / rate + awayMs
  const day = 86_400_000
  const events = rate * day
  const upADay = (day / cycleMs) * sizes.request + events * sizes.acknowledgement
  const downADay = (day / cycleMs) * sizes.answer + events * sizes.event
  const lifeMs = (fleet.longestTokenLifeSeconds + fleet.clockToleranceSeconds + sweepSeconds / 2) * 1_000
  const entries = rate * lifeMs
  return {
    oneWayMs,
    seenMs,
    awayMs,
    lagMs: seenMs + workMs + oneWayMs + (share * awayMs) / 2,
    pollsAnHour: 3_600_000 / cycleMs,
    upADay,
    downADay,
    publisherBytes: (guards) => (guards * (upADay + downADay)) / 86_400,
    entries,
    tableBytes: [(entries * slotBytes) / 0.8 + emptyBytes, (entries * slotBytes) / 0.52 + emptyBytes],
  }
}

/** Every so often what is over is forgotten, so half of that it is held for longer on average. */
const sweepSeconds = 60
/** A slot and its share of the filter; and what eight tables take that are empty. */
const slotBytes = 17
const emptyBytes = 8 * ((8 + 16) * 16 + 8)
