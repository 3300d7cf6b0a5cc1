import { type JsonObject, sha256Base64url } from '@arctos/core'
import type { LedgerRow, RevocationEntry } from '../store/revocation-entry.ts'
import type { Stream, StreamNotice } from '../store/stream.ts'
import { eventTypeOf, streamEventTypes } from './event-types.ts'

/** `typ` of a security event token: nothing else we sign has it (SSF §4.1.1, RFC 8417 §2.3). */
export const securityEventType = 'secevent+jwt'

/** A row as one audience is told of it. */
export interface ToldRow {
  readonly row: LedgerRow
  /** The number of the row before it that concerns the same audience; 0 where none is known. */
  readonly previous: number
}

/** The `jti` of the event that tells one audience of a row: the same on every node and in every delivery (RFC 8417 §2.2). */
export function eventId(rowId: string, audience: string): string {
  return `${rowId}.${audienceHash(audience)}`
}

/** The row that a `jti` stands for, if this audience was told of it. */
export function rowIdOf(jti: string, audience: string): string | undefined {
  const suffix = `.${audienceHash(audience)}`
  return jti.endsWith(suffix) ? jti.slice(0, -suffix.length) : undefined
}

function audienceHash(audience: string): string {
  return sha256Base64url(audience).slice(0, 8)
}

/**
 * The claims of the security event token that tells one audience of a row: one event, its subject on top; neither `sub` nor `exp`,
 * so that it passes for no other kind of token. RFC 8417 §2.2, SSF §4.1, CAEP §2, PROTOCOL §7
 */
export function claimsOfRow(issuer: string, epoch: number, { row, previous }: ToldRow, audience: string): JsonObject {
  const { entry } = row
  return {
    iss: issuer,
    iat: Math.floor(row.atMs / 1_000),
    jti: eventId(row.id, audience),
    aud: audience,
    txn: row.txn,
    sub_id: subjectOf(issuer, entry),
    events: {
      [eventTypeOf(entry)]: {
        event_timestamp: 'issuedBefore' in entry ? entry.issuedBefore : Math.floor(row.atMs / 1_000),
        initiating_entity: row.initiator,
        reason_admin: { en: row.reason.replaceAll('_', ' ') },
        ...specificsOf(entry),
        epoch,
        seq: row.seq,
        prev: previous,
      },
    },
  }
}

/** What the event is about, as RFC 9493 and SSF §3 write subjects. */
export function subjectOf(issuer: string, entry: RevocationEntry): JsonObject {
  const user = (id: string) => ({ format: 'iss_sub', iss: issuer, sub: id })
  const opaque = (id: string) => ({ format: 'opaque', id })
  switch (entry.kind) {
    case 'token':
      return { format: 'jwt_id', iss: issuer, jti: entry.jti }
    case 'grant':
    case 'claims':
      return {
        format: 'complex',
        session: opaque(entry.grantId),
        ...(entry.userId === undefined ? {} : { user: user(entry.userId) }),
        application: opaque(entry.clientId),
      }
    case 'user_at_client':
      return { format: 'complex', user: user(entry.userId), application: opaque(entry.clientId) }
    case 'subject':
      return user(entry.userId)
    case 'client':
      return { format: 'complex', application: opaque(entry.clientId) }
    case 'actor':
      return { format: 'complex', actor: opaque(entry.actor) }
    case 'all':
    case 'key':
      return { format: 'complex', tenant: { format: 'uri', uri: issuer } }
    case 'credential':
      return entry.principal === 'user' ? user(entry.id) : { format: 'complex', application: opaque(entry.id) }
  }
}

/** The exact rule for our own guards, and what CAEP demands of an event of this type. */
function specificsOf(entry: RevocationEntry): JsonObject {
  switch (entry.kind) {
    case 'token':
      return { exp: entry.expiresAt }
    case 'grant':
      return {}
    case 'user_at_client':
    case 'subject':
    case 'client':
    case 'actor':
    case 'all':
      return { iat_lt: entry.issuedBefore }
    case 'claims':
      // CAEP §3.2 demands claims; which of them changed is the issuer's to tell with the next token.
      return { iat_lt: entry.issuedBefore, claims: { grant_id: entry.grantId } }
    case 'key':
      return { kid: entry.kid }
    case 'credential':
      return { credential_type: entry.credential, change_type: entry.change }
  }
}

/** Where the log stood, as a heartbeat tells it. */
export interface Heartbeat {
  readonly epoch: number
  readonly head: number
  /** Epoch seconds, with a fraction. */
  readonly asOf: number
}

/**
 * The claims of a token about a stream itself; its subject is always the stream (SSF §8.1.4.1, SSF §8.1.5).
 *
 * @param heartbeat where everything up to the head was delivered before
 */
export function claimsOfNotice(
  issuer: string,
  streamId: string,
  audience: string,
  notice: StreamNotice,
  heartbeat?: Heartbeat,
): JsonObject {
  const told: JsonObject = {
    ...(notice.kind === 'verification' ? { state: notice.state } : { status: notice.status, reason: notice.reason }),
    ...(heartbeat && { epoch: heartbeat.epoch, head: heartbeat.head, as_of: heartbeat.asOf }),
  }
  const type = notice.kind === 'verification' ? streamEventTypes.verification : streamEventTypes.streamUpdated
  return {
    iss: issuer,
    iat: notice.at,
    jti: notice.jti,
    aud: audience,
    sub_id: { format: 'opaque', id: streamId },
    events: { [type]: told },
  }
}

/**
 * What a stream may be told about itself now: while it is paused or disabled, that it is, and no more. A proof that it works would
 * be none, and guards live on such proofs. SSF §8.1.2.1
 */
export function dueNotices({ status, notices }: Stream): readonly StreamNotice[] {
  return status === 'enabled' ? notices : notices.filter(({ kind }) => kind === 'stream_updated')
}

/** Whether an event of this entry is among those that a stream delivers. */
export function isDelivered(entry: RevocationEntry, events: readonly string[]): boolean {
  return events.includes(eventTypeOf(entry))
}
