/** Where an event stands among the others of its resource. */
export interface EventOrder {
  readonly epoch: number
  readonly seq: number
  /** The number of the event before it for the same resource. */
  readonly prev: number
}

/** How far the events of one feed were applied. */
export interface FeedOrder {
  /** `undefined` before the first snapshot. */
  readonly epoch: number | undefined
  readonly position: number
  /** Whether an event before one that came is still missing. */
  readonly hasGap: boolean
  /** Begins anew, where a snapshot says so. */
  reset(epoch: number, head: number): void
  /** Takes an event's place: `early` leaves a gap before it. */
  note(order: EventOrder): 'next' | 'duplicate' | 'early' | 'another epoch'
}

/** So many events may wait for one that is missing; more are a gap all the same. */
const earlyLimit = 10_000

/** Numbers are given to all resources together, so that it is `prev` which says what came before. */
export function createOrder(): FeedOrder {
  let epoch: number | undefined
  let position = 0
  /** Events that came before their turn, by the one before them. */
  const early = new Map<number, number>()

  const advance = (seq: number): void => {
    position = seq
    for (const [prev, next] of early) {
      if (prev > position) continue
      early.delete(prev)
      if (next > position) advance(next)
    }
  }

  return {
    get epoch() {
      return epoch
    },
    get position() {
      return position
    },
    get hasGap() {
      return early.size > 0
    },
    reset(newEpoch, head) {
      epoch = newEpoch
      position = head
      early.clear()
    },
    note(order) {
      if (order.epoch !== epoch) return 'another epoch'
      if (order.seq <= position || early.get(order.prev) === order.seq) return 'duplicate'
      if (order.prev > position) {
        if (early.size < earlyLimit) early.set(order.prev, order.seq)
        return 'early'
      }
      advance(order.seq)
      return 'next'
    },
  }
}
