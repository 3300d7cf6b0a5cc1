import { formatScope, Secret } from '@arctos/core'
import { createRegistration } from './endpoint.ts'
import { completeEnvironment, type EnvironmentOptions } from './environment.ts'
import { ClientError } from './errors.ts'
import { readResourceOption, readScopeOption } from './options.ts'
import { createResourceFetch, type ResourceFetch } from './resource-fetch.ts'
import { isIssuer } from './secure-url.ts'
import { requestToken } from './token-answer.ts'
import { createTokenKeeper } from './token-keeper.ts'

export interface ApiKeyOptions extends EnvironmentOptions {
  /** The authorization server that made the key, spelled exactly as its metadata spells `issuer`. */
  readonly issuer: string
  /** The API key or personal access token. */
  readonly key: string | Secret
  /** The API that the key is for. */
  readonly resource: string
  /** What to ask for; everything that the key may do when absent. */
  readonly scope?: string
  /** Longest wait for one answer of the authorization server. Default 3 s for metadata, 8 s for the exchange. */
  readonly timeoutMs?: number
}

/** Access to one API by a key. */
export interface ApiKeyAccess {
  /** A fetch with short tokens that are given for the key, kept and renewed for everyone who uses it. */
  readonly fetch: ResourceFetch
  /** Such a token that is good now, for those who cannot use {@link ApiKeyAccess.fetch}. */
  accessToken(): Promise<Secret>
}

const exchange = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token_type: 'urn:arctos:params:oauth:token-type:api_key',
} as const

/**
 * For a program that holds an API key or a personal access token: exchanges it for access tokens of some minutes (RFC 8693), which the
 * API checks by itself. The key goes to its issuer alone, never to the API. Nothing is sent before it is needed. Throws
 * `invalid_option`; the exchange throws `oauth_error` where the key is no good any more.
 */
export function apiKey(options: ApiKeyOptions): ApiKeyAccess {
  const { issuer, timeoutMs } = options
  if (!isIssuer(issuer))
    throw new ClientError(
      'invalid_option',
      'issuer must be an https URL (http on loopback) without query, fragment or user',
    )
  const key = typeof options.key === 'string' ? new Secret(options.key) : options.key
  if (!/^[\x21-\x7e]{1,2000}$/.test(key.reveal()))
    throw new ClientError('invalid_option', 'key must be printable ASCII without blanks')
  const resource = readResourceOption(options.resource)
  const scope = readScopeOption(options.scope)
  const environment = completeEnvironment(options)
  // No client: the key is all the authentication there is (RFC 8693 §2.1).
  const auth = () => ({ parameters: {}, secrets: [] })
  const registration = createRegistration({ issuer, clientId: '', auth }, environment, timeoutMs)
  const obtain = async () => {
    const asked = scope.length === 0 ? undefined : formatScope(scope)
    const parameters = { ...exchange, subject_token: key.reveal(), resource, scope: asked }
    const answer = await requestToken(registration, {
      parameters,
      secretParameters: ['subject_token'],
      attempts: 'several',
      scope,
    })
    return answer.accessToken
  }
  const keeper = createTokenKeeper({ obtain, environment, canRenew: () => true })
  return {
    fetch: createResourceFetch(resource, keeper, environment.fetch),
    accessToken: async () => (await keeper.current()).token,
  }
}
