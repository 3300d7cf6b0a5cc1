import { watch as watchFolder } from 'node:fs'
import { Secret } from '@arctos/core'
import type { KnownStore } from '../session-store.ts'
import { numberedFiles } from './numbered-files.ts'
import { openPrivateFolder } from './private-folder.ts'

const lookAgainMs = 1_000
// What is left of a longer lease was given before the clock was set back.
const longestLeaseMs = 60_000

/**
 * Keeps a session in a folder of its own, which only this user can enter, in clear text; for processes of one machine. Throws
 * `store_refused` for a folder that others have access to and `store_unavailable` where it cannot be read or written.
 *
 * @param options.directory made if it is missing; nothing else may be in it
 */
export function fileStore({ directory }: { readonly directory: string }): KnownStore {
  const contents = numberedFiles(directory, 'session', true)
  // A machine that lost its power has no process that still holds a lease.
  const leases = numberedFiles(directory, 'lease', false)
  let opened: Promise<void> | undefined

  const open = async (): Promise<void> => {
    opened ??= openPrivateFolder(directory)
    try {
      await opened
    } catch (error) {
      opened = undefined
      throw error
    }
  }

  return {
    kind: 'file',
    describe: () => `files in ${directory}, which only this user can read`,
    async read() {
      await open()
      const { text } = await contents.newest()
      return text === undefined ? undefined : new Secret(text)
    },
    async compareAndSwap(expected, next) {
      await open()
      const newest = await contents.newest()
      return newest.text === expected?.reveal() && (await contents.append(newest, next.reveal()))
    },
    async lease(owner, durationMs) {
      await open()
      const newest = await leases.newest()
      const current = readLease(newest.text)
      const isRunning =
        current !== undefined && Date.now() < current.until && current.until <= Date.now() + longestLeaseMs
      if (isRunning && current.owner !== owner) return false
      if (durationMs <= 0 && current?.owner !== owner) return false
      const next = durationMs > 0 ? JSON.stringify({ owner, until: Date.now() + durationMs }) : '{}'
      return (await leases.append(newest, next)) && durationMs > 0
    },
    watch(changed) {
      const stopWatching = watchQuietly(directory, changed)
      const timer = setInterval(changed, lookAgainMs)
      timer.unref()
      return () => {
        clearInterval(timer)
        stopWatching()
      }
    },
  }
}

/** Nobody holds what cannot be read: it is whole from its first moment on, unless the machine went down. */
function readLease(text: string | undefined): { readonly owner: string; readonly until: number } | undefined {
  try {
    const { owner, until } = JSON.parse(text ?? '')
    return typeof owner === 'string' && typeof until === 'number' ? { owner, until } : undefined
  } catch {
    return undefined
  }
}

/** Not every file system tells of changes, and not every system has room for one more watcher. */
function watchQuietly(directory: string, changed: () => void): () => void {
  try {
    const watcher = watchFolder(directory, { persistent: false }, (_, file) => {
      if (file?.startsWith('new.') !== true) changed()
    })
    watcher.on('error', () => watcher.close())
    return () => watcher.close()
  } catch {
    return () => undefined
  }
}
