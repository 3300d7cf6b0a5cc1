import { isDeepStrictEqual } from 'node:util'
import { type JsonObject, resourceKey } from '@arctos/core'
import { newId } from '../identifiers.ts'
import { clientColumns, clientOfRow, type RegisteredClient } from '../registered-client.ts'
import { resourcesOf } from '../registered-resource.ts'
import {
  type DeliveryMethod,
  type Stream,
  type StreamNotice,
  type StreamSettings,
  type StreamStatus,
  streamColumns,
  streamOfRow,
} from '../stream.ts'
import { defineVerb, first, integer, type Lock, type Moment, run, type Verb } from '../transaction.ts'
import { type AccessFacts, introspectJwt } from './introspection.ts'

const oneStream = ({ id }: { readonly id: string }): readonly Lock[] => [{ table: 'streams', key: id, mode: 'update' }]

/** The live stream with this id; another client's is as unknown as one that never was. */
function* findStream({ now }: Moment, id: string, clientId: string): Verb<Stream | undefined> {
  const row = yield* first(
    `SELECT ${streamColumns} FROM streams WHERE id = $1 AND client_id = $2 AND (expires_at IS NULL OR expires_at > $3)`,
    id,
    clientId,
    now,
  )
  return row && streamOfRow(row)
}

export const readStream = defineVerb({
  kind: 'read',
  *run(moment, { id, clientId }: { readonly id: string; readonly clientId: string }) {
    return yield* findStream(moment, id, clientId)
  },
})

export const listStreams = defineVerb({
  kind: 'read',
  *run({ now }, clientId: string): Verb<readonly Stream[]> {
    const { rows } = yield* run(
      `SELECT ${streamColumns} FROM streams WHERE client_id = $1 AND (expires_at IS NULL OR expires_at > $2)
       ORDER BY created_at, id LIMIT 1000`,
      clientId,
      now,
    )
    return rows.map(streamOfRow)
  },
})

/** Who asks the feed for something, with a token whose signature was checked. */
export interface FeedCaller {
  readonly token: AccessFacts
  readonly streamId: string | undefined
}

export interface FeedCallerState {
  /** Whether the token still is good. */
  readonly isLive: boolean
  /** Absent where it is disabled or deleted. */
  readonly client: RegisteredClient | undefined
  /** The caller's own stream with the id that was asked for. */
  readonly stream: Stream | undefined
  /** The store's clock (epoch seconds). */
  readonly now: number
}

/** Everything that one request to the feed depends on, in one question. */
export const readFeedCaller = defineVerb({
  kind: 'read',
  *run(moment, { token, streamId }: FeedCaller): Verb<FeedCallerState> {
    const isLive = yield* introspectJwt.run(moment, token)
    const row = yield* first(
      `SELECT ${clientColumns} FROM clients WHERE id = $1 AND disabled_at IS NULL`,
      token.clientId,
    )
    const stream = streamId === undefined ? undefined : yield* findStream(moment, streamId, token.clientId)
    return { isLive, client: row && clientOfRow(row), stream, now: moment.now }
  },
})

export interface NewStream {
  readonly id: string
  readonly clientId: string
  readonly method: DeliveryMethod
  readonly settings: StreamSettings
  readonly timeoutSeconds: number | undefined
  /** Streams of one client at the most. */
  readonly limit: number
}

export type CreateStreamOutcome =
  | { readonly outcome: 'created'; readonly stream: Stream }
  | { readonly outcome: 'too_many' }
  | { readonly outcome: 'client_unknown' }

/** Makes a stream that begins with what is taken back from now on; what was before is in the snapshot. */
export const createStream = defineVerb({
  kind: 'change',
  *run(transaction, wanted: NewStream): Verb<CreateStreamOutcome> {
    const client = yield* first(`SELECT ${clientColumns} FROM clients WHERE id = $1`, wanted.clientId)
    if (client === undefined) return { outcome: 'client_unknown' }
    const others = yield* first(
      'SELECT COUNT(*) AS count FROM streams WHERE client_id = $1 AND (expires_at IS NULL OR expires_at > $2)',
      wanted.clientId,
      transaction.now,
    )
    if (others !== undefined && integer(others, 'count') >= wanted.limit) return { outcome: 'too_many' }
    const { resourceServerOf } = clientOfRow(client).settings
    const key = resourceServerOf === undefined ? undefined : resourceKey(resourceServerOf)
    const [resource] = key === undefined ? [] : yield* resourcesOf([key])
    const row = yield* first(
      `INSERT INTO streams (id, client_id, resource_key, audience, method, settings, status, status_ms, acked, notices,
         verified_ms, created_at, timeout_seconds, expires_at, pushed_until_ms)
       VALUES ($1, $2, $3, $4, $5, $6, 'enabled', $7, (SELECT head FROM feed_state WHERE id = 1), '[]', 0, $8, $9, $10, 0)
       RETURNING ${streamColumns}`,
      wanted.id,
      wanted.clientId,
      key ?? null,
      resource?.identifier ?? resourceServerOf ?? wanted.clientId,
      wanted.method,
      JSON.stringify(wanted.settings),
      transaction.nowMs,
      transaction.now,
      wanted.timeoutSeconds ?? null,
      wanted.timeoutSeconds === undefined ? null : transaction.now + wanted.timeoutSeconds,
    )
    if (row === undefined) throw new Error('a new row was not returned')
    return { outcome: 'created', stream: streamOfRow(row) }
  },
  locks: ({ clientId }) => [{ table: 'clients', key: clientId, mode: 'update' }],
})

