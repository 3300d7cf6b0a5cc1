import { recordEach } from '../audit-record.ts'
import { tellEach } from '../revocation-entry.ts'
import { run, type Transaction, text, type Verb } from '../transaction.ts'
import { offlineScope } from './codes.ts'
import { cutOff } from './cut-off.ts'
import { endGrant, words } from './grants.ts'

/**
 * Takes scopes that a client may not ask for any more out of its live grants. Access tokens from before say too much and are cut
 * off; refresh tokens live, and give right ones (CAEP token-claims-change). A grant that allows nothing any more ends. Tokens that
 * the client has for itself are not in any grant: they keep what they say until they expire.
 *
 * @param before the client's own cut-off
 */
export function* narrowGrants(
  transaction: Transaction,
  { clientId, allowed, before, actor }: Narrowing,
): Verb<{ readonly narrowed: number }> {
  const { rows } = yield* run(
    'SELECT id, user_id, scope, resources FROM grants WHERE client_id = $1 AND ended_at IS NULL',
    clientId,
  )
  const narrowed = rows
    .map((row) => ({
      row,
      scopes: words(text(row, 'scope')),
      kept: words(text(row, 'scope')).filter(isAllowed(allowed)),
    }))
    .filter(({ scopes, kept }) => kept.length < scopes.length)
  if (narrowed.length === 0) return { narrowed: 0 }
  const notBefore = yield* cutOff(transaction, { kind: 'client', before })
  const living = narrowed.filter(({ kept }) => kept.some((word) => word !== offlineScope))
  for (const { row, kept } of living) {
    yield* run(
      'UPDATE grants SET scope = $1, not_before = $2 WHERE id = $3',
      kept.join(' '),
      notBefore,
      text(row, 'id'),
    )
  }
  yield* recordEach(
    transaction,
    'grant.narrowed',
    actor,
    living.map(({ row, kept }) => ({ grant: text(row, 'id'), scope: kept.join(' '), not_before: notBefore })),
  )
  const told = living.map(({ row }) => ({
    entry: {
      kind: 'claims' as const,
      grantId: text(row, 'id'),
      userId: text(row, 'user_id'),
      clientId,
      issuedBefore: notBefore,
    },
    resources: words(text(row, 'resources')),
  }))
  yield* tellEach(transaction, told, { reason: 'claims_changed', initiator: 'admin' })
  for (const { row, kept } of narrowed) {
    if (!kept.some((word) => word !== offlineScope)) {
      yield* endGrant(transaction, text(row, 'id'), 'revoked', actor, 'admin')
    }
  }
  return { narrowed: narrowed.length }
}

interface Narrowing {
  readonly clientId: string
  /** What it may ask for from now on. */
  readonly allowed: readonly string[]
  readonly before: number
  readonly actor: string
}

/** Whether a grant lasts beyond the browser's visit is no right at any resource. */
function isAllowed(allowed: readonly string[]): (word: string) => boolean {
  return (word) => word === offlineScope || allowed.includes(word)
}
