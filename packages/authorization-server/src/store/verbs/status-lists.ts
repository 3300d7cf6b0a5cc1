import { newId } from '../identifiers.ts'
import {
  defineVerb,
  first,
  integer,
  type Lock,
  type Row,
  run,
  type Transaction,
  text,
  type Verb,
} from '../transaction.ts'

/** Where the status of tokens stands. */
export interface StatusPlace {
  /** The id of a list. */
  readonly list: string
  readonly index: number
}

/** A status list, without what was published of it. */
export interface StatusListRow {
  readonly id: string
  /** It has 2^bits indexes. */
  readonly bits: number
  /** The key of its permutation, sealed for its id. */
  readonly sealed: string
  readonly madeAt: number
  /** Until then its indexes may be given out (epoch seconds). */
  readonly openUntil: number
  /** No token in it lives longer. */
  readonly expiresAt: number
}

const listColumns = 'id, bits, sealed, made_at, open_until, expires_at'

export function listOfRow(row: Row): StatusListRow {
  return {
    id: text(row, 'id'),
    bits: integer(row, 'bits'),
    sealed: text(row, 'sealed'),
    madeAt: integer(row, 'made_at'),
    openUntil: integer(row, 'open_until'),
    expiresAt: integer(row, 'expires_at'),
  }
}

/** 2^18 indexes are 32 KB, 2^20 are 128 KB, before compression. Even, for the permutation. */
const smallestBits = 18
const largestBits = 20
/** Guards' clocks may be behind, so lists outlive their tokens by this (seconds). */
const retiringSeconds = 120

export interface Reservation {
  /** Tokens of these indexes live for at most 2^lifeBits seconds from when they are placed. */
  readonly lifeBits: number
  readonly count: number
  /** Counters below this share of a list are given out. */
  readonly share: number
  /** The list to make where none is open. */
  readonly candidate: { readonly id: string; readonly sealed: string }
}

/** Counters of one list, from `from` up to but not including `to`, that are the caller's alone. */
export interface Reserved {
  readonly list: StatusListRow
  readonly from: number
  readonly to: number
  /** Whether the list was made now. */
  readonly made: boolean
}

/**
 * Takes counters of an open list for one node. Lists hold what ends at about the same time: one is open for a quarter of the longest
 * life in it, and retired when all of it must be over. Where one was full before its time, the next is larger.
 */
export const reserveStatusIndexes = defineVerb({
  kind: 'change',
  *run(transaction, { lifeBits, count, share, candidate }: Reservation): Verb<Reserved> {
    const last = yield* first(
      `SELECT ${listColumns}, next FROM status_lists WHERE life_bits = $1 ORDER BY made_at DESC, id DESC LIMIT 1`,
      lifeBits,
    )
    const open = last !== undefined && integer(last, 'open_until') > transaction.now ? listOfRow(last) : undefined
    const limit = open === undefined ? 0 : Math.floor(2 ** open.bits * share)
    const from = open === undefined || last === undefined ? 0 : integer(last, 'next')
    if (open !== undefined && from < limit) {
      const to = Math.min(from + count, limit)
      yield* run('UPDATE status_lists SET next = $1 WHERE id = $2', to, open.id)
      return { list: open, from, to, made: false }
    }
    const list = yield* makeList(transaction, lifeBits, candidate, open === undefined ? smallestBits : open.bits + 2)
    yield* run('UPDATE status_lists SET next = $1 WHERE id = $2', count, list.id)
    return { list, from: 0, to: count, made: true }
  },
  locks: (): readonly Lock[] => [{ table: 'leases', key: 'status_lists', mode: 'update' }],
})

function* makeList(
  transaction: Transaction,
  lifeBits: number,
  { id, sealed }: Reservation['candidate'],
  wantedBits: number,
): Verb<StatusListRow> {
  const openSeconds = 2 ** lifeBits / 4
  const list = {
    id,
    bits: Math.min(wantedBits, largestBits),
    sealed,
    madeAt: transaction.now,
    openUntil: transaction.now + openSeconds,
    // Twice the time that it is open: a node that is late with what it took is not wrong.
    expiresAt: transaction.now + 2 ** lifeBits + 2 * openSeconds + retiringSeconds,
  }
  yield* run(
    `INSERT INTO status_lists (${listColumns}, life_bits, next) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`,
    list.id,
    list.bits,
    list.sealed,
    list.madeAt,
    list.openUntil,
    list.expiresAt,
    lifeBits,
  )
  yield* run(
    `INSERT INTO status_list_tokens (id, version, issued_at, kid, head, claimed_ms, token, expires_at)
     VALUES ($1, 0, 0, '', 0, 0, '', $2)`,
    list.id,
    list.expiresAt,
  )
  return list
}

/** Tokens of one client that share an index, because they end together and nothing but their client's end can end them. */
export interface Bucket {
  readonly clientId: string
  readonly resourceKeys: readonly string[]
  /** `exp` of a token in it. */
  readonly expiresAt: number
  /** The latest cut-off before which they were issued: what is issued after the next one is in another bucket. */
  readonly notBefore: number
}

/** What an issuing verb places the tokens of clients with. */
export interface BucketPlaces {
  /** Where this node knows a bucket to be. */
  readonly known: (name: string) => StatusPlace | undefined
  /** For a bucket that it does not know. */
  readonly spare: StatusPlace
}

const bucketSeconds = 300

/** The place of a bucket: one upsert for the first token of it on each node, and nothing for the others. */
export function* placeInBucket(
  bucket: Bucket,
  issuedAt: number,
  { known, spare }: BucketPlaces,
): Verb<{ readonly name: string; readonly place: StatusPlace }> {
  const end = Math.ceil(bucket.expiresAt / bucketSeconds) * bucketSeconds
  const resources = bucket.resourceKeys.join(' ')
  const name = `${end} ${bucket.notBefore} ${bucket.clientId} ${resources}`
  const found = known(name)
  if (found !== undefined) return { name, place: found }
  const row = yield* first(
    // The row that another node was first with comes back, with the earliest time of both.
    `INSERT INTO status_buckets (client_id, resources, end_at, not_before, issued_at, status_list, status_index, keep_until)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (client_id, resources, end_at, not_before) DO UPDATE SET issued_at =
       CASE WHEN excluded.issued_at < status_buckets.issued_at THEN excluded.issued_at ELSE status_buckets.issued_at END
     RETURNING status_list, status_index`,
    bucket.clientId,
    resources,
    end,
    bucket.notBefore,
    issuedAt,
    spare.list,
    spare.index,
    end + retiringSeconds,
  )
  if (row === undefined) throw new Error('an upsert returned no row')
  return { name, place: { list: text(row, 'status_list'), index: integer(row, 'status_index') } }
}

/** An id for a list. */
export function newStatusListId(random: (byteLength: number) => Buffer): string {
  return newId({ random })
}

/** What a grant is placed with: it is known in its transaction only whether it lasts. */
export interface GrantPlaces {
  /** Of a grant without a refresh token. */
  readonly brief: StatusPlace
  /** Of a refresh family. */
  readonly lasting: StatusPlace
}
