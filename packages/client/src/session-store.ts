import type { Secret } from '@arctos/core'

/**
 * Where one session is kept: a cell with one secret text. What the text means is the client's business; a driver only has to
 * keep it to itself and to replace it whole. Several processes may share a cell.
 */
export interface SessionStore {
  /** What the cell holds; `undefined` while it is empty. */
  read(): Promise<Secret | undefined>
  /**
   * Puts `next` into the cell if it still holds `expected` (`undefined`: is empty), in one step that no other process can come
   * between, and safe from a crash: afterwards the cell holds the one or the other. Returns whether it did.
   */
  compareAndSwap(expected: Secret | undefined, next: Secret): Promise<boolean>
}

/** A cell that lives as long as the process. */
export function memoryStore(): SessionStore {
  let cell: Secret | undefined
  return {
    read: async () => cell,
    compareAndSwap: async (expected, next) => {
      if (cell?.reveal() !== expected?.reveal()) return false
      cell = next
      return true
    },
  }
}