/** Ends the streams of a client that it could not make now: those of a resource that it guards no more, or of a receiver that is none. */
export function* endStrangeStreams({ id, settings }: RegisteredClient): Verb<void> {
  const { resourceServerOf, receivesEvents = false } = settings
  if (resourceServerOf === undefined && !receivesEvents) {
    yield* run('DELETE FROM streams WHERE client_id = $1', id)
    return
  }
  const key = resourceServerOf === undefined ? '' : resourceKey(resourceServerOf)
  yield* run("DELETE FROM streams WHERE client_id = $1 AND COALESCE(resource_key, '') <> $2", id, key)
}

export interface StreamRef {
  readonly id: string
  readonly clientId: string
}

/** What to change; `undefined` leaves it, `null` removes it. */
export interface StreamChange extends StreamRef {
  readonly description?: string | null | undefined
  readonly eventsRequested?: readonly string[] | null | undefined
  readonly delivery?:
    | {
        readonly method: DeliveryMethod
        readonly endpointUrl: string | undefined
        readonly authorization: string | undefined
        readonly timeoutSeconds: number | undefined
      }
    | undefined
}

export type StreamOutcome = { readonly outcome: 'changed'; readonly stream: Stream } | { readonly outcome: 'unknown' }

/** Changes what a receiver chose for its stream. */
export const configureStream = defineVerb({
  kind: 'change',
  *run(transaction, change: StreamChange): Verb<StreamOutcome> {
    const stream = yield* findStream(transaction, change.id, change.clientId)
    if (stream === undefined) return { outcome: 'unknown' }
    const { description, eventsRequested, delivery } = change
    const settings: StreamSettings = {
      ...stream.settings,
      ...(description === undefined ? {} : { description: description ?? undefined }),
      ...(eventsRequested === undefined ? {} : { eventsRequested: eventsRequested ?? undefined }),
      ...(delivery && { endpointUrl: delivery.endpointUrl, authorization: delivery.authorization }),
    }
    const timeout = delivery === undefined ? stream.timeoutSeconds : delivery.timeoutSeconds
    const row = yield* first(
      `UPDATE streams SET settings = $1, method = $2, timeout_seconds = $3, expires_at = $4 WHERE id = $5 RETURNING ${streamColumns}`,
      JSON.stringify(settings),
      delivery?.method ?? stream.method,
      timeout ?? null,
      timeout === undefined ? null : transaction.now + timeout,
      change.id,
    )
    return row === undefined ? { outcome: 'unknown' } : { outcome: 'changed', stream: streamOfRow(row) }
  },
  locks: oneStream,
})

export const deleteStream = defineVerb({
  kind: 'change',
  *run(_transaction, { id, clientId }: StreamRef): Verb<{ readonly outcome: 'deleted' | 'unknown' }> {
    const { changes } = yield* run('DELETE FROM streams WHERE id = $1 AND client_id = $2', id, clientId)
    return { outcome: changes === 0 ? 'unknown' : 'deleted' }
  },
  locks: oneStream,
})

const noticeLimit = 8

function* writeNotices(id: string, notices: readonly StreamNotice[]): Verb<void> {
  yield* run('UPDATE streams SET notices = $1 WHERE id = $2', JSON.stringify(notices.slice(-noticeLimit)), id)
}

export interface StatusChange extends StreamRef {
  readonly status: StreamStatus
  readonly reason: string | undefined
  /** `transmitter`: the receiver did not ask for it, so that it has to be told (SSF §8.1.5). */
  readonly by: 'receiver' | 'transmitter'
}

/**
 * Changes whether a stream delivers. What happens while it is paused waits in the ledger; what happened while it was disabled is
 * never delivered (SSF §8.1.2.1).
 */
