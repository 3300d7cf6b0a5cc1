import { memoryStore, type SessionStore } from '@arctos/client'

/**
 * Where a BFF keeps its logins and sessions: cells by name. Several processes may share one. It holds refresh tokens, so it has to be
 * as secret as they are; names are hashes and tell nobody a session's id.
 */
export interface BffStore {
  /** The cell of this name, empty as long as nothing was put into it. Names are made of letters, digits, `-`, `_` and one dot. */
  cell(name: string): SessionStore
  /** Forgets a cell; does nothing where there is none. */
  remove(name: string): Promise<void>
  /** The names of the cells that there are, in any order; empty ones may be among them. */
  names(): Promise<readonly string[]>
}

const cellLimit = 100_000

/** A store that lives as long as the process: everybody is logged out when it ends. */
export function memoryBffStore(): BffStore {
  const cells = new Map<string, SessionStore>()
  return {
    cell(name) {
      // Not made by reading, or asking for what does not exist would fill the memory.
      const made = (): SessionStore => {
        const known = cells.get(name)
        if (known !== undefined) return known
        makeRoom(cells)
        const cell = memoryStore()
        cells.set(name, cell)
        return cell
      }
      return {
        read: async () => await cells.get(name)?.read(),
        compareAndSwap: (expected, next) => made().compareAndSwap(expected, next),
        lease: (owner, durationMs) => made().lease(owner, durationMs),
        watch: (changed) => made().watch(changed),
      }
    },
    async remove(name) {
      cells.delete(name)
    },
    names: async () => [...cells.keys()],
  }
}

/** Whoever begins logins without end pushes out the oldest of them, never a session. */
function makeRoom(cells: Map<string, SessionStore>): void {
  if (cells.size < cellLimit) return
  for (const name of cells.keys()) {
    if (!name.startsWith('login.')) continue
    cells.delete(name)
    return
  }
}
