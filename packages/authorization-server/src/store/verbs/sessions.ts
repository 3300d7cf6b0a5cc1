import { defineVerb, first, integer, optionalText, run, text, type Verb } from '../transaction.ts'

/** A browser in which a user is signed in. */
export interface Session {
  readonly userId: string
  readonly username: string
  readonly authenticatedAt: number
  /** The class of the sign-in (RFC 9470 §5). */
  readonly acr: string | undefined
}

export interface NewSession {
  readonly hash: string
  readonly userId: string
  readonly lifetimeSeconds: number
  /** The session that this browser had before: it ends, so that no session outlives a sign-in. */
  readonly formerHash: string | undefined
  /** The hash that the password was checked against: a password changed since then opens nothing. */
  readonly passwordHash?: string | undefined
  /** The class of the sign-in. */
  readonly acr?: string | undefined
}

export const openSession = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { hash, userId, lifetimeSeconds, formerHash, passwordHash, acr }: NewSession,
  ): Verb<{ readonly outcome: 'opened' | 'user_disabled' }> {
    const user = yield* first(
      'SELECT not_before, password_hash FROM users WHERE id = $1 AND disabled_at IS NULL',
      userId,
    )
    if (user === undefined) return { outcome: 'user_disabled' }
    if (passwordHash !== undefined && passwordHash !== user['password_hash']) return { outcome: 'user_disabled' }
    if (formerHash !== undefined) yield* run('DELETE FROM sessions WHERE hash = $1', formerHash)
    const authenticatedAt = Math.max(transaction.now, transaction.notBefore, integer(user, 'not_before'))
    yield* run(
      'INSERT INTO sessions (hash, user_id, authenticated_at, expires_at, acr) VALUES ($1, $2, $3, $4, $5)',
      hash,
      userId,
      authenticatedAt,
      transaction.now + lifetimeSeconds,
      acr ?? null,
    )
    return { outcome: 'opened' }
  },
  locks: ({ userId }) => [
    { table: 'issuer_state', key: '1', mode: 'share' },
    { table: 'users', key: userId, mode: 'share' },
  ],
})

export const readSession = defineVerb({
  kind: 'read',
  *run(moment, hash: string): Verb<Session | undefined> {
    const row = yield* first(
      `SELECT s.user_id, s.authenticated_at, s.acr, u.username
       FROM sessions s JOIN users u ON u.id = s.user_id JOIN issuer_state i ON i.id = 1
       WHERE s.hash = $1 AND s.expires_at > $2 AND u.disabled_at IS NULL
         AND s.authenticated_at >= u.not_before AND s.authenticated_at >= i.not_before`,
      hash,
      moment.now,
    )
    return (
      row && {
        userId: text(row, 'user_id'),
        username: text(row, 'username'),
        authenticatedAt: integer(row, 'authenticated_at'),
        acr: optionalText(row, 'acr'),
      }
    )
  },
})

export const closeSession = defineVerb({
  kind: 'change',
  *run(_transaction, hash: string): Verb<void> {
    yield* run('DELETE FROM sessions WHERE hash = $1', hash)
  },
})
