import { Refusal, resourceKey } from '@arctos/core'
import type { Parameters } from '../parameters.ts'
import type { RegisteredClient } from '../store/registered-client.ts'
import type { RegisteredResource } from '../store/registered-resource.ts'

/** Scopes of the feed, as the CAEP interoperability profile names them (CAEP interop §2.7.2). */
export const feedScopes = { read: 'ssf.read', manage: 'ssf.manage' } as const

/** What scopes of the feed begin with; no other resource can have one. */
export const feedScopePrefix = 'ssf.'

const accessTokenLifetimeSeconds = 600

/**
 * The feed as a protected resource. It exists by itself and is in no table: nobody can be asked to consent to it, and it never is
 * what a request without `resource` means.
 */
export function feedResource(issuer: string): RegisteredResource {
  const identifier = `${issuer}/ssf`
  return {
    key: identifier,
    createdAt: 0,
    identifier,
    scopes: {
      [feedScopes.read]: 'Receive security events',
      [feedScopes.manage]: 'Receive security events, and manage the streams that carry them',
    },
    tokenFormat: 'jwt',
    tokenType: 'at+jwt',
    accessTokenLifetimeSeconds,
  }
}

/** Whether a client may receive events at all: it guards a resource, or was registered to receive them. */
export function isReceiver({ settings }: RegisteredClient): boolean {
  return settings.resourceServerOf !== undefined || settings.receivesEvents === true
}

/**
 * The feed, where a request for client credentials is for it: it names it, or it names no resource and asks for nothing but scopes of
 * the feed, as receivers do that know only the CAEP interoperability profile. Throws `resource.unknown` for a client that is no
 * receiver, and for the feed together with anything else: a token for it is good nowhere else.
 */
export function requestedFeed(
  issuer: string,
  client: RegisteredClient,
  parameters: Parameters,
): RegisteredResource | undefined {
  const feed = feedResource(issuer)
  const named = parameters.all('resource').map(resourceKey)
  const words = (parameters.get('scope') ?? '').split(' ')
  if (named.length === 0)
    return isReceiver(client) && words.every((word) => word.startsWith(feedScopePrefix)) ? feed : undefined
  if (!named.includes(feed.key)) return undefined
  if (!isReceiver(client) || named.some((each) => each !== feed.key))
    throw new Refusal('resource.unknown', { check: 'resource', received: feed.key.slice(0, 80) })
  return feed
}
