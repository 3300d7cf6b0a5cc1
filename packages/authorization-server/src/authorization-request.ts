import { type Facts, isCodeChallenge, type Reason, Refusal } from '@arctos/core'
import { reachableContexts } from './authentication-contexts.ts'
import { isRegistered } from './redirect-uri.ts'
import type { RegisteredClient } from './store/registered-client.ts'

/** Parameters of an authorization request; an empty one counts as absent (RFC 6749 §3.1). */
export interface RequestParameters {
  readonly get: (name: string) => string | undefined
  readonly all: (name: string) => readonly string[]
}

/** Whom an authorization request comes from and where its answer goes. Until this is known, nobody is sent anywhere. */
export interface RedirectTarget {
  readonly client: RegisteredClient
  readonly redirectUri: string
  /** Whether the request named it: then the token request has to, too (RFC 6749 §4.1.3). */
  readonly redirectUriSent: boolean
  readonly state: string | undefined
}

/** What an authorization request asks for, besides resources and scopes. */
export interface AuthorizationRequest {
  /** S256, 43 characters. */
  readonly codeChallenge: string
  readonly prompts: ReadonlySet<string>
  /** How old the sign-in may be at the most. */
  readonly maxAgeSeconds: number | undefined
  /** The user name that the client expects, to fill in. */
  readonly loginHint: string | undefined
}

const stateLengthLimit = 3_072
const hintLengthLimit = 200
const promptLengthLimit = 200
const contextsLengthLimit = 2_000
/** Parameters that decide something, in the order in which a request is written again. */
const known = [
  'response_type',
  'response_mode',
  'client_id',
  'redirect_uri',
  'scope',
  'state',
  'code_challenge',
  'code_challenge_method',
  'prompt',
  'max_age',
  'acr_values',
  'login_hint',
] as const

/**
 * Where the answer goes. Throws `authorize.client_unknown` or `authorize.redirect_uri_invalid`, and then the user is
 * told and sent nowhere. RFC 6749 §3.1.2.4, RFC 6749 §4.1.2.1
 *
 * @param client the one that `client_id` names, if there is one and it is enabled
 */
export function readRedirectTarget(
  client: RegisteredClient | undefined,
  parameters: RequestParameters,
): RedirectTarget {
  if (client === undefined) {
    const received = parameters.get('client_id')?.slice(0, 60)
    throw new Refusal('authorize.client_unknown', { check: 'client_id', expected: 'a registered one', received })
  }
  const requested = parameters.get('redirect_uri')
  const state = parameters.get('state')
  return {
    client,
    redirectUri: findRedirectUri(client.settings.redirectUris, requested),
    redirectUriSent: requested !== undefined,
    state: state !== undefined && state.length > stateLengthLimit ? undefined : state,
  }
}

function findRedirectUri(registered: readonly string[], requested: string | undefined): string {
  if (requested !== undefined && isRegistered(registered, requested)) return requested
  // RFC 6749 §3.1.2.3: it may be left out where there is only one it can be.
  const [only, ...others] = registered
  if (requested === undefined && only !== undefined && others.length === 0) return only
  throw new Refusal('authorize.redirect_uri_invalid', {
    check: 'redirect_uri',
    expected: requested === undefined ? 'one of the registered ones' : 'a registered one, byte for byte',
    received: requested?.slice(0, 60),
  })
}

/**
 * Everything about the request that the client alone decides. Throws a refusal that goes back to the client.
 * RFC 6749 §4.1.1
 */
export function readAuthorizationRequest(
  client: RegisteredClient,
  parameters: RequestParameters,
): AuthorizationRequest {
  checkResponse(parameters)
  checkClient(client)
  checkLength(parameters, 'state', stateLengthLimit)
  checkLength(parameters, 'prompt', promptLengthLimit)
  checkLength(parameters, 'acr_values', contextsLengthLimit)
  checkContexts(parameters)
  return {
    codeChallenge: readCodeChallenge(parameters),
    prompts: readPrompts(parameters),
    maxAgeSeconds: readMaxAge(parameters),
    loginHint: parameters.get('login_hint')?.slice(0, hintLengthLimit),
  }
}

