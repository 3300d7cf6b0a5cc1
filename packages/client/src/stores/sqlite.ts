import { closeSync, fstatSync, openSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { Secret } from '@arctos/core'
import { ClientError } from '../errors.ts'
import type { KnownStore } from '../session-store.ts'
import { codeOf } from './private-folder.ts'

export interface SqliteStoreOptions {
  /** The database; made for this user alone if it is missing. It may hold other tables and other sessions. */
  readonly path: string
  /** Which session of the table `arctos_session` it is. */
  readonly name?: string
}

/** A session in a SQLite database. */
export interface SqliteStore extends KnownStore {
  close(): void
}

const pollMs = 100
// What is left of a longer lease was given before the clock was set back.
const longestLeaseMs = 60_000

/**
 * Keeps a session in a SQLite database, in clear text; for processes of one machine. Needs `node:sqlite`, which Node has since
 * 22.13. Throws `store_unavailable`, also when the database stays locked for two seconds.
 */
export async function sqliteStore({ path, name = 'session' }: SqliteStoreOptions): Promise<SqliteStore> {
  const database = attempt(path, await openDatabase(path))
  const select = database.prepare('SELECT content FROM arctos_session WHERE name = ?')
  const fill = database.prepare(
    `INSERT INTO arctos_session (name, content) VALUES (?, ?)
     ON CONFLICT (name) DO UPDATE SET content = excluded.content WHERE content IS NULL`,
  )
  const replace = database.prepare('UPDATE arctos_session SET content = ? WHERE name = ? AND content = ?')
  const take = database.prepare(
    `INSERT INTO arctos_session (name, owner, leased_until) VALUES (?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, leased_until = excluded.leased_until
     WHERE owner IS NULL OR owner = excluded.owner OR NOT leased_until BETWEEN ? AND ?`,
  )
  const giveBack = database.prepare('UPDATE arctos_session SET owner = NULL WHERE name = ? AND owner = ?')
  const version = database.prepare('PRAGMA data_version')
  const listeners = new Set<() => void>()

  const rollBack = (): void => {
    try {
      database.exec('ROLLBACK')
    } catch {
      // There is nothing to undo: it was the beginning that failed, or SQLite has undone it already.
    }
  }

  /** One statement that writes, with the lock taken at once: one that is taken later cannot be waited for. */
  const write = (run: () => { readonly changes: number | bigint }): boolean =>
    attempt(path, () => {
      database.exec('BEGIN IMMEDIATE')
      try {
        const isChanged = Number(run().changes) > 0
        database.exec('COMMIT')
        if (isChanged) for (const changed of listeners) changed()
        return isChanged
      } catch (error) {
        rollBack()
        throw error
      }
    })

  return {
    kind: 'sqlite',
    describe: () => `the SQLite database ${path}, as ${name}`,
    async read() {
      const content = attempt(path, () => select.get(name))?.['content']
      return typeof content === 'string' ? new Secret(content) : undefined
    },
    async compareAndSwap(expected, next) {
      const text = next.reveal()
      return write(() => (expected === undefined ? fill.run(name, text) : replace.run(text, name, expected.reveal())))
    },
    async lease(owner, durationMs) {
      const now = Date.now()
      if (durationMs > 0) return write(() => take.run(name, owner, now + durationMs, now + 1, now + longestLeaseMs))
      write(() => giveBack.run(name, owner))
      return false
    },
    watch(changed) {
      const listener = (): void => changed()
      listeners.add(listener)
      // Of its own changes a connection is told by the listeners, of all others by this number.
      const versionNow = (): unknown => attempt(path, () => version.get())?.['data_version']
      let seen: unknown
      const timer = setInterval(() => {
        try {
          const now = versionNow()
          if (now === seen) return
          seen = now
        } catch {
          // Who watches will read, and learn then what is wrong.
        }
        changed()
      }, pollMs)
      timer.unref()
      return () => {
        clearInterval(timer)
        listeners.delete(listener)
      }
    },
    close: () => database.close(),
  }
}

async function openDatabase(path: string): Promise<() => DatabaseSync> {
  const sqlite = await import('node:sqlite').catch(() => {
    throw new ClientError(
      'store_unavailable',
      `Node ${process.versions.node} has no node:sqlite: use 22.13 or later, or keep the session in files`,
    )
  })
  return () => {
    // Made by us first, for SQLite would let everybody read it. Its journal gets the mode of the database.
    if (path !== ':memory:') createForThisUser(path)
    const database = new sqlite.DatabaseSync(path)
    // Durable before an answer is used; and what is replaced is overwritten, for it was a token.
    database.exec('PRAGMA busy_timeout = 2000; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON')
    database.exec(
      'CREATE TABLE IF NOT EXISTS arctos_session (name TEXT PRIMARY KEY, content TEXT, owner TEXT, leased_until INTEGER)',
    )
    return database
  }
}

function createForThisUser(path: string): void {
  const file = openSync(path, 'a', 0o600)
  const { mode } = fstatSync(file)
  closeSync(file)
  // It may hold more than ours, for more than this user.
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    process.emitWarning(`others have access to ${path}, where the session is: run chmod 600 ${path}`, 'ArctosWarning')
  }
}

function attempt<Result>(path: string, run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    const code = error instanceof Error && 'errstr' in error ? error.errstr : codeOf(error)
    throw new ClientError('store_unavailable', `the session cannot be kept in ${path} (${String(code ?? 'error')})`)
  }
}
