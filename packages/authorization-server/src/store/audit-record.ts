import { newId } from './identifiers.ts'
import { run, type Transaction, type Verb } from './transaction.ts'

/** What the audit log tells of: every acknowledged change of state. Issuance and rotation go to the journal instead. */
export type AuditKind =
  | 'client.created'
  | 'client.updated'
  | 'client.disabled'
  | 'client.enabled'
  | 'client.deleted'
  | 'client.secret_added'
  | 'client.secret_removed'
  | 'resource.created'
  | 'user.created'
  | 'user.disabled'
  | 'user.enabled'
  | 'user.password_changed'
  | 'consent.given'
  | 'consent.withdrawn'
  | 'device.approved'
  | 'device.denied'
  | 'grant.made'
  | 'grant.ended'
  | 'grant.narrowed'
  | 'api_key.created'
  | 'api_key.rotated'
  | 'api_key.secret_removed'
  | 'api_key.ended'
  | 'token.revoked'
  | 'leak.reported'
  | 'key.created'
  | 'key.retired'
  | 'grant.cut_off'
  | 'user.cut_off'
  | 'client.cut_off'
  | 'actor.cut_off'
  | 'issuer.cut_off'
  | 'issuer.recovered'

/** Writes one record, unnumbered, in the transaction of the change that it tells of. */
export function* record(
  transaction: Transaction,
  kind: AuditKind,
  actor: string,
  facts: Readonly<Record<string, string | number>>,
): Verb<void> {
  yield* run(
    'INSERT INTO audit (id, at_ms, kind, actor, facts) VALUES ($1, $2, $3, $4, $5)',
    newId(transaction),
    transaction.nowMs,
    kind,
    actor,
    JSON.stringify(facts),
  )
}

const rowsTogether = 64

/** Writes a record of one kind for each of these facts; many to a statement, for there may be thousands. */
export function* recordEach(
  transaction: Transaction,
  kind: AuditKind,
  actor: string,
  facts: readonly Readonly<Record<string, string | number>>[],
): Verb<void> {
  const whole = facts.length - (facts.length % rowsTogether)
  for (let at = 0; at < whole; at += rowsTogether) {
    const values = facts
      .slice(at, at + rowsTogether)
      .flatMap((each) => [newId(transaction), transaction.nowMs, kind, actor, JSON.stringify(each)])
    yield* run(insertTogether, ...values)
  }
  for (const each of facts.slice(whole)) yield* record(transaction, kind, actor, each)
}

const insertTogether = `INSERT INTO audit (id, at_ms, kind, actor, facts) VALUES ${Array.from(
  { length: rowsTogether },
  (_, row) => `(${[1, 2, 3, 4, 5].map((column) => `$${row * 5 + column}`).join(', ')})`,
).join(', ')}`
