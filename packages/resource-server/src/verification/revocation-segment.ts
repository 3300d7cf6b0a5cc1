/**
 * A part of a revocation table: the entries whose hashes begin with the same bits. Its slots are sorted by the first word of the hash,
 * each entry as close behind its ideal slot as the order allows. So a miss ends at the first greater word, and whatever moves entries
 * does it in one pass.
 */
export interface Segment {
  /** Slots of four words: three of hash, one of time. */
  words: Int32Array
  /** How many slots the ideal ones spread over. Behind them come some for what is pushed on, the last of which stays empty. */
  capacity: number
  size: number
  /** How many leading bits all of its hashes share. */
  depth: number
  /**
   * Three bits of one word for each entry: most names that are not held miss one of theirs. It is a sixteenth of the slots, so that it
   * is in the processor's cache when they are not.
   */
  filter: Int32Array
}

const slotWords = 4
/** The first word of an empty slot is greater than the first word of any hash, so that a search ends there by itself. */
const empty = 0x7fff_ffff
/** A segment grows when it is fuller than `most`, and shrinks when it is emptier than `least`; either makes it as full as `anew`. */
const fill = { most: 0.8, anew: 0.64, least: 0.52 }
const smallest = 8
const spare = 16
const none = new Int32Array(0)

export function emptySegment(): Segment {
  return segmentOf(none, 0, 0)
}

export function bytesOf({ words, filter }: Segment): number {
  return words.byteLength + filter.byteLength
}

export function slotsOf({ words }: Segment): number {
  return words.length / slotWords
}

/** Brings the three words of a hash into the form that slots can have. */
export function settle(hash: Int32Array): void {
  if (hash[0] === empty) hash[0] = empty - 1
}

/** Where in a table of 2^depth places the segment of a hash is. Words are compared as signed ones, which is quickest. */
export function placeOf(hash: Int32Array, depth: number): number {
  return depth === 0 ? 0 : ((hash[0] as number) ^ 0x8000_0000) >>> (32 - depth)
}

/** The time (an unsigned word) of a hash, or -1. */
export function findIn(segment: Segment, hash: Int32Array): number {
  const { filter, words } = segment
  const bits = bitsOf(hash[2] as number)
  if (((filter[filterAt(filter, hash[1] as number)] as number) & bits) !== bits) return -1
  const at = positionOf(segment, hash)
  return isAt(words, at, hash) ? (words[at + 3] as number) >>> 0 : -1
}

/** Puts a hash in with this time, or raises the time it has; `full` where the segment has to grow first. */
export function raiseIn(segment: Segment, hash: Int32Array, time: number): 'new' | 'later' | 'same' | 'full' {
  const { words, size, capacity } = segment
  const at = positionOf(segment, hash)
  if (isAt(words, at, hash)) {
    if (time <= (words[at + 3] as number) >>> 0) return 'same'
    words[at + 3] = time
    return 'later'
  }
  if (size >= fill.most * capacity) return 'full'
  let end = at
  while (words[end] !== empty) end += slotWords
  if (end + slotWords >= words.length) return 'full'
  words.copyWithin(at + slotWords, at, end)
  words.set(hash, at)
  words[at + 3] = time
  enter(segment.filter, hash[1] as number, hash[2] as number)
  segment.size = size + 1
  return 'new'
}

/** Writes a segment anew, with the slots that its size needs. */
export function rebuild(segment: Segment): void {
  Object.assign(segment, segmentOf(segment.words, segment.size, segment.depth))
}

/** Two segments whose hashes share one bit more. */
export function halvesOf({ words, size, depth }: Segment): readonly [Segment, Segment] {
  const bit = 0x8000_0000 >>> depth
  let lower = 0
  let border = 0
  for (let at = 0; at < words.length; at += slotWords) {
    const first = words[at] as number
    if (first === empty || ((first ^ 0x8000_0000) & bit) !== 0) continue
    lower += 1
    border = at + slotWords
  }
  return [
    segmentOf(words.subarray(0, border), lower, depth + 1),
    segmentOf(words.subarray(border), size - lower, depth + 1),
  ]
}

