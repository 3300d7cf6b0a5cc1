import { record } from '../audit-record.ts'
import { newId } from '../identifiers.ts'
import { tell } from '../revocation-entry.ts'
import {
  defineVerb,
  first,
  integer,
  optionalInteger,
  type Row,
  run,
  type Transaction,
  text,
  type Verb,
} from '../transaction.ts'
import type { ChangeOutcome } from './clients.ts'
import { cutOff } from './cut-off.ts'
import { nameLock } from './names.ts'

/** A local account. */
export interface User {
  readonly id: string
  readonly username: string
  /** argon2id in PHC form. */
  readonly passwordHash: string
  readonly notBefore: number
  readonly disabledAt: number | undefined
  readonly createdAt: number
}

const userColumns = 'id, username, password_hash, not_before, disabled_at, created_at'

function userOfRow(row: Row): User {
  return {
    id: text(row, 'id'),
    username: text(row, 'username'),
    passwordHash: text(row, 'password_hash'),
    notBefore: integer(row, 'not_before'),
    disabledAt: optionalInteger(row, 'disabled_at'),
    createdAt: integer(row, 'created_at'),
  }
}

/** The one spelling of a user name: what looks the same is the same account (NFKC, RFC 8265 §3). */
export function canonicalUsername(username: string): string {
  return username.normalize('NFKC').trim()
}

export const readUserByName = defineVerb({
  kind: 'read',
  *run(_moment, username: string) {
    const row = yield* first(`SELECT ${userColumns} FROM users WHERE username = $1`, canonicalUsername(username))
    return row && userOfRow(row)
  },
})

export const listUsers = defineVerb({
  kind: 'read',
  *run(_moment, _all: undefined) {
    const { rows } = yield* run(`SELECT ${userColumns} FROM users ORDER BY username LIMIT 10000`)
    return rows.map(userOfRow)
  },
})

export type CreateUserOutcome =
  | { readonly outcome: 'created'; readonly id: string }
  | { readonly outcome: 'name_taken' | 'id_taken' }

export const createUser = defineVerb({
  kind: 'change',
  *run(
    transaction,
    {
      id: wantedId,
      username,
      passwordHash,
      actor,
    }: {
      /** The `sub` of the user's tokens, where another system has given it already; by default a new one. */
      readonly id?: string
      readonly username: string
      readonly passwordHash: string
      readonly actor: string
    },
  ): Verb<CreateUserOutcome> {
    const name = canonicalUsername(username)
    const taken = yield* first('SELECT 1 AS taken FROM users WHERE username = $1', name)
    if (taken !== undefined) return { outcome: 'name_taken' }
    const id = wantedId ?? `user_${newId(transaction)}`
    // Tokens whose subject is their client are that client's own: a user of that name would not be told from it (RFC 9700 §4.15).
    const known = yield* first(
      'SELECT 1 AS known FROM clients WHERE id = $1 UNION SELECT 1 FROM users WHERE id = $1',
      id,
    )
    if (known !== undefined) return { outcome: 'id_taken' }
    yield* run(
      'INSERT INTO users (id, username, password_hash, not_before, created_at) VALUES ($1, $2, $3, 0, $4)',
      id,
      name,
      passwordHash,
      transaction.now,
    )
    yield* record(transaction, 'user.created', actor, { user: id })
    return { outcome: 'created', id }
  },
  locks: () => [nameLock],
})

export interface UserChange {
  readonly id: string
  readonly passwordHash?: string | undefined
  readonly disabled?: boolean | undefined
  readonly actor: string
}

/** A new password, too, ends what the user's sessions and grants can do: the old one may have been stolen. */
export const changeUser = defineVerb({
  kind: 'change',
  urgent: true,
  *run(transaction, { id, passwordHash, disabled, actor }: UserChange): Verb<ChangeOutcome> {
    const row = yield* first(`SELECT ${userColumns} FROM users WHERE id = $1`, id)
    if (row === undefined) return { outcome: 'unknown' }
    const user = userOfRow(row)
    const ends = passwordHash !== undefined || disabled === true
    const before = user.notBefore
    const notBefore = ends ? yield* cutOff(transaction, { kind: 'user', before, isOwn: actor === id }) : before
    yield* run(
      'UPDATE users SET password_hash = $1, disabled_at = $2, not_before = $3 WHERE id = $4',
      passwordHash ?? user.passwordHash,
      (disabled ?? user.disabledAt !== undefined) ? (user.disabledAt ?? transaction.now) : null,
      notBefore,
      id,
    )
    if (ends) yield* run('DELETE FROM sessions WHERE user_id = $1', id)
    if (passwordHash !== undefined) yield* record(transaction, 'user.password_changed', actor, { user: id })
    if (disabled !== undefined)
      yield* record(transaction, disabled ? 'user.disabled' : 'user.enabled', actor, { user: id })
    if (ends) yield* tellUser(transaction, { id, passwordHash, actor }, notBefore)
    return { outcome: 'changed' }
  },
  locks: ({ id }) => [{ table: 'users', key: id, mode: 'update' }],
})

/** What a user's tokens end with and, for a new password, why: two events of one intention (PROTOCOL §7). */
function* tellUser(
  transaction: Transaction,
  { id, passwordHash, actor }: UserChange,
  issuedBefore: number,
): Verb<void> {
  const isNewPassword = passwordHash !== undefined
  const about = {
    reason: isNewPassword ? 'password_changed' : 'disabled',
    initiator: actor === id ? 'user' : 'admin',
    txn: newId(transaction),
  } as const
  yield* tell(transaction, { kind: 'subject', userId: id, issuedBefore }, about)
  const changed = { principal: 'user', id, credential: 'password', change: 'update' } as const
  if (isNewPassword) yield* tell(transaction, { kind: 'credential', ...changed }, about)
}
