import { createChance, type Interval, intervalAt, intervals } from './chance.ts'
import { fleet, publisher, rates, type Setting } from './setting.ts'

/** Everything that happens at the issuer, whatever the guards do: made before them. Times in ms from the beginning. */
export interface World {
  readonly setting: Setting
  readonly untilMs: number
  readonly resources: number
  /** When an entry was acknowledged, by its number, in the order of numbers. */
  readonly acknowledged: Float64Array
  /** The earliest acknowledgement of an entry or one behind it: sorted, where numbers are given in almost that order. */
  readonly earliest: Float64Array
  /** The resource that an entry concerns, -1 for all. */
  readonly resource: Int32Array
  /** By resource: the numbers of the entries that concern it. */
  readonly told: readonly Int32Array[]
  /** By node: when it sees an entry that is there. */
  readonly seen: readonly Float64Array[]
  readonly crashes: readonly (readonly Interval[])[]
  readonly failovers: readonly Interval[]
  /** When another epoch began. */
  readonly epochs: readonly number[]
}

export function createWorld(setting: Setting): World {
  const untilMs = setting.hours * 3_600_000
  const chance = createChance(setting.seed, 1)
  const between = ([least, most]: readonly [number, number]): number => least + chance.next() * (most - least)
  const resources = Math.ceil(setting.guards / fleet.replicas)
  const failovers = intervals(chance, untilMs, publisher.failoverEveryMs, publisher.failoverForMs)
  const crashes = Array.from({ length: publisher.nodes }, () =>
    intervals(chance, untilMs, publisher.crashEveryMs, publisher.crashForMs),
  )
  const epochs = failovers.filter(() => chance.next() < publisher.epochShare).map(({ to }) => to)

  const rate = rates.own * resources + rates.everywhere
  const entries: {
    readonly at: number
    readonly numberedAt: number
    readonly resource: number
    readonly node: number
  }[] = []
  for (let at = chance.wait(1 / rate); at < untilMs; at += chance.wait(1 / rate)) {
    const isForAll = chance.next() < rates.everywhere / rate
    const resource = isForAll ? -1 : Math.floor(chance.next() * resources)
    let node = Math.floor(chance.next() * publisher.nodes)
    // Nothing is acknowledged while the database changes hands; a node that is down takes no requests.
    const outage = intervalAt(failovers, at)
    const acknowledgedAt = outage !== undefined && outage.from <= at ? outage.to + chance.next() : at
    while (isIn(crashes[node] as readonly Interval[], acknowledgedAt)) node = (node + 1) % publisher.nodes
    entries.push({ at: acknowledgedAt, numberedAt: numbered(acknowledgedAt, node), resource, node })
  }
  entries.sort((one, two) => one.numberedAt - two.numberedAt)

  /** The node that took it back numbers it; if it goes meanwhile, the next look of another does. */
  function numbered(at: number, node: number): number {
    const usual = at + between(publisher.numberMs)
    const crash = intervalAt(crashes[node] as readonly Interval[], at)
    const own = crash !== undefined && crash.from <= usual ? usual + chance.next() * publisher.lookMs : usual
    const outage = intervalAt(failovers, own)
    return outage !== undefined && outage.from <= own ? outage.to + chance.next() * publisher.lookMs : own
  }

  const seen = Array.from({ length: publisher.nodes }, (_, at) => {
    let last = 0
    return Float64Array.from(entries, ({ numberedAt, node }) => {
      const isHinted = chance.next() >= publisher.hintLoss
      const delay = at === node ? 0 : isHinted ? between(publisher.hintMs) : chance.next() * publisher.lookMs + 1
      last = Math.max(last, numberedAt + delay)
      return last
    })
  })
  const resource = Int32Array.from(entries, (entry) => entry.resource)
  const lists = Array.from({ length: resources }, (): number[] => [])
  for (const [number, of] of resource.entries()) {
    if (of >= 0) (lists[of] as number[]).push(number)
    else for (const list of lists) list.push(number)
  }
  const acknowledged = Float64Array.from(entries, ({ at }) => at)
  const earliest = acknowledged.slice()
  for (let at = earliest.length - 2; at >= 0; at -= 1) {
    earliest[at] = Math.min(earliest[at] as number, earliest[at + 1] as number)
  }
  return {
    setting,
    untilMs,
    resources,
    acknowledged,
    earliest,
    resource,
    told: lists.map((list) => Int32Array.from(list)),
    seen,
    crashes,
    failovers,
    epochs,
  }
}

export function isIn(all: readonly Interval[], at: number): boolean {
  const interval = intervalAt(all, at)
  return interval !== undefined && interval.from <= at
}

export function epochAt({ epochs }: World, at: number): number {
  return 1 + epochs.filter((from) => from <= at).length
}

/** How many of the sorted times are not later. */
export function countUntil(times: Float64Array, at: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((times[middle] as number) <= at) low = middle + 1
    else high = middle
  }
  return low
}
