import { getRandomValues } from 'node:crypto'

/** Writes the 96 bits that stand for a name, or for a pair of names, into the first three of `words`. */
export type NameHash = (words: Int32Array, name: string, second?: string) => void

/** Drawn once for each process, never shown and never stored: nobody outside can tell which names fall together. */
const seed = getRandomValues(new Int32Array(4))

/**
 * The hash of the tables in this process: the round of HalfSipHash for every four characters and three to finish, from a random state
 * of 128 bits, of which 96 are kept. It is no cryptographic hash and need not be one, for all that a collision can do is refuse a
 * token whose name falls on that of something taken back; it never accepts one. By chance, a look-up among n entries falls on one
 * with n in 2^96: with 10^7 entries and 10^9 look-ups a day, once in 20 billion years. By intent, somebody would need names that
 * collide under a seed he does not know, and no way is known to find names that collide under most seeds.
 */
export const hashName: NameHash = (words, name, second) => {
  words[0] = seed[0] as number
  words[1] = seed[1] as number
  words[2] = seed[2] as number
  absorb(words, name, name.length)
  // One after the other, each with its length: no other pair has the same text.
  if (second !== undefined) absorb(words, second, second.length)
}

/** What tells the bytes of a text in UTF-16 from a text in Latin-1 that has the same characters. */
const wide = 0x4000_0000

/** Takes a name into the state, whose fourth word begins as the seed's each time. */
function absorb(words: Int32Array, name: string, length: number): void {
  let a = (words[0] as number) ^ length
  let b = words[1] as number
  let c = words[2] as number
  let d = seed[3] as number
  let seen = 0
  let at = 0
  for (const full = name.length - 3; at < full; at += 4) {
    const first = name.charCodeAt(at)
    const second = name.charCodeAt(at + 1)
    const third = name.charCodeAt(at + 2)
    const fourth = name.charCodeAt(at + 3)
    seen |= first | second | third | fourth
    const word = first | (second << 8) | (third << 16) | (fourth << 24)
    d ^= word
    a = (a + b) | 0
    b = ((b << 5) | (b >>> 27)) ^ a
    a = (a << 16) | (a >>> 16)
    c = (c + d) | 0
    d = ((d << 8) | (d >>> 24)) ^ c
    a = (a + d) | 0
    d = ((d << 7) | (d >>> 25)) ^ a
    c = (c + b) | 0
    b = ((b << 13) | (b >>> 19)) ^ c
    c = (c << 16) | (c >>> 16)
    a ^= word
  }
  let last = 0
  for (let shift = 0; at < name.length; at += 1, shift += 8) {
    const code = name.charCodeAt(at)
    seen |= code
    last |= code << shift
  }
  // Four characters were packed as four bytes. Names beyond Latin-1 are rare, so that is found out afterwards.
  if (seen > 0xff) {
    absorb(words, Buffer.from(name, 'utf16le').toString('latin1'), length | wide)
    return
  }
  d ^= last
  for (let round = 0; round < 4; round += 1) {
    a = (a + b) | 0
    b = ((b << 5) | (b >>> 27)) ^ a
    a = (a << 16) | (a >>> 16)
    c = (c + d) | 0
    d = ((d << 8) | (d >>> 24)) ^ c
    a = (a + d) | 0
    d = ((d << 7) | (d >>> 25)) ^ a
    c = (c + b) | 0
    b = ((b << 13) | (b >>> 19)) ^ c
    c = (c << 16) | (c >>> 16)
    if (round > 0) continue
    a ^= last
    c ^= 0xff
  }
  words[0] = a
  words[1] = b
  words[2] = c
}
