import { createRecentCache } from '@arctos/core'
import { z } from 'zod'
import { integer, type Row, run, text, type Verb } from './transaction.ts'

/** Longest life of an access token; whatever its introspection asks about is kept for longer. */
export const longestAccessSeconds = 86_400

/** What an operator registers of a protected resource; kept as JSON on its row. */
export const resourceSettings = z.strictObject({
  /** As registered; tokens carry this spelling. */
  identifier: z.string().max(500),
  /** Scope words and what they mean, for the consent page. */
  scopes: z.record(z.string().max(200), z.string().max(500)),
  tokenFormat: z.enum(['jwt', 'opaque']),
  /** `JWT` for foreign verifiers that refuse `at+jwt`. */
  tokenType: z.enum(['at+jwt', 'JWT']),
  /** HS256: JWTs are signed with a secret that only the resource and this server know. Absent: with the server's key. */
  tokenAlgorithm: z.literal('HS256').optional(),
  accessTokenLifetimeSeconds: z.int().min(10).max(longestAccessSeconds),
})

export type ResourceSettings = z.infer<typeof resourceSettings>

export interface RegisteredResource extends ResourceSettings {
  /** The identifier in the one spelling that both of its forms share. */
  readonly key: string
  readonly createdAt: number
}

export const resourceColumns = 'resource_key, version, settings, created_at'

const parsed = createRecentCache<number, ResourceSettings>(1_000)

export function resourceOfRow(row: Row): RegisteredResource {
  const version = integer(row, 'version')
  let settings = parsed.get(version)
  if (settings === undefined) {
    settings = resourceSettings.parse(JSON.parse(text(row, 'settings')))
    parsed.set(version, settings)
  }
  return { key: text(row, 'resource_key'), createdAt: integer(row, 'created_at'), ...settings }
}

/** The registered ones among these keys, in the order asked for. */
export function* resourcesOf(keys: readonly string[]): Verb<readonly RegisteredResource[]> {
  const found: RegisteredResource[] = []
  for (const key of keys) {
    const { rows } = yield* run(`SELECT ${resourceColumns} FROM resources WHERE resource_key = $1`, key)
    if (rows[0] !== undefined) found.push(resourceOfRow(rows[0]))
  }
  return found
}
