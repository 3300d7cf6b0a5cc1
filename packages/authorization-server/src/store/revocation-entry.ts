import { newId } from './identifiers.ts'
import { longestAccessSeconds } from './registered-resource.ts'
import { integer, optionalText, type Row, run, type Transaction, text, type Verb } from './transaction.ts'
import { clockMarginSeconds } from './verbs/spent.ts'

/**
 * What was taken back, in the terms by which a guard recognizes tokens (PROTOCOL §7). `issuedBefore` is the cut-off T: dead iff
 * `iat` < T (epoch seconds).
 */
export type RevocationEntry =
  | { readonly kind: 'token'; readonly jti: string; readonly expiresAt: number }
  /** A grant, its refresh family, or an API key, whose id is a grant id. */
  | { readonly kind: 'grant'; readonly grantId: string; readonly userId?: string; readonly clientId: string }
  | {
      readonly kind: 'user_at_client'
      readonly userId: string
      readonly clientId: string
      readonly issuedBefore: number
    }
  | { readonly kind: 'subject'; readonly userId: string; readonly issuedBefore: number }
  | { readonly kind: 'client'; readonly clientId: string; readonly issuedBefore: number }
  | { readonly kind: 'actor'; readonly actor: string; readonly issuedBefore: number }
  | { readonly kind: 'all'; readonly issuedBefore: number }
  /** A grant's scopes or roles changed: its tokens from before say too much, a refresh gives right ones. */
  | {
      readonly kind: 'claims'
      readonly grantId: string
      readonly userId?: string
      readonly clientId: string
      readonly issuedBefore: number
    }
  | { readonly kind: 'key'; readonly kid: string }
  | {
      readonly kind: 'credential'
      readonly principal: 'user' | 'client'
      readonly id: string
      readonly credential: 'password' | 'client_secret' | 'api_key'
      readonly change: 'create' | 'update' | 'revoke' | 'delete'
    }

/** Why it was taken back. */
export type RevocationReason =
  | 'revoked'
  | 'withdrawn'
  | 'disabled'
  | 'password_changed'
  | 'reuse'
  | 'fork'
  | 'code_replayed'
  | 'leaked'
  | 'client_deleted'
  | 'recovered'
  | 'rotated'
  | 'expired'
  | 'claims_changed'

/** Who caused it, in the words of CAEP: `initiating_entity`. */
export type Initiator = 'admin' | 'user' | 'policy' | 'system'

/** What is told beside the entry itself. */
export interface Telling {
  readonly reason: RevocationReason
  readonly initiator: Initiator
  /** Keys of the resources that it concerns; absent: all of them. */
  readonly resources?: readonly string[] | undefined
  /** Rows of one intention share it; absent: one of its own. */
  readonly txn?: string | undefined
}

/** A row of the ledger, numbered. */
export interface LedgerRow {
  /** Dense: the row before it has one less. */
  readonly seq: number
  readonly id: string
  readonly atMs: number
  readonly txn: string
  readonly entry: RevocationEntry
  readonly reason: RevocationReason
  readonly initiator: Initiator
  /** Keys of the resources that it concerns; `undefined`: all. */
  readonly resources: readonly string[] | undefined
  /** From then on no token can be left that it ends (epoch seconds). */
  readonly expiresAt: number
}

export const ledgerColumns = 'seq, id, at_ms, txn, entry, reason, initiator, resources, expires_at'

/** Reads a row that `tell` wrote and the sequencer numbered. */
export function ledgerRow(row: Row): LedgerRow {
  const resources = optionalText(row, 'resources')
  return {
    seq: integer(row, 'seq'),
    id: text(row, 'id'),
    atMs: integer(row, 'at_ms'),
    txn: text(row, 'txn'),
    entry: JSON.parse(text(row, 'entry')) as RevocationEntry,
    reason: text(row, 'reason') as RevocationReason,
    initiator: text(row, 'initiator') as Initiator,
    resources: resources === undefined ? undefined : resources.split(' '),
    expiresAt: integer(row, 'expires_at'),
  }
}

/** Writes down that something was taken back, unnumbered, in the transaction that takes it back (PROTOCOL §6). */
export function* tell(transaction: Transaction, entry: RevocationEntry, about: Telling): Verb<void> {
  yield* tellEach(transaction, [{ entry, resources: about.resources }], about)
}

/** An entry among others of one intention, and the resources that it concerns. */
export interface ToldEntry {
  readonly entry: RevocationEntry
  readonly resources?: readonly string[] | undefined
}

const rowsTogether = 64

/** The same for many entries of one intention, many to a statement, for there may be thousands. */
export function* tellEach(
  transaction: Transaction,
  entries: readonly ToldEntry[],
  { reason, initiator, txn = newId(transaction) }: Omit<Telling, 'resources'>,
): Verb<void> {
  const valuesOf = ({ entry, resources }: ToldEntry) => [
    newId(transaction),
    transaction.nowMs,
    txn,
    JSON.stringify(entry),
    reason,
    initiator,
    resources === undefined || resources.length === 0 ? null : resources.join(' '),
    forgottenAt(transaction, entry),
  ]
  const whole = entries.length - (entries.length % rowsTogether)
  for (let at = 0; at < whole; at += rowsTogether)
    yield* run(insertTogether, ...entries.slice(at, at + rowsTogether).flatMap(valuesOf))
  for (const each of entries.slice(whole)) yield* run(insertOne, ...valuesOf(each))
  if (entries.length > 0) transaction.told = true
}

/** When no token can be left that an entry ends, whoever's clock judges it (epoch seconds). */
function forgottenAt({ now }: Transaction, entry: RevocationEntry): number {
  if (entry.kind === 'token') return Math.ceil(entry.expiresAt) + clockMarginSeconds
  const last = 'issuedBefore' in entry ? Math.max(now, entry.issuedBefore) : now
  return last + longestAccessSeconds + clockMarginSeconds
}

const columns = 8
const insertOne = insert(1)
const insertTogether = insert(rowsTogether)

function insert(rows: number): string {
  const tuple = (row: number) =>
    `(${Array.from({ length: columns }, (_, at) => `$${row * columns + at + 1}`).join(', ')})`
  const tuples = Array.from({ length: rows }, (_, row) => tuple(row)).join(', ')
  return `INSERT INTO revocations (id, at_ms, txn, entry, reason, initiator, resources, expires_at) VALUES ${tuples}`
}
