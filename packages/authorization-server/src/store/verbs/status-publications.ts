import { defineVerb, first, integer, type Row, run, text, type Verb } from '../transaction.ts'
import { listOfRow, type StatusListRow } from './status-lists.ts'

/** What was published of a list last. Version 0: nothing yet. */
export interface Published {
  readonly version: number
  /** `iat` (epoch seconds). */
  readonly issuedAt: number
  /** The key that signed it. */
  readonly kid: string
  /** How far the ledger was numbered when its bits were read. */
  readonly head: number
}

function publishedOfRow(row: Row): Published {
  return {
    version: integer(row, 'version'),
    issuedAt: integer(row, 'issued_at'),
    kid: text(row, 'kid'),
    head: integer(row, 'head'),
  }
}

export interface StatusListsNow {
  /** The store's clock (epoch seconds). */
  readonly now: number
  /** How far the ledger of what was taken back is numbered. */
  readonly head: number
  readonly lists: readonly (StatusListRow & { readonly published: Published })[]
}

/** All lists that are not retired. */
export const listStatusLists = defineVerb({
  kind: 'read',
  *run(moment, _all: undefined): Verb<StatusListsNow> {
    const { rows } = yield* run(
      `SELECT l.id, l.bits, l.sealed, l.made_at, l.open_until, l.expires_at, t.version, t.issued_at, t.kid, t.head
       FROM status_lists l JOIN status_list_tokens t ON t.id = l.id
       WHERE l.expires_at > $1 ORDER BY l.made_at, l.id LIMIT 10000`,
      moment.now,
    )
    const lists = rows.map((row) => ({ ...listOfRow(row), published: publishedOfRow(row) }))
    return { now: moment.now, head: yield* readHead(), lists }
  },
})

function* readHead(): Verb<number> {
  const row = yield* first('SELECT head FROM feed_state WHERE id = 1')
  return row === undefined ? 0 : integer(row, 'head')
}

/** What a claim gives: the time that the new list may say, and how far the ledger is, both from before its bits are read. */
export interface PublicationClaim {
  readonly now: number
  readonly head: number
}

/** A publisher that dies is succeeded after this (milliseconds). */
const claimMs = 30_000

/** Lets one node of many publish a list anew; `undefined` where another does, or did. */
export const claimStatusList = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { id, version }: { readonly id: string; readonly version: number },
  ): Verb<PublicationClaim | undefined> {
    const { changes } = yield* run(
      'UPDATE status_list_tokens SET claimed_ms = $1 WHERE id = $2 AND version = $3 AND claimed_ms <= $4',
      transaction.nowMs + claimMs,
      id,
      version,
      transaction.nowMs,
    )
    return changes === 0 ? undefined : { now: transaction.now, head: yield* readHead() }
  },
})

export interface Publication {
  readonly id: string
  /** The version that it replaces. */
  readonly version: number
  readonly issuedAt: number
  readonly kid: string
  readonly head: number
  readonly token: string
}

/** Puts a list in the place of its former version. One that is not younger than what is there is dropped: `iat` never goes back. */
export const publishStatusList = defineVerb({
  kind: 'change',
  bulk: true,
  *run(_transaction, { id, version, issuedAt, kid, head, token }: Publication): Verb<{ readonly published: boolean }> {
    const { changes } = yield* run(
      `UPDATE status_list_tokens SET version = version + 1, issued_at = $1, kid = $2, head = $3, token = $4, claimed_ms = 0
       WHERE id = $5 AND version = $6 AND issued_at <= $1`,
      issuedAt,
      kid,
      head,
      token,
      id,
      version,
    )
    return { published: changes === 1 }
  },
})

/** A published list; without its text where the caller has that version. `undefined`: there is no such list. */
export const readStatusListToken = defineVerb({
  kind: 'read',
  *run(
    moment,
    { id, knownVersion }: { readonly id: string; readonly knownVersion: number },
  ): Verb<(Published & { readonly now: number; readonly token: string | undefined }) | undefined> {
    const row = yield* first(
      `SELECT version, issued_at, kid, head, CASE WHEN version = $2 THEN NULL ELSE token END AS token
       FROM status_list_tokens WHERE id = $1 AND expires_at > $3 AND version > 0`,
      id,
      knownVersion,
      moment.now,
    )
    if (row === undefined) return undefined
    const token = row['token']
    return { ...publishedOfRow(row), now: moment.now, token: typeof token === 'string' ? token : undefined }
  },
})

export interface TakenBackPage {
  readonly list: string
  readonly among: 'grants' | 'buckets'
  /** The last index of the page before; -1 for the first page. */
  readonly after: number
  /** Rows that are looked at: a read of SQLite holds the event loop. */
  readonly limit: number
}

export interface TakenBack {
  readonly indexes: readonly number[]
  /** Where the next page begins; `undefined`: there is none. */
  readonly after: number | undefined
}

const ofGrants = `SELECT g.status_index, CASE
    WHEN (g.ended_at IS NOT NULL AND g.ended_reason <> 'expired') OR c.id IS NULL OR u.id IS NULL
      OR g.issued_at < c.not_before OR g.issued_at < u.not_before
      OR g.issued_at < (SELECT not_before FROM issuer_state WHERE id = 1)
    THEN 1 ELSE 0 END AS taken_back
  FROM grants g
  LEFT JOIN clients c ON c.id = g.client_id AND c.disabled_at IS NULL
  LEFT JOIN users u ON u.id = g.user_id AND u.disabled_at IS NULL
  WHERE g.status_list = $1 AND g.status_index > $2 ORDER BY g.status_index LIMIT $3`

const ofBuckets = `SELECT b.status_index, CASE
    WHEN c.id IS NULL OR b.issued_at < c.not_before
      OR b.issued_at < (SELECT not_before FROM issuer_state WHERE id = 1)
    THEN 1 ELSE 0 END AS taken_back
  FROM status_buckets b LEFT JOIN clients c ON c.id = b.client_id AND c.disabled_at IS NULL
  WHERE b.status_list = $1 AND b.status_index > $2 ORDER BY b.status_index LIMIT $3`

/**
 * The indexes that are taken back (PROTOCOL §7), page by page. An expired grant is not: its tokens say themselves that they are over.
 * Nor are tokens that say too much since their grant changed, for the next one has the same index.
 */
export const readTakenBack = defineVerb({
  kind: 'read',
  *run(_moment, { list, among, after, limit }: TakenBackPage): Verb<TakenBack> {
    const { rows } = yield* run(among === 'grants' ? ofGrants : ofBuckets, list, after, limit)
    const last = rows.at(-1)
    return {
      indexes: rows.filter((row) => row['taken_back'] === 1).map((row) => integer(row, 'status_index')),
      after: last === undefined || rows.length < limit ? undefined : integer(last, 'status_index'),
    }
  },
})
