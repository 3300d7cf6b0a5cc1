import type { JsonObject } from '@arctos/core'
import { integer, optionalInteger, optionalText, type Row, text } from './transaction.ts'

export type StreamStatus = 'enabled' | 'paused' | 'disabled'
export type DeliveryMethod = 'poll' | 'push'

/** What a receiver chose for its stream; kept as JSON on its row. */
export interface StreamSettings {
  readonly description?: string | undefined
  /** Event types as the receiver listed them, also those that nobody here knows; absent: all. */
  readonly eventsRequested?: readonly string[] | undefined
  /** Where events are pushed to; push only. */
  readonly endpointUrl?: string | undefined
  /** The `Authorization` to push with, sealed for this stream. */
  readonly authorization?: string | undefined
  /** Subjects of which the receiver wants to hear no more. */
  readonly removed?: readonly JsonObject[] | undefined
}

/** Something that a stream is told about itself. It waits on the stream's row until it is acknowledged. */
export type StreamNotice =
  | { readonly jti: string; readonly kind: 'verification'; readonly at: number; readonly state?: string }
  | {
      readonly jti: string
      readonly kind: 'stream_updated'
      readonly at: number
      readonly status: string
      readonly reason?: string
    }

/** A stream of security events as one transaction saw it (SSF §8.1.1). */
export interface Stream {
  readonly id: string
  readonly clientId: string
  /** Key of the resource whose guard it feeds; `undefined`: it carries everything. */
  readonly resourceKey: string | undefined
  readonly audience: string
  readonly method: DeliveryMethod
  readonly settings: StreamSettings
  readonly status: StreamStatus
  readonly reason: string | undefined
  /** Since when it has this status, by the store's clock (epoch milliseconds). */
  readonly statusMs: number
  /** Every row of the ledger up to this number is acknowledged, or not for this stream. */
  readonly acked: number
  readonly notices: readonly StreamNotice[]
  /** After this long without a sign of life it is removed; `undefined`: never. */
  readonly timeoutSeconds: number | undefined
  readonly expiresAt: number | undefined
}

export const streamColumns =
  'id, client_id, resource_key, audience, method, settings, status, reason, status_ms, acked, notices, timeout_seconds, expires_at'

export function streamOfRow(row: Row): Stream {
  return {
    id: text(row, 'id'),
    clientId: text(row, 'client_id'),
    resourceKey: optionalText(row, 'resource_key'),
    audience: text(row, 'audience'),
    method: text(row, 'method') as DeliveryMethod,
    settings: JSON.parse(text(row, 'settings')) as StreamSettings,
    status: text(row, 'status') as StreamStatus,
    reason: optionalText(row, 'reason'),
    statusMs: integer(row, 'status_ms'),
    acked: integer(row, 'acked'),
    notices: JSON.parse(text(row, 'notices')) as readonly StreamNotice[],
    timeoutSeconds: optionalInteger(row, 'timeout_seconds'),
    expiresAt: optionalInteger(row, 'expires_at'),
  }
}
