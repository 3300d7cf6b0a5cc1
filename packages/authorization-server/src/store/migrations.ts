import { readdirSync, readFileSync } from 'node:fs'

/** A numbered step of the schema; the text runs on both engines. */
export interface Migration {
  readonly name: string
  readonly statements: string
}

const folder = new URL('./migrations/', import.meta.url)

/** The migrations that are not among those applied, in order; throws for a database of a newer version. Plain `.sql`, for code that builds schemas drifts with its imports. */
export function missingMigrations(applied: ReadonlySet<unknown>): readonly Migration[] {
  const names = readdirSync(folder).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
  const foreign = [...applied].find((name) => !names.includes(String(name)))
  if (foreign !== undefined) throw new Error(`the database was migrated by a newer version of Arctos (${foreign})`)
  const missing = names.filter((name) => !applied.has(name))
  return missing.sort().map((name) => ({ name, statements: readFileSync(new URL(name, folder), 'utf8') }))
}

export const migrationTable =
  'CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)'
