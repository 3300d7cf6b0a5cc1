import { equalInConstantTime, sha256 } from '@arctos/core'
import type { Answer } from '../answer.ts'
import { type HeaderSource, headerValues } from '../request/guard-request.ts'
import type { Received } from './receiver.ts'
import type { SetError } from './stream.ts'

/** A request of a transmitter that pushes events, as plain data. */
export interface PushRequest {
  readonly method: string
  readonly headers: HeaderSource
  /** Reads the body, at most so many bytes of it; `undefined` for a longer one. */
  readonly read: (byteLimit: number) => Promise<Uint8Array | undefined>
}

/** Who takes the events of one feed, and what its transmitter has to show. */
export interface PushedFeed {
  readonly authorization: string
  pushed(text: string): Promise<Received>
}

const byteLimit = 32_768

/**
 * Answers a pushed event: 202 without a body where it was taken (also a second time), 400 with what is wrong where it is none, 401
 * for whoever does not show what the stream was made with, 503 where it may come again. RFC 8935 §2.2, RFC 8935 §2.3
 */
export async function answerPush(request: PushRequest, feeds: readonly PushedFeed[]): Promise<Answer> {
  if (request.method !== 'POST') return { ...empty(405), headers: { ...noStore, allow: 'POST' } }
  const feed = feedOf(headerValues(request.headers, 'authorization'), feeds)
  if (feed === undefined) {
    return refused(401, { err: 'authentication_failed', description: 'The authorization is not that of a stream.' })
  }
  const type = headerValues(request.headers, 'content-type')[0]?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/secevent+jwt') {
    return refused(400, { err: 'invalid_request', description: 'The content type is not application/secevent+jwt.' })
  }
  const body = await request.read(byteLimit)
  if (body === undefined) return refused(400, { err: 'invalid_request', description: 'The event is too long.' })
  const received = await feed.pushed(Buffer.from(body).toString('latin1').trim())
  if (received.result === 'refused') return refused(400, received.error)
  if (received.result === 'undecided') return { ...empty(503), headers: { ...noStore, 'retry-after': '1' } }
  return empty(202)
}

/** In constant time, whatever came: neither the length nor the beginning of what is right can be found out by trying. */
function feedOf(shown: readonly string[], feeds: readonly PushedFeed[]): PushedFeed | undefined {
  const hash = sha256(shown.length === 1 ? (shown[0] ?? '') : '')
  let found: PushedFeed | undefined
  for (const feed of feeds) {
    if (equalInConstantTime(hash, sha256(feed.authorization))) found = feed
  }
  return found
}

const noStore = { 'cache-control': 'no-store' }

function empty(status: number): Answer {
  return { status, headers: noStore, body: '' }
}

function refused(status: number, error: SetError): Answer {
  const headers = { ...noStore, 'content-type': 'application/json', 'content-language': 'en' }
  return { status, headers, body: JSON.stringify(error) }
}