/** Takes out what is not later than `before`; the greatest time of it, 0 where there was none. */
export function forgetIn(segment: Segment, before: number): number {
  const { words, depth, capacity, filter } = segment
  filter.fill(0)
  let last = 0
  let size = 0
  let to = 0
  for (let at = 0; at < words.length; at += slotWords) {
    const first = words[at] as number
    if (first === empty) continue
    const time = (words[at + 3] as number) >>> 0
    if (time <= before) {
      last = Math.max(last, time)
      words[at] = empty
      continue
    }
    // With fewer before it, an entry can only move back, so nothing is overwritten that is not read yet.
    to = Math.max(to, idealOf(first, depth, capacity))
    if (to < at) {
      move(words, at, words, to)
      words[at] = empty
    }
    enter(filter, words[to + 1] as number, words[to + 2] as number)
    to += slotWords
    size += 1
  }
  segment.size = size
  if (capacity > smallest && size < fill.least * capacity) rebuild(segment)
  return last
}

/** A segment with these entries, which are all that `source` has between its empty slots. */
function segmentOf(source: Int32Array, size: number, depth: number): Segment {
  const capacity = Math.max(smallest, Math.ceil(size / fill.anew))
  let end = 0
  for (let at = 0; at < source.length; at += slotWords) {
    const first = source[at] as number
    if (first !== empty) end = Math.max(end, idealOf(first, depth, capacity)) + slotWords
  }
  const words = new Int32Array(Math.max(end, capacity * slotWords) + spare * slotWords).fill(empty)
  // At 2^16 words the index of one would no longer fit in 32 bits on the way.
  const filter = new Int32Array(Math.min(Math.ceil(capacity / 4), 2 ** 15))
  let to = 0
  for (let at = 0; at < source.length; at += slotWords) {
    const first = source[at] as number
    if (first === empty) continue
    to = Math.max(to, idealOf(first, depth, capacity))
    move(source, at, words, to)
    enter(filter, source[at + 1] as number, source[at + 2] as number)
    to += slotWords
  }
  return { words, capacity, size, depth, filter }
}

/** Where the search for a hash begins: the ideal slots are spread evenly over the hashes that a segment is for. */
function idealOf(first: number, depth: number, capacity: number): number {
  return Math.floor((((first ^ 0x8000_0000) << depth) >>> 0) * (capacity / 2 ** 32)) * slotWords
}

/** Where a hash is, or else where it would have to be put in. */
function positionOf({ words, depth, capacity }: Segment, hash: Int32Array): number {
  const first = hash[0] as number
  let at = idealOf(first, depth, capacity)
  while ((words[at] as number) < first) at += slotWords
  // Among 10^7 names there are thousands of pairs that share this word.
  while (words[at] === first && !isAt(words, at, hash)) at += slotWords
  return at
}

function isAt(words: Int32Array, at: number, hash: Int32Array): boolean {
  return words[at] === hash[0] && words[at + 1] === hash[1] && words[at + 2] === hash[2]
}

function move(source: Int32Array, from: number, words: Int32Array, to: number): void {
  words[to] = source[from] as number
  words[to + 1] = source[from + 1] as number
  words[to + 2] = source[from + 2] as number
  words[to + 3] = source[from + 3] as number
}

function enter(filter: Int32Array, second: number, third: number): void {
  const at = filterAt(filter, second)
  filter[at] = (filter[at] as number) | bitsOf(third)
}

/** Which word of a filter has the bits of a hash. */
function filterAt(filter: Int32Array, second: number): number {
  return ((second >>> 16) * filter.length) >>> 16
}

function bitsOf(third: number): number {
  return (1 << third) | (1 << (third >>> 5)) | (1 << (third >>> 10))
}
