import { record } from '../audit-record.ts'
import { clientOfRow, isPublicClient } from '../registered-client.ts'
import { defineVerb, integer, run, text, type Verb } from '../transaction.ts'
import { endGrantsOf, words } from './grants.ts'

/** An application that a user gave access to, or that gets it again without asking. */
export interface Application {
  readonly clientId: string
  readonly clientName: string
  readonly scopes: readonly string[]
  readonly since: number
}

const clientOf = 'c.id, c.version, c.settings, c.secrets, c.not_before, c.disabled_at, c.created_at'

/** Live grants, and consents that are remembered beyond them: both are access, and both can be withdrawn. */
export const listApplications = defineVerb({
  kind: 'read',
  *run(moment, userId: string): Verb<readonly Application[]> {
    const { rows: grants } = yield* run(
      `SELECT ${clientOf}, g.scope, g.issued_at AS since
       FROM grants g JOIN clients c ON c.id = g.client_id JOIN users u ON u.id = g.user_id JOIN issuer_state i ON i.id = 1
       WHERE g.user_id = $1 AND g.ended_at IS NULL AND g.absolute_expires_at > $2
         AND (g.generation IS NULL OR g.idle_expires_at > $2)
         AND g.issued_at >= c.not_before AND g.issued_at >= u.not_before AND g.issued_at >= i.not_before
       ORDER BY g.issued_at LIMIT 1000`,
      userId,
      moment.now,
    )
    const { rows: consents } = yield* run(
      `SELECT ${clientOf}, k.scope, k.given_at AS since FROM consents k JOIN clients c ON c.id = k.client_id
       WHERE k.user_id = $1 AND c.disabled_at IS NULL ORDER BY k.given_at LIMIT 1000`,
      userId,
    )
    // A public client is asked for again each time, so what it was once allowed is no access.
    const lasting = consents.filter((row) => !isPublicClient(clientOfRow(row)))
    const byClient = Map.groupBy([...grants, ...lasting], (row) => text(row, 'id'))
    return [...byClient.keys()].sort().map((clientId) => {
      const rows = byClient.get(clientId) ?? []
      return {
        clientId,
        clientName: rows.map((row) => clientOfRow(row).settings.name)[0] ?? clientId,
        scopes: [...new Set(rows.flatMap((row) => words(text(row, 'scope'))))],
        since: Math.min(...rows.map((row) => integer(row, 'since'))),
      }
    })
  },
})

/** A user takes back what an application was given: its grants, its codes, and the memory of having agreed. */
export const withdrawApplication = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { userId, clientId }: { readonly userId: string; readonly clientId: string },
  ): Verb<{ readonly ended: number }> {
    const ended = yield* endGrantsOf(transaction, { clientId, userId }, 'withdrawn', userId)
    // A code on its way would make a new grant. Spent ones stay, to be recognized.
    yield* run('DELETE FROM codes WHERE user_id = $1 AND client_id = $2 AND spent_at IS NULL', userId, clientId)
    yield* run(
      "DELETE FROM device_codes WHERE user_id = $1 AND client_id = $2 AND decision = 'approved' AND spent_at IS NULL",
      userId,
      clientId,
    )
    const { changes } = yield* run('DELETE FROM consents WHERE user_id = $1 AND client_id = $2', userId, clientId)
    if (changes > 0) yield* record(transaction, 'consent.withdrawn', userId, { client: clientId })
    return { ended }
  },
  // Whoever issues for this user shares the row.
  locks: ({ userId }) => [{ table: 'users', key: userId, mode: 'update' }],
})
