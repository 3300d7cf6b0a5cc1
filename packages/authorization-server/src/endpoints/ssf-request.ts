import { formatChallenge, type JsonObject, Refusal, type RefusalRow, readString, refusalRow } from '@arctos/core'
import type { ServerContext } from '../context.ts'
import { type FeedCaller, identifyCaller } from '../feed/feed-caller.ts'
import { feedScopes } from '../feed/feed-resource.ts'
import { jsonAnswer } from '../http/answer.ts'
import { enter, type SealedRefusal } from '../http/entry.ts'
import type { JournalEvent } from '../journal.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import type { Stream } from '../store/stream.ts'

/** One request to the feed, as its endpoints see it. */
export interface FeedRequest extends FeedCaller {
  readonly request: ProgramRequest
  readonly event: JournalEvent
}

/** What an endpoint of the feed needs to know before it asks who calls. */
export interface FeedEntry {
  readonly endpoint: string
  readonly needed: 'read' | 'manage'
  /** The stream that the address names, if any. */
  readonly streamId?: string | undefined
}

/** Runs an endpoint of the feed for an authorized receiver, and answers refusals in the shape of the feed. RFC 6750 §3 */
export function enterFeed(
  context: ServerContext,
  request: ProgramRequest,
  { endpoint, needed, streamId }: FeedEntry,
  run: (asked: FeedRequest) => Promise<Answer>,
): Promise<Answer> {
  const event: JournalEvent = { endpoint }
  return enter(
    context,
    event,
    async () => {
      const caller = await identifyCaller(context, request.headers.get('authorization'), needed, streamId)
      event.client = caller.client.id
      if (caller.stream !== undefined) await context.feed.touch(caller.stream, caller.now)
      return await run({ ...caller, request, event })
    },
    (sealed) => feedRefusalAnswer(context.issuer, sealed, needed),
  )
}

/** The stream of a caller; throws `feed.stream_unknown`, for another's and none alike. */
export function requireStream(stream: Stream | undefined): Stream {
  if (stream === undefined) throw new Refusal('feed.stream_unknown', { check: 'stream_id' })
  return stream
}

/** The stream that a body names, for its own client only. */
export async function streamOfBody(
  context: ServerContext,
  { client, now }: FeedCaller,
  body: JsonObject,
): Promise<Stream> {
  const id = readString(body, 'stream_id')
  if (id === undefined) throw new Refusal('feed.malformed', { check: 'stream_id', expected: 'a string' })
  const stream = requireStream(await context.store.readStream({ id, clientId: client.id }))
  await context.feed.touch(stream, now)
  return stream
}

/** The parameter `stream_id` of an address, where it has one; more than one is none that can be meant. */
export function streamIdOf(target: string): string | undefined {
  const ids = new URLSearchParams(target.split('?')[1] ?? '').getAll('stream_id')
  return ids.length === 1 ? ids[0] : undefined
}

/** A text that a receiver may set, bounded. Throws `feed.malformed`. */
export function readBoundedText(body: JsonObject, name: string, limit: number): string | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || value.length > limit)
    throw new Refusal('feed.malformed', { check: name, expected: `a string of ${limit} characters at the most` })
  return value
}

/**
 * Errors as RFC 8935 §2.3 writes them, which RFC 8936 §2.6 takes over; SSF has statuses only. What is wrong with the token is in the
 * challenge (RFC 6750 §3).
 */
export function feedRefusalAnswer(
  issuer: string,
  { refusal, receipt }: SealedRefusal,
  needed: 'read' | 'manage',
): Answer {
  const row = refusalRow(refusal.reason)
  const headers: Record<string, string> = { 'arctos-receipt': receipt, 'content-language': 'en' }
  if (row.status === 401 || row.code === 'insufficient_scope' || refusal.reason === 'credentials.malformed')
    headers['www-authenticate'] = challenge(issuer, row, needed)
  if (row.status === 503 || row.status === 429) headers['retry-after'] = String(refusal.facts['retryAfterSeconds'] ?? 1)
  return jsonAnswer(JSON.stringify({ err: errorCode(row), description: row.sentence }), row.status, headers)
}

function challenge(issuer: string, { code, status, sentence }: RefusalRow, needed: 'read' | 'manage'): string {
  // Without a token there is nothing to say about one (RFC 6750 §3.1).
  const told = code === '' ? {} : { error: code, error_description: sentence }
  const scope = status === 403 || code === '' ? { scope: feedScopes[needed] } : {}
  return formatChallenge('Bearer', { realm: `${issuer}/ssf`, ...told, ...scope })
}

/** The codes of RFC 8935 §2.4. */
function errorCode({ status, code }: RefusalRow): string {
  if (status === 401) return 'authentication_failed'
  if (status === 403) return 'access_denied'
  return status < 500 && status !== 429 ? 'invalid_request' : code
}