function checkResponse(parameters: RequestParameters): void {
  for (const name of ['request', 'request_uri']) {
    if (parameters.get(name) !== undefined) {
      throw new Refusal('authorize.request_object_unsupported', { check: name, expected: 'none' })
    }
  }
  const type = parameters.get('response_type')
  if (type === undefined) refuse('request.missing_parameter', 'parameter', 'response_type')
  // RFC 6749 §3.1.1: the only one there is.
  if (type !== 'code') refuse('authorize.response_type_unsupported', 'response_type', 'code', type)
  const mode = parameters.get('response_mode')
  if (mode !== undefined && mode !== 'query') refuse('request.invalid_parameter', 'response_mode', 'query', mode)
}

function checkClient({ settings }: RegisteredClient): void {
  if (!settings.grantTypes.includes('authorization_code') || settings.resourceServerOf !== undefined) {
    refuse('authorize.client_not_allowed', 'grant_types', 'authorization_code', settings.grantTypes.join(' '))
  }
}

function checkLength(parameters: RequestParameters, name: string, limit: number): void {
  const length = parameters.get(name)?.length ?? 0
  if (length > limit) {
    throw new Refusal('request.invalid_parameter', { check: `length of ${name}`, expected: limit, received: length })
  }
}

/** PKCE is asked of every client, and the method has to be named: without it `plain` would be meant (RFC 7636 §4.3). */
function readCodeChallenge(parameters: RequestParameters): string {
  const challenge = parameters.get('code_challenge')
  const method = parameters.get('code_challenge_method')
  // RFC 7636 §4.4.1
  if (challenge === undefined) refuse('authorize.pkce_missing', 'code_challenge', 'an S256 challenge', 'none')
  if (method !== 'S256') refuse('authorize.pkce_missing', 'code_challenge_method', 'S256', method ?? 'none')
  if (!isCodeChallenge(challenge)) {
    refuse('request.invalid_parameter', 'code_challenge', '43 characters of base64url', String(challenge.length))
  }
  return challenge
}

/** Values of `prompt`; those that nobody defined are ignored (OpenID Connect Core §3.1.2.1). */
function readPrompts(parameters: RequestParameters): ReadonlySet<string> {
  const prompts = new Set((parameters.get('prompt') ?? '').split(' ').filter((word) => word !== ''))
  if (prompts.has('none') && prompts.size > 1) refuse('request.invalid_parameter', 'prompt', 'none, and nothing beside')
  return prompts
}

function readMaxAge(parameters: RequestParameters): number | undefined {
  const text = parameters.get('max_age')
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) refuse('request.invalid_parameter', 'max_age', 'seconds, as digits', text)
  return Number(text)
}

/**
 * OpenID Connect lets a server ignore `acr_values`. Here one of them is necessary: a token without would be refused again by the
 * API that asked for it, and its client sent round in a circle. Nobody has to sign in to find that out. RFC 9470 §5
 */
function checkContexts(parameters: RequestParameters): void {
  const asked = parameters.get('acr_values')?.split(' ') ?? []
  if (asked.length === 0 || asked.some((context) => reachableContexts.includes(context))) return
  refuse('authorize.authentication_unmet', 'acr_values', `one of ${reachableContexts.join(' ')}`, asked.join(' '))
}

/** The request written again with what decides something and nothing else, for the way back from the sign-in page. */
export function formatAuthorizationRequest(parameters: RequestParameters): string {
  const pairs: (readonly [string, string])[] = known.flatMap((name) => {
    const value = parameters.get(name)
    return value === undefined ? [] : [[name, value] as const]
  })
  for (const resource of parameters.all('resource')) pairs.push(['resource', resource])
  return pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
}

/** Adds answer parameters to a redirection URI, whose own query stays as it is. RFC 6749 §3.1.2, RFC 6749 §4.1.2 */
export function formatAuthorizationAnswer(
  { redirectUri, state }: RedirectTarget,
  issuer: string,
  answer: Readonly<Record<string, string>>,
): string {
  // RFC 9207 §2: `iss` in every answer, also in errors.
  const all = { ...answer, ...(state === undefined ? {} : { state }), iss: issuer }
  const query = Object.entries(all).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  const separator = !redirectUri.includes('?') ? '?' : /[?&]$/.test(redirectUri) ? '' : '&'
  return redirectUri + separator + query.join('&')
}

function refuse(reason: Reason, check: string, expected: string, received?: string): never {
  const facts: Facts = { check, expected, received: received?.slice(0, 60) }
  throw new Refusal(reason, facts)
}
