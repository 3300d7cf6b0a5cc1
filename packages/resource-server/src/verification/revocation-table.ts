import { hashName, type NameHash } from './name-hash.ts'
import {
  bytesOf,
  emptySegment,
  findIn,
  forgetIn,
  halvesOf,
  placeOf,
  raiseIn,
  rebuild,
  type Segment,
  settle,
  slotsOf,
} from './revocation-segment.ts'

/**
 * Names with a time each (epoch seconds), in slots of 16 bytes: 96 bits of hash, 32 of time. There is no text in it, so a name can be
 * asked about, but not listed.
 */
export interface RevocationTable {
  /** How many names are held. */
  readonly size: number
  /** How much memory the slots take. */
  readonly bytes: number
  /** The time of a name; {@link absent} where it is not held, `Infinity` where it is beyond what 32 bits can say. */
  find(name: string, second?: string): number
  /** Holds a name at this time, or at the one it has, whichever is later. Says which. */
  raise(time: number, name: string, second?: string): 'new' | 'later' | 'same'
  /** Forgets what is not later than `before`, in the next segment. */
  sweep(before: number): Sweep
}

export interface Sweep {
  /** The greatest time that was forgotten; 0 where none was. */
  readonly forgotten: number
  /** How many slots were looked at. */
  readonly slots: number
  /** Whether a round through all segments ends here. */
  readonly isLast: boolean
}

/** What {@link RevocationTable.find} says of a name that is not held: less than every time. */
export const absent = -1

/** Stands for every time from 2106 on, which is never over here. */
const saturated = 0xffff_ffff
/** A segment of so many slots is split: a megabyte, which takes about a millisecond to write anew. */
const segmentSlots = 65_536
/** Names that do not tell apart in so many bits were not hashed; their segment grows as a whole. */
const depthLimit = 16

/**
 * An open-addressed table in segments, which grow, split, shrink and are swept one by one: no call takes longer than one segment does,
 * however many names there are.
 */
export function createRevocationTable(hash: NameHash = hashName): RevocationTable {
  const sought = new Int32Array(3)
  /** By the leading bits of a hash. A segment that shares fewer bits than the index has is there several times in a row. */
  let segments = [emptySegment()]
  let depth = 0
  let size = 0
  let sweepAt = 0

  const seek = (name: string, second: string | undefined): Segment => {
    hash(sought, name, second)
    settle(sought)
    return segments[placeOf(sought, depth)] as Segment
  }

  const makeRoom = (segment: Segment): void => {
    if (segment.capacity < segmentSlots || segment.depth === depthLimit) {
      rebuild(segment)
      return
    }
    if (segment.depth === depth) {
      segments = segments.flatMap((each) => [each, each])
      depth += 1
      sweepAt *= 2
    }
    const [lower, upper] = halvesOf(segment)
    const start = segments.indexOf(segment)
    const count = 2 ** (depth - lower.depth)
    segments.fill(lower, start, start + count)
    segments.fill(upper, start + count, start + 2 * count)
  }

  return {
    get size() {
      return size
    },
    get bytes() {
      return [...new Set(segments)].reduce((sum, segment) => sum + bytesOf(segment), 0)
    },
    find(name, second) {
      const time = findIn(seek(name, second), sought)
      return time === saturated ? Number.POSITIVE_INFINITY : time
    },
    raise(time, name, second) {
      // Within a second the time is the end of it: rather refuse what was issued in that second than take what was taken back.
      const value = Math.min(Math.ceil(time), saturated)
      for (;;) {
        const segment = seek(name, second)
        const result = raiseIn(segment, sought, value)
        if (result === 'full') {
          makeRoom(segment)
          continue
        }
        if (result === 'new') size += 1
        return result
      }
    },
    sweep(before) {
      const segment = segments[sweepAt] as Segment
      const slots = slotsOf(segment)
      const held = segment.size
      const forgotten = forgetIn(segment, Math.min(before, saturated - 1))
      size -= held - segment.size
      sweepAt = (sweepAt + 2 ** (depth - segment.depth)) % segments.length
      const isLast = sweepAt === 0 || size === 0
      if (size === 0) {
        // What was split many times does not stay so when it is empty.
        segments = [emptySegment()]
        depth = 0
        sweepAt = 0
      }
      return { forgotten, slots, isLast }
    },
  }
}
