import { Secret } from '@arctos/core'

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
  /**
   * Takes the cell's lease for `owner`, or renews it, so that for `durationMs` from now nobody else gets it. It ends by itself, for
   * a process that died must not hold up the others; a duration of 0 gives it back. What is another owner's stays untouched.
   * Returns whether it is this owner's now.
   */
  lease(owner: string, durationMs: number): Promise<boolean>
  /** Calls `changed` soon after the cell or its lease may have changed, and now and then for nothing. Returns what stops it. */
  watch(changed: () => void): () => void
}

/** Where the stores of this package keep a session. */
export type StoreKind = 'memory' | 'file' | 'sqlite' | 'postgres' | 'keychain' | 'sealed file'

/** A store of this package: it can tell a user where the session is. */
export interface KnownStore extends SessionStore {
  readonly kind: StoreKind
  /** One sentence for people, with the place. */
  describe(): string
}

/** One place of a secure storage, such as an entry of a phone's keychain. Both may throw; a write is whole or not at all. */
export interface SecureItem {
  read(): Promise<string | null | undefined>
  write(text: string): Promise<void>
}

/** A store for programs that are a single process: what many processes have to agree upon is settled in memory. */
export function singleProcessStore(item: SecureItem): SessionStore {
  const listeners = new Set<() => void>()
  let last: Promise<unknown> = Promise.resolve()
  let holder: { readonly owner: string; readonly until: number } | undefined

  /** One after the other, or two could find what they expect before either writes. */
  const inTurn = <Result>(task: () => Promise<Result>): Promise<Result> => {
    const result = last.then(task, task)
    last = result.catch(() => undefined)
    return result
  }
  const tell = (): void => {
    for (const changed of listeners) changed()
  }

  return {
    read: () => inTurn(async () => secretOf(await item.read())),
    compareAndSwap: (expected, next) =>
      inTurn(async () => {
        if (secretOf(await item.read())?.reveal() !== expected?.reveal()) return false
        await item.write(next.reveal())
        tell()
        return true
      }),
    async lease(owner, durationMs) {
      const isFree = holder === undefined || holder.owner === owner || performance.now() >= holder.until
      if (!isFree) return false
      holder = durationMs > 0 ? { owner, until: performance.now() + durationMs } : undefined
      if (holder === undefined) tell()
      return holder !== undefined
    },
    watch(changed) {
      // A listener of its own for each, so that one who watches twice stops twice.
      const listener = (): void => changed()
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

/** A cell that lives as long as the process. */
export function memoryStore(): KnownStore {
  let cell: string | undefined
  const store = singleProcessStore({
    read: async () => cell,
    write: async (text) => {
      cell = text
    },
  })
  return { ...store, kind: 'memory', describe: () => 'the memory of this process, until it ends' }
}

function secretOf(text: string | null | undefined): Secret | undefined {
  return text === undefined || text === null ? undefined : new Secret(text)
}
