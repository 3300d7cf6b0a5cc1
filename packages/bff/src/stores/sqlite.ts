import { closeSync, openSync } from 'node:fs'
import type { SessionStore } from '@arctos/client'
import { Secret } from '@arctos/core'
import type { BffStore } from '../store.ts'

/** A store in a SQLite database. */
export interface SqliteBffStore extends BffStore {
  close(): void
}

const pollMs = 100

/**
 * Keeps logins and sessions in a SQLite database, in clear text, for processes of one machine. Needs `node:sqlite`, which Node has
 * since 22.13.
 *
 * @param options.path the database; made for this user alone if it is missing
 */
export async function sqliteBffStore({ path }: { readonly path: string }): Promise<SqliteBffStore> {
  const { DatabaseSync } = await import('node:sqlite')
  // Made by us first, for SQLite would let everybody read it. Its journal gets the mode of the database.
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
  const database = new DatabaseSync(path)
  // Durable before an answer is used; and what is replaced is overwritten, for it was a token.
  database.exec('PRAGMA busy_timeout = 2000; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON')
  database.exec(
    'CREATE TABLE IF NOT EXISTS arctos_bff (name TEXT PRIMARY KEY, content TEXT, owner TEXT, leased_until INTEGER)',
  )
  const select = database.prepare('SELECT content FROM arctos_bff WHERE name = ?')
  const all = database.prepare('SELECT name FROM arctos_bff')
  const drop = database.prepare('DELETE FROM arctos_bff WHERE name = ?')
  const fill = database.prepare(
    `INSERT INTO arctos_bff (name, content) VALUES (?, ?)
     ON CONFLICT (name) DO UPDATE SET content = excluded.content WHERE content IS NULL`,
  )
  const replace = database.prepare('UPDATE arctos_bff SET content = ? WHERE name = ? AND content = ?')
  const take = database.prepare(
    `INSERT INTO arctos_bff (name, owner, leased_until) VALUES (?1, ?2, ?3 + ?4)
     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, leased_until = excluded.leased_until
     WHERE owner IS NULL OR owner = ?2 OR leased_until <= ?3 OR leased_until > ?3 + 60000`,
  )
  const giveBack = database.prepare('UPDATE arctos_bff SET owner = NULL WHERE name = ? AND owner = ?')
  const listeners = new Map<string, Set<() => void>>()

  /** One statement that writes, with the lock taken at once: one that is taken later cannot be waited for. */
  const write = (name: string, run: () => { readonly changes: number | bigint }): boolean => {
    database.exec('BEGIN IMMEDIATE')
    try {
      const isChanged = Number(run().changes) > 0
      database.exec('COMMIT')
      if (isChanged) for (const changed of listeners.get(name) ?? []) changed()
      return isChanged
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  const watch = (name: string, changed: () => void): (() => void) => {
    const listener = (): void => changed()
    const known = listeners.get(name) ?? new Set()
    listeners.set(name, known.add(listener))
    // What other processes do nobody tells; waiting is short and rare.
    const timer = setInterval(changed, pollMs)
    timer.unref()
    return () => {
      clearInterval(timer)
      known.delete(listener)
      if (known.size === 0) listeners.delete(name)
    }
  }

  const cell = (name: string): SessionStore => ({
    async read() {
      const content = select.get(name)?.['content']
      return typeof content === 'string' ? new Secret(content) : undefined
    },
    async compareAndSwap(expected, next) {
      const text = next.reveal()
      return write(name, () =>
        expected === undefined ? fill.run(name, text) : replace.run(text, name, expected.reveal()),
      )
    },
    async lease(owner, durationMs) {
      if (durationMs > 0) return write(name, () => take.run(name, owner, Date.now(), durationMs))
      write(name, () => giveBack.run(name, owner))
      return false
    },
    watch: (changed) => watch(name, changed),
  })

  return {
    cell,
    async remove(name) {
      write(name, () => drop.run(name))
    },
    names: async () => all.all().map((row) => String(row['name'])),
    close: () => database.close(),
  }
}
