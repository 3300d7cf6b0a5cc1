import type { KeyEncryptionKey } from '../keys/key-encryption.ts'
import { sealKey } from '../keys/key-encryption.ts'
import type { Store } from '../store/store.ts'
import { newStatusListId, type StatusPlace } from '../store/verbs/status-lists.ts'
import { decoyShare } from './decoys.ts'
import { openListKey, sealPurpose } from './list-key.ts'
import { createPermutation } from './permutation.ts'

/** Indexes that this node holds, so that giving one out costs no transaction. */
export interface IndexPool {
  /** An index that nobody else has. Waits only where the stock is used up. */
  take(): StatusPlace | Promise<StatusPlace>
  /** Takes back one that was not used. Never one whose transaction may have been committed. */
  giveBack(place: StatusPlace): void
}

export interface IndexPoolOptions {
  readonly store: Store
  readonly kek: KeyEncryptionKey
  readonly random: (byteLength: number) => Buffer
  /** Epoch milliseconds. */
  readonly now: () => number
  /** How long the tokens of these indexes can live, at the most, in seconds. */
  readonly lifeSeconds: number
  /** Publishes a list that never was: nobody is given an index of one that cannot be read, though its maker ended before. */
  readonly publishFirst: (id: string) => Promise<void>
}

/** Taken from the store together. Those that are left when the node ends are given to nobody. */
const blockSize = 512
const refillAt = 128

export function createIndexPool(options: IndexPoolOptions): IndexPool {
  const { store, kek, random, now } = options
  const lifeBits = Math.ceil(Math.log2(options.lifeSeconds))
  let stock: StatusPlace[] = []
  let list = ''
  let openUntil = 0
  let filling: Promise<void> | undefined

  const fill = async (): Promise<void> => {
    const id = newStatusListId(random)
    const sealed = sealKey(kek, id, sealPurpose, random(32), random(12))
    const candidate = { id, sealed }
    const reserved = await store.reserveStatusIndexes({ lifeBits, count: blockSize, share: 1 - decoyShare, candidate })
    await options.publishFirst(reserved.list.id)
    const permute = createPermutation(openListKey(kek, reserved.list), reserved.list.bits)
    if (reserved.list.id !== list) stock = []
    list = reserved.list.id
    openUntil = reserved.list.openUntil
    for (let counter = reserved.from; counter < reserved.to; counter++) stock.push({ list, index: permute(counter) })
  }

  const refill = (): Promise<void> => {
    filling ??= fill().finally(() => {
      filling = undefined
    })
    return filling
  }

  const takeLater = async (): Promise<StatusPlace> => {
    for (;;) {
      await refill()
      const place = stock.pop()
      if (place !== undefined) return place
    }
  }

  return {
    take() {
      // What is placed in a list after its time may outlive it.
      if (now() >= openUntil * 1_000) stock = []
      const place = stock.pop()
      if (stock.length < refillAt) refill().catch(() => {})
      return place ?? takeLater()
    },
    giveBack(place) {
      if (place.list === list) stock.push(place)
    },
  }
}
