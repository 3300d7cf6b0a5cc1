import { parseScope, Refusal } from '@arctos/core'
import type { AuthenticatedClient } from '../client-authentication/authenticate.ts'
import type { ServerContext } from '../context.ts'
import type { JournalEvent } from '../journal.ts'
import { type Parameters, required } from '../parameters.ts'
import type { KeyExchangeRefused } from '../store/verbs/api-key-use.ts'
import { keySecretHash } from '../tokens/api-key.ts'
import type { GrantType, IssuedTokens } from './grant-type.ts'
import { requestedResourceKeys } from './requested.ts'

/** What an API key or a personal access token is called where it is exchanged; RFC 8693 §3 has no name for it. */
export const apiKeyType = 'urn:arctos:params:oauth:token-type:api_key'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** Longest life of what is given for a key, in seconds. */
const exchangedSeconds = 300

/**
 * An API key or a personal access token, for a short access token (RFC 8693). The key is all the authentication there is: it is a
 * credential of its owner, with 256 bits, and where it is used as it is, nothing else is asked for either. A client that
 * authenticates all the same has to be the key's own.
 */
export const tokenExchange: GrantType = {
  name: 'urn:ietf:params:oauth:grant-type:token-exchange',
  run: (context, authenticated, parameters, event) => exchangeKey(context, authenticated, parameters, event),
  runAlone: (context, parameters, event) => exchangeKey(context, undefined, parameters, event),
}

async function exchangeKey(
  context: ServerContext,
  authenticated: AuthenticatedClient | undefined,
  parameters: Parameters,
  event: JournalEvent,
): Promise<IssuedTokens> {
  const subjectToken = required(parameters, 'subject_token')
  checkKind(parameters)
  const scope = parameters.get('scope')
  const scopes = scope === undefined ? undefined : parseScope(scope)
  const resourceKeys = requestedResourceKeys([...parameters.all('resource'), ...parameters.all('audience')])
  const secretHash = keySecretHash(subjectToken)
  if (secretHash === undefined)
    throw new Refusal('api_key.malformed', { check: 'subject_token', expected: 'a key of this server' })
  const retryAfterSeconds = context.exchangeLimit.take(secretHash)
  if (retryAfterSeconds !== undefined)
    throw new Refusal('request.limited', { check: 'exchanges of one key', retryAfterSeconds })
  if (authenticated?.assertion !== undefined) {
    const { outcome } = await context.store.spendOnce(authenticated.assertion)
    if (outcome === 'replayed') throw new Refusal('client.assertion_replayed', { check: 'jti', expected: 'a new one' })
  }

  const key = await context.store.findApiKey(secretHash)
  const isOwn = authenticated === undefined || authenticated.client.id === key?.clientId
  if (key === undefined || !isOwn) throw refusalOf({ outcome: 'unknown' })
  event.grant = key.keyId
  const exchanged = await context.store.exchangeApiKey({
    ...key,
    secretHash,
    resourceKeys,
    scopes,
    lifetimeSeconds: exchangedSeconds,
  })
  event.outcome = exchanged.outcome
  if (exchanged.outcome !== 'issued') throw refusalOf(exchanged)
  context.secretUses.note(secretHash, Math.floor(context.now() / 1_000))
  event.client = key.clientId
  const { access, scopes: granted } = exchanged
  return { access, scopes: granted, refreshToken: undefined, issuedTokenType: accessTokenType }
}

/** What is asked for is what is offered: an access token, for a key, and nobody who acts for somebody else. RFC 8693 §2.1 */
function checkKind(parameters: Parameters): void {
  const type = required(parameters, 'subject_token_type')
  const wanted = parameters.get('requested_token_type') ?? accessTokenType
  const wrong = (check: string, expected: string, received: string): Refusal =>
    new Refusal('exchange.unsupported', { check, expected, received: received.slice(0, 60) })
  if (type !== apiKeyType) throw wrong('subject_token_type', apiKeyType, type)
  if (wanted !== accessTokenType) throw wrong('requested_token_type', accessTokenType, wanted)
  const hasActor = ['actor_token', 'actor_token_type'].some((name) => parameters.get(name) !== undefined)
  if (hasActor) throw wrong('actor_token', 'none: a key acts for its owner', 'one')
}

function refusalOf(refused: KeyExchangeRefused): Refusal {
  switch (refused.outcome) {
    // "Unknown" and "foreign" are one to everybody but the operator.
    case 'unknown':
      return new Refusal('api_key.unknown', { check: 'subject_token' })
    case 'ended':
      return new Refusal('api_key.ended', { check: 'key', expected: 'live', received: 'ended' })
    case 'expired':
      return new Refusal('api_key.expired', { check: 'expiry', expected: 'a key that has not expired' })
    case 'principal_disabled':
    case 'resource_unknown':
      return new Refusal('api_key.owner_disabled', {
        check: 'owner and resource',
        expected: 'enabled, and not cut off since the key was made',
        received: refused.outcome,
      })
    case 'resource_exceeds_key':
      return new Refusal('resource.exceeds_grant', { check: 'resource', expected: 'the one of the key' })
    case 'scope_exceeds_key':
      return new Refusal('scope.exceeds_grant', {
        check: 'scope',
        expected: 'scopes of the key',
        received: refused.missing.slice(0, 60),
      })
  }
}