export const setStreamStatus = defineVerb({
  kind: 'change',
  *run(transaction, { id, clientId, status, reason, by }: StatusChange): Verb<StreamOutcome> {
    const stream = yield* findStream(transaction, id, clientId)
    if (stream === undefined) return { outcome: 'unknown' }
    const isChanged = status !== stream.status
    const skips = isChanged && stream.status === 'disabled'
    if (isChanged && by === 'transmitter') {
      const notice = { jti: newId(transaction), kind: 'stream_updated', at: transaction.now, status } as const
      yield* writeNotices(id, [...stream.notices, reason === undefined ? notice : { ...notice, reason }])
    }
    if (skips) yield* run('UPDATE streams SET acked = (SELECT head FROM feed_state WHERE id = 1) WHERE id = $1', id)
    const row = yield* first(
      `UPDATE streams SET status = $1, reason = $2, status_ms = $3 WHERE id = $4 RETURNING ${streamColumns}`,
      status,
      reason ?? null,
      isChanged ? transaction.nowMs : stream.statusMs,
      id,
    )
    return row === undefined ? { outcome: 'unknown' } : { outcome: 'changed', stream: streamOfRow(row) }
  },
  locks: oneStream,
})

export type VerificationOutcome =
  | { readonly outcome: 'queued' }
  | { readonly outcome: 'unknown' }
  | { readonly outcome: 'too_soon'; readonly retryAfterSeconds: number }

export interface VerificationRequest extends StreamRef {
  readonly state: string | undefined
  readonly minIntervalSeconds: number
}

/** Has a verification event delivered, but not more often than the stream says (SSF §8.1.4.2). */
export const requestVerification = defineVerb({
  kind: 'change',
  *run(transaction, { id, clientId, state, minIntervalSeconds }: VerificationRequest): Verb<VerificationOutcome> {
    const stream = yield* findStream(transaction, id, clientId)
    if (stream === undefined) return { outcome: 'unknown' }
    const row = yield* first('SELECT verified_ms FROM streams WHERE id = $1', id)
    const waitMs =
      (row === undefined ? 0 : integer(row, 'verified_ms')) + minIntervalSeconds * 1_000 - transaction.nowMs
    if (waitMs > 0) return { outcome: 'too_soon', retryAfterSeconds: Math.ceil(waitMs / 1_000) }
    const notice = { jti: newId(transaction), kind: 'verification', at: transaction.now } as const
    yield* writeNotices(id, [...stream.notices, state === undefined ? notice : { ...notice, state }])
    yield* run('UPDATE streams SET verified_ms = $1 WHERE id = $2', transaction.nowMs, id)
    return { outcome: 'queued' }
  },
  locks: oneStream,
})

/** Subjects that one stream can have removed at the most. */
export const removedSubjectLimit = 100

export interface SubjectChange extends StreamRef {
  readonly subject: JsonObject
  readonly wanted: boolean
}

/** Takes a subject off a stream that carries all by default, or puts it back (SSF §8.1.3). */
export const changeSubject = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { id, clientId, subject, wanted }: SubjectChange,
  ): Verb<{ readonly outcome: 'changed' | 'unknown' | 'too_many' }> {
    const stream = yield* findStream(transaction, id, clientId)
    if (stream === undefined) return { outcome: 'unknown' }
    const others = (stream.settings.removed ?? []).filter((each) => !isDeepStrictEqual(each, subject))
    if (!wanted && others.length >= removedSubjectLimit) return { outcome: 'too_many' }
    const settings = { ...stream.settings, removed: wanted ? others : [...others, subject] }
    yield* run('UPDATE streams SET settings = $1 WHERE id = $2', JSON.stringify(settings), id)
    return { outcome: 'changed' }
  },
  locks: oneStream,
})

export interface Acknowledgement {
  readonly id: string
  /** Everything up to this number of the ledger; never goes back. */
  readonly acked: number
  /** Notices that arrived, by their `jti`. */
  readonly notices: readonly string[]
}

/** Keeps what a stream's receiver has, which also is a sign of its life. Nothing happens to a stream that is gone. */
export const acknowledgeEvents = defineVerb({
  kind: 'change',
  *run({ now }, { id, acked, notices }: Acknowledgement): Verb<void> {
    const row = yield* first(`SELECT ${streamColumns} FROM streams WHERE id = $1`, id)
    if (row === undefined) return
    const stream = streamOfRow(row)
    const waiting = stream.notices.filter(({ jti }) => !notices.includes(jti))
    yield* run(
      'UPDATE streams SET acked = $1, notices = $2, expires_at = $3 WHERE id = $4',
      Math.max(acked, stream.acked),
      JSON.stringify(waiting),
      stream.timeoutSeconds === undefined ? null : now + stream.timeoutSeconds,
      id,
    )
  },
  locks: oneStream,
})
