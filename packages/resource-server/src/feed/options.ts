import type { Secret } from '@arctos/core'
import { type PrivateJwk, readCredential, readSecret, type ServerCredential } from '../credential.ts'
import { check, isTrustworthyUrl, mistake, urlRule } from '../option-check.ts'
import { defaultRule, type FeedRule, type FeedTimes, readTimes } from './rule.ts'

/** Where this guard is told what was taken back: a transmitter of security events (OpenID Shared Signals Framework 1.0). */
export interface RevocationFeedOptions extends FeedTimes {
  /** The id of this resource server at the authorization server; with it a token for the feed is obtained. */
  readonly clientId?: string | undefined
  /** Its secret; or else `clientKey`. */
  readonly clientSecret?: Secret | string | undefined
  /** A private JWK with `kid` and `alg`: then assertions prove who asks (RFC 7523 §2.2). */
  readonly clientKey?: PrivateJwk | undefined
  /** A ready-made access token for the transmitter, where another than Arctos hands one out; instead of the above. */
  readonly accessToken?: Secret | string | undefined
  /** Whose tokens the events are about; needed only where there are several authorization servers. */
  readonly issuer?: string | undefined
  /** The identifier of the transmitter, where it is not the issuer itself. */
  readonly transmitter?: string | undefined
  /** What `aud` of the events contains; by default the identifier of the resource, or the client id. */
  readonly audience?: string | undefined
  /** `push` has events sent to `endpoint` (RFC 8935) instead of polling for them (RFC 8936). */
  readonly delivery?: 'poll' | 'push' | undefined
  /** Where the transmitter reaches this one process: the address that `revocationEvents(api)` answers. */
  readonly endpoint?: string | undefined
}

/** One feed, checked and with its defaults. */
export interface FeedConfiguration {
  readonly issuer: string
  readonly transmitter: string
  readonly audiences: readonly string[]
  readonly credential: ServerCredential | undefined
  readonly accessToken: Secret | undefined
  readonly pushEndpoint: string | undefined
  readonly rule: FeedRule
}

/**
 * Reads the feeds of a guard. Throws a TypeError that names the option.
 *
 * @param issuers those of the configuration, `undefined` where a function tells them
 * @param introspected the issuer that can be asked about tokens
 */
export function readFeeds(
  options: RevocationFeedOptions | readonly RevocationFeedOptions[] | undefined,
  resource: string,
  issuers: readonly string[] | undefined,
  introspected: string | undefined,
): readonly FeedConfiguration[] {
  const feeds = [options ?? []].flat().map((each) => readFeed(each, resource, issuers, introspected))
  const isUnique = new Set(feeds.map(({ issuer }) => issuer)).size === feeds.length
  check(isUnique, 'revocations.issuer', feeds[0]?.issuer, 'another issuer for each feed')
  return feeds
}

function readFeed(
  options: RevocationFeedOptions,
  resource: string,
  issuers: readonly string[] | undefined,
  introspected: string | undefined,
): FeedConfiguration {
  const { issuer = issuers?.length === 1 ? issuers[0] : undefined, clientId, audience } = options
  if (!isTrustworthyUrl(issuer) || issuers?.includes(issuer) === false) {
    throw mistake('revocations.issuer', issuer, 'the one of authorizationServers whose tokens are taken back')
  }
  const { transmitter = issuer } = options
  const isUrl = isTrustworthyUrl(transmitter) && !/[?#]/.test(transmitter)
  check(isUrl, 'revocations.transmitter', transmitter, `${urlRule}, no query`)
  const isText = audience === undefined || (typeof audience === 'string' && audience !== '')
  check(isText, 'revocations.audience', audience, 'what the transmitter writes into aud')
  const { delivery = 'poll', endpoint } = options
  check(delivery === 'poll' || delivery === 'push', 'revocations.delivery', delivery, 'poll or push')
  const isReachable = delivery === 'push' ? isTrustworthyUrl(endpoint) : endpoint === undefined
  check(isReachable, 'revocations.endpoint', endpoint, `${urlRule}, with delivery: push alone`)
  const canAsk = introspected === issuer
  const times = readTimes(options, defaultRule, canAsk, (member, received, allowed) => {
    throw mistake(`revocations.${member}`, received, allowed)
  })
  const whenStale = canAsk ? 'introspect or accept' : 'accept'
  return {
    issuer,
    transmitter,
    audiences: audience === undefined ? [resource, clientId ?? resource] : [audience],
    ...readProof(options),
    pushEndpoint: endpoint,
    rule: { ...defaultRule, whenStale, ...times },
  }
}

/** What it proves itself with, or the token that it has already. */
function readProof(options: RevocationFeedOptions): Pick<FeedConfiguration, 'credential' | 'accessToken'> {
  const { clientId, clientSecret, clientKey, accessToken } = options
  const given = [clientSecret, clientKey, accessToken].filter((each) => each !== undefined)
  const shown = given.length === 0 ? undefined : '(hidden)'
  check(given.length === 1, 'revocations.clientSecret', shown, 'its secret, or else clientKey, or else accessToken')
  if (accessToken !== undefined) {
    return { credential: undefined, accessToken: readSecret('revocations.accessToken', accessToken) }
  }
  if (typeof clientId !== 'string' || clientId === '') {
    throw mistake('revocations.clientId', clientId, 'the id of this resource server')
  }
  return { credential: readCredential('revocations', { clientId, clientSecret, clientKey }), accessToken: undefined }
}
