import { createRecentCache, decodeUnverifiedJws, missingScopes, Refusal, sha256Base64url } from '@arctos/core'
import type { ServerContext } from '../context.ts'
import type { RegisteredClient } from '../store/registered-client.ts'
import type { Stream } from '../store/stream.ts'
import type { AccessFacts } from '../store/verbs/introspection.ts'
import { readOwnJwt } from '../tokens/own-jwt.ts'
import { feedResource, feedScopes, isReceiver } from './feed-resource.ts'

/** Who called the feed, and with which of its streams. */
export interface FeedCaller {
  readonly client: RegisteredClient
  /** The stream that was named; absent where it is unknown or another client's. */
  readonly stream: Stream | undefined
  /** The store's clock (epoch seconds). */
  readonly now: number
}

/**
 * Finds out who calls: a receiver by its own access token for the feed, in the header and nowhere else. The token is checked like any
 * other, revocation and the client's registration included. Throws `credentials.…`, `token.…` or `feed.not_receiver`. RFC 6750 §2.1
 *
 * @param needed `ssf.manage` is good for whatever `ssf.read` is good for
 */
export async function identifyCaller(
  context: ServerContext,
  authorization: string | null,
  needed: 'read' | 'manage',
  streamId: string | undefined,
): Promise<FeedCaller> {
  const token = readToken(context, bearerToken(authorization))
  if (token.expiresAt <= Math.floor(context.now() / 1_000)) throw new Refusal('token.expired', { check: 'exp' })
  const { isLive, client, stream, now } = await context.store.readFeedCaller({ token, streamId })
  if (!isLive || client === undefined) throw new Refusal('token.revoked', { check: 'token' })
  // Never a token that a user gave: a receiver speaks for itself (RFC 6749 §4.4).
  if (!isReceiver(client) || token.subject !== token.clientId)
    throw new Refusal('feed.not_receiver', { check: 'client', expected: 'a receiver of events' })
  const isEnough = needed === 'read' && token.scopes.includes(feedScopes.manage)
  const [missing] = isEnough ? [] : missingScopes([feedScopes[needed]], token.scopes)
  if (missing !== undefined) throw new Refusal('token.scope', { check: 'scope', expected: missing })
  return { client, stream, now }
}

function bearerToken(authorization: string | null): string {
  if (authorization === null) throw new Refusal('credentials.missing', { check: 'authorization' })
  const [, token] = /^bearer +([\w.~+/-]+=*) *$/i.exec(authorization) ?? []
  if (token === undefined)
    throw new Refusal('credentials.malformed', { check: 'authorization', expected: 'Bearer TOKEN' })
  return token
}

/** Verified tokens, by their hash: a receiver polls every two seconds with the same one. */
const verified = new WeakMap<object, ReturnType<typeof createRecentCache<string, VerifiedToken>>>()

interface VerifiedToken {
  readonly kid: string
  readonly facts: AccessFacts
}

function readToken(context: ServerContext, text: string): AccessFacts {
  const tokens = verified.get(context.keys) ?? createRecentCache<string, VerifiedToken>(1_000)
  verified.set(context.keys, tokens)
  const hash = sha256Base64url(text)
  const known = tokens.get(hash)
  // A withdrawn key takes what it signed with it.
  if (known !== undefined && context.keys.verificationKey(known.kid) !== undefined) return known.facts
  const facts = readOwnJwt(context, text)
  if (facts === undefined) throw new Refusal('token.signature', { check: 'token', expected: 'a JWT of this server' })
  const expected = feedResource(context.issuer).identifier
  if (facts.audience.length !== 1 || facts.audience[0] !== expected)
    throw new Refusal('token.audience', { check: 'aud', expected, received: facts.audience.join(' ').slice(0, 80) })
  const { kid } = decodeUnverifiedJws(text).header
  if (kid !== undefined) tokens.set(hash, { kid, facts })
  return facts
}
