import { isJsonObject, type JsonObject, parseJsonObject, readNumber, readString, readStrings } from '@arctos/core'
import { isTrustworthyUrl } from '../option-check.ts'
import { type Fetch, type FetchBounds, type FetchedBytes, fetchBytes } from '../outbound-fetch.ts'
import { eventTypes } from './effect.ts'
import type { FeedToken } from './feed-token.ts'
import type { TransmitterMetadata } from './transmitter.ts'
import { isTrouble, type Trouble, troubleOf } from './trouble.ts'

/** One stream of events, made for this process alone. SSF 1.0 §8.1 */
export interface Stream {
  readonly id: string
  /** Where it is polled; `undefined` where it is pushed. */
  readonly pollEndpoint: string | undefined
  /** How long to wait between two heartbeats that are asked for, in milliseconds. */
  readonly leastVerificationMs: number
}

/** An answer to a poll. RFC 8936 §2.3 */
export interface Polled {
  /** By `jti`. */
  readonly sets: readonly (readonly [string, string])[]
  readonly moreAvailable: boolean
  /** What a transmitter that numbers its events says of its log. */
  readonly epoch: number | undefined
  readonly head: number | undefined
}

export interface PollRequest {
  /** 0 to be told of none. */
  readonly maxEvents?: number
  readonly returnImmediately: boolean
  readonly ack: readonly string[]
  readonly setErrs: Readonly<Record<string, SetError>>
}

/** RFC 8935 §2.4 */
export interface SetError {
  readonly err: string
  readonly description: string
}

export interface StreamDescription {
  readonly issuer: string
  readonly audiences: readonly string[]
  readonly resource: string
  /** Where events are to be pushed, and what they have to carry there. */
  readonly push: { readonly endpoint: string; readonly authorization: string } | undefined
}

/** What is asked of a transmitter about streams, with the token of the feed. */
export interface StreamClient {
  create(metadata: TransmitterMetadata, description: StreamDescription): Promise<Stream | Trouble>
  remove(metadata: TransmitterMetadata, stream: Stream): Promise<void>
  verify(endpoint: string, stream: Stream, state: string): Promise<Trouble | undefined>
  poll(endpoint: string, request: PollRequest, holdMs: number): Promise<Polled | Trouble>
  snapshot(endpoint: string, stream: Stream): Promise<SnapshotAnswer | Trouble>
  /** Gives up whatever is being asked. */
  abort(): void
}

/** A snapshot as it came. */
export interface SnapshotAnswer {
  /** The signed statement about the body. */
  readonly statement: string
  readonly body: Uint8Array
}

/** So long a poll may take beyond the time for which it may be held. */
const graceMs = 2_000
const pollByteLimit = 8 * 1_024 * 1_024
const snapshotBounds = { timeoutMs: 60_000, byteLimit: 128 * 1_024 * 1_024 }
const eventLimit = 500
const nameLimit = 512

