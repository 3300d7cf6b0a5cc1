import type { Store } from './store/store.ts'

/** Remembers when secrets were used, so that nobody waits for the database to write it down. */
export interface SecretUses {
  /** @param usedAt epoch seconds */
  readonly note: (hash: string, usedAt: number) => void
  /** Writes down what was gathered, all at once; nothing where there is nothing. */
  readonly flush: () => Promise<void>
}

/**
 * Gathers the last use of each secret, by its hash, until it is written down. There is one entry for each secret that was used
 * meanwhile, never one for each use. A process that dies takes with it what it gathered.
 */
export function createSecretUses(store: Pick<Store, 'recordSecretUses'>): SecretUses {
  let gathered = new Map<string, number>()
  const note = (hash: string, usedAt: number): void => {
    if (usedAt > (gathered.get(hash) ?? 0)) gathered.set(hash, usedAt)
  }
  return {
    note,
    async flush() {
      if (gathered.size === 0) return
      const uses = gathered
      gathered = new Map()
      try {
        await store.recordSecretUses(Array.from(uses, ([hash, usedAt]) => ({ hash, usedAt })))
      } catch (error) {
        for (const [hash, usedAt] of uses) note(hash, usedAt)
        throw error
      }
    },
  }
}
