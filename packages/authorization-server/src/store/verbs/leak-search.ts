import type { ClientSecret } from '../registered-client.ts'
import { defineVerb, integer, optionalInteger, optionalText, type Row, run, text, type Verb } from '../transaction.ts'
import { words } from './grants.ts'
import type { LeakTarget } from './leaks.ts'

/** A secret that only the store can place: by the key of its row, or by its hash. */
export interface LeakQuestion {
  readonly kind: 'accessToken' | 'authorizationCode' | 'deviceCode' | 'session' | 'apiKey'
  readonly key: string
}

/** How many questions one look-up takes; the rest of its places stay empty. */
export const leakQuestionLimit = 64

const places = Array.from({ length: leakQuestionLimit }, (_, at) => `$${at + 1}`).join(', ')
const wherePlaced: Readonly<Record<LeakQuestion['kind'], string>> = {
  accessToken: `SELECT token_key AS k, jti, client_id, grant_id, audience, expires_at FROM access_tokens WHERE token_key IN (${places})`,
  authorizationCode: `SELECT hash AS k, grant_id FROM codes WHERE hash IN (${places})`,
  deviceCode: `SELECT hash AS k, grant_id FROM device_codes WHERE hash IN (${places})`,
  session: `SELECT hash AS k FROM sessions WHERE hash IN (${places})`,
  apiKey: `SELECT hash AS k, key_id, expires_at FROM api_key_secrets WHERE hash IN (${places})`,
}

/**
 * What these secrets would end, by their keys. Known ones and unknown ones cost the same. What is found may be gone a moment later:
 * `revokeLeaked` looks again, under its locks.
 */
export const findLeaked = defineVerb({
  kind: 'read',
  *run(moment, questions: readonly LeakQuestion[]): Verb<ReadonlyMap<string, LeakTarget>> {
    const found = new Map<string, LeakTarget>()
    for (const kind of Object.keys(wherePlaced) as LeakQuestion['kind'][]) {
      const keys = questions.filter((question) => question.kind === kind).map(({ key }) => key)
      if (keys.length === 0) continue
      const values = Array.from({ length: leakQuestionLimit }, (_, at) => keys[at] ?? null)
      const { rows } = yield* run(wherePlaced[kind], ...values)
      for (const row of rows) {
        const target = targetOf(kind, row, moment.now)
        if (target !== undefined) found.set(text(row, 'k'), target)
      }
    }
    return found
  },
})

function targetOf(kind: LeakQuestion['kind'], row: Row, now: number): LeakTarget | undefined {
  const grantId = 'grant_id' in row ? optionalText(row, 'grant_id') : undefined
  switch (kind) {
    case 'accessToken': {
      const expiresAt = integer(row, 'expires_at')
      if (expiresAt <= now) return undefined
      if (grantId !== undefined) return { ends: 'grant', grantId }
      const audience = words(text(row, 'audience'))
      return { ends: 'token', jti: text(row, 'jti'), expiresAt, clientId: text(row, 'client_id'), audience }
    }
    case 'authorizationCode':
      return { ends: 'authorization_code', hash: text(row, 'k'), grantId }
    case 'deviceCode':
      return { ends: 'device_code', hash: text(row, 'k'), grantId }
    case 'session':
      return { ends: 'session', hash: text(row, 'k') }
    case 'apiKey':
      // A secret that has run out by itself is nobody's key any more.
      if ((optionalInteger(row, 'expires_at') ?? now + 1) <= now) return undefined
      return { ends: 'api_key', keyId: text(row, 'key_id') }
  }
}

const clientPage = 500

/** Where a search among the clients goes on. */
export interface ClientSearch {
  readonly hashes: readonly string[]
  /** Clients behind this id; the first ones when empty. */
  readonly after: string
}

/** Whose secrets these are, by their hashes, among a page of the clients; `next` is where the search goes on, if it does. */
export const findClientSecrets = defineVerb({
  kind: 'read',
  *run(
    moment,
    { hashes, after }: ClientSearch,
  ): Verb<{ readonly found: ReadonlyMap<string, LeakTarget>; readonly next: string | undefined }> {
    const asked = new Set(hashes)
    const found = new Map<string, LeakTarget>()
    const { rows } = yield* run(
      `SELECT id, secrets FROM clients WHERE id > $1 AND secrets <> '[]' ORDER BY id LIMIT ${clientPage}`,
      after,
    )
    for (const row of rows) {
      for (const { hash, expiresAt = moment.now + 1 } of JSON.parse(text(row, 'secrets')) as readonly ClientSecret[])
        if (asked.has(hash) && expiresAt > moment.now)
          found.set(hash, { ends: 'client_secret', hash, clientId: text(row, 'id') })
    }
    const last = rows.at(-1)
    return { found, next: last === undefined || rows.length < clientPage ? undefined : text(last, 'id') }
  },
})