export function createStreamClient(fetch: Fetch, token: FeedToken): StreamClient {
  let abort = new AbortController()

  const ask = async (
    about: string,
    url: string,
    init: { method: string; body?: object },
    bounds: FetchBounds = {},
  ): Promise<Extract<FetchedBytes, { ok: true }> | Trouble> => {
    const held = await token.get()
    if (isTrouble(held)) return held
    const { method, body } = init
    const headers = {
      authorization: `Bearer ${held.token}`,
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const asked = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const answer = await fetchBytes(fetch, url, asked, { ...bounds, signal: abort.signal })
    if (!answer.ok) return { problem: `${about}: ${answer.problem}` }
    if (answer.status >= 200 && answer.status < 300) return answer
    const trouble = troubleOf(answer, about)
    if (trouble.lost === 'token') token.drop()
    return trouble
  }

  const urlOf = (endpoint: string, { id }: Stream): string => {
    const url = new URL(endpoint)
    url.searchParams.set('stream_id', id)
    return url.href
  }

  return {
    async create({ configurationEndpoint }, description) {
      const answer = await ask('stream', configurationEndpoint, { method: 'POST', body: requestOf(description) })
      if (isTrouble(answer)) return { ...answer, lost: answer.lost === 'stream' ? undefined : answer.lost }
      const object = parseJsonObject(answer.bytes)
      return object === undefined ? { problem: 'stream: no JSON object' } : readStream(object, description)
    },
    async remove({ configurationEndpoint }, stream) {
      abort.abort()
      abort = new AbortController()
      await ask('stream', urlOf(configurationEndpoint, stream), { method: 'DELETE' }, { timeoutMs: 2_000 })
    },
    async verify(endpoint, { id }, state) {
      const answer = await ask('verification', endpoint, { method: 'POST', body: { stream_id: id, state } })
      return isTrouble(answer) ? answer : undefined
    },
    async poll(endpoint, request, holdMs) {
      const body = { maxEvents: eventLimit, ...request }
      const bounds = { timeoutMs: holdMs + graceMs, byteLimit: pollByteLimit }
      const answer = await ask('poll', endpoint, { method: 'POST', body }, bounds)
      if (isTrouble(answer)) return answer
      return readPolled(parseJsonObject(answer.bytes)) ?? { problem: 'poll: no answer to a poll' }
    },
    async snapshot(endpoint, stream) {
      const answer = await ask('snapshot', urlOf(endpoint, stream), { method: 'GET' }, snapshotBounds)
      if (isTrouble(answer)) return answer
      const statement = answer.headers.get('arctos-snapshot')
      return statement === null ? { problem: 'snapshot: not signed' } : { statement, body: answer.bytes }
    },
    abort: () => abort.abort(),
  }
}

function requestOf({ resource, push }: StreamDescription): object {
  const delivery =
    push === undefined
      ? { method: 'urn:ietf:rfc:8936' }
      : { method: 'urn:ietf:rfc:8935', endpoint_url: push.endpoint, authorization_header: push.authorization }
  const { verification, streamUpdated, ...requested } = eventTypes
  return { delivery, events_requested: Object.values(requested), description: `guard of ${resource}`.slice(0, 200) }
}

function readStream(object: JsonObject, { issuer, audiences, push }: StreamDescription): Stream | Trouble {
  const id = readString(object, 'stream_id')
  if (id === undefined || id === '' || id.length > nameLimit) return { problem: 'stream: no stream_id' }
  if (readString(object, 'iss') !== issuer) return { problem: 'stream: another issuer' }
  const audience = readStrings(object, 'aud')
  if (audience?.some((each) => audiences.includes(each)) !== true) return { problem: 'stream: for another audience' }
  const delivered = readStrings(object, 'events_delivered')
  if (delivered?.includes(eventTypes.sessionRevoked) !== true) return { problem: 'stream: without session-revoked' }
  const seconds = readNumber(object, 'min_verification_interval') ?? 0
  const leastVerificationMs = Math.min(Math.max(seconds, 0), 86_400) * 1_000
  if (push !== undefined) return { id, pollEndpoint: undefined, leastVerificationMs }
  const { delivery } = object
  const pollEndpoint = isJsonObject(delivery) ? readString(delivery, 'endpoint_url') : undefined
  if (!isTrustworthyUrl(pollEndpoint)) return { problem: 'stream: no address to poll' }
  return { id, pollEndpoint, leastVerificationMs }
}

function readPolled(object: JsonObject | undefined): Polled | undefined {
  if (object === undefined || !isJsonObject(object['sets'])) return undefined
  const sets: [string, string][] = []
  for (const [jti, set] of Object.entries(object['sets'])) {
    if (typeof set !== 'string') return undefined
    sets.push([jti, set])
  }
  const [epoch, head] = [readNumber(object, 'epoch'), readNumber(object, 'head')]
  return { sets, moreAvailable: object['moreAvailable'] === true, epoch, head }
}
