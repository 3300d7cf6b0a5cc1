import { sha256 } from '@arctos/core'

const rounds = 6

/**
 * A keyed permutation of the numbers below 2^bits (bits even): a Feistel network whose round functions are tables drawn from the
 * key. So a counter gives each index once, and nobody without the key can tell from indexes how many there are, or which belong
 * together. It hides, and secures nothing: what an index means is under a signature.
 */
export function createPermutation(key: Uint8Array, bits: number): (counter: number) => number {
  const half = bits / 2
  const mask = 2 ** half - 1
  const tables = Array.from({ length: rounds }, (_, round) => drawTable(key, round, half))
  return (counter) => {
    let [left, right] = [counter >>> half, counter & mask]
    for (const table of tables) [left, right] = [right, left ^ (table[right] ?? 0)]
    return left * 2 ** half + right
  }
}

/** 2^half random numbers below 2^half, the same for the same key and name. */
function drawTable(key: Uint8Array, name: number, half: number): Uint16Array {
  const table = new Uint16Array(2 ** half)
  const drawn = drawWords(key, name)
  for (let at = 0; at < table.length; at++) table[at] = drawn() & (table.length - 1)
  return table
}

/** An endless row of 16-bit numbers, drawn from a key for one use of it. */
export function drawWords(key: Uint8Array, name: number): () => number {
  let block: Buffer = Buffer.alloc(0)
  let used = 0
  let blocks = 0
  return () => {
    if (used === block.byteLength) {
      block = sha256(Buffer.concat([key, Uint8Array.of(name, blocks >>> 16, blocks >>> 8, blocks)]))
      blocks += 1
      used = 0
    }
    used += 2
    return block.readUInt16LE(used - 2)
  }
}
