import { encodeBase64url, formatScope, parseJsonObjectText, readString, readStrings, Secret } from '@arctos/core'
import type { Registration } from './endpoint.ts'
import { ClientError } from './errors.ts'
import {
  authorizationUrl,
  type BegunLogin,
  isAnswerTo,
  type LoginOptions,
  readAuthenticationOptions,
  readCode,
  readResources,
  redeemCode,
} from './login.ts'
import { readScopeOption } from './options.ts'
import { isSecureUrl } from './secure-url.ts'
import type { SessionState } from './session-state.ts'

/** What a web server asks for in the name of the user of a browser. */
export interface WebLoginOptions extends Pick<LoginOptions, 'resource' | 'scope' | 'acrValues' | 'maxAgeSeconds'> {
  /** Where the browser brings the answer: an https URL of this server (http on loopback), registered at the issuer. */
  readonly redirectUri: string
}

/** A login that was begun in somebody's browser. */
export interface WebLogin {
  /** Where to send the browser. */
  readonly url: string
  /** Comes back in the query of the answer: what the answer is found by. */
  readonly state: string
  /** What finishing needs. Keep it on the server, bound to this browser, for some minutes, and hand it over once. */
  readonly pending: Secret
}

const secretBytes = 32

export async function beginWebLogin(registration: Registration, options: WebLoginOptions): Promise<WebLogin> {
  const { issuer, clientId, environment } = registration
  const { redirectUri } = options
  if (!isSecureUrl(redirectUri)) {
    throw new ClientError(
      'invalid_option',
      'redirectUri must be an https URL (http on loopback) without fragment and user',
    )
  }
  const begun: BegunLogin = {
    state: encodeBase64url(environment.random(secretBytes)),
    verifier: encodeBase64url(environment.random(secretBytes)),
    redirectUri,
    resources: readResources(options.resource),
    scope: readScopeOption(options.scope),
    authentication: readAuthenticationOptions(options),
  }
  const url = authorizationUrl(registration, await registration.metadata(), begun)
  const { state, verifier, resources } = begun
  const members = { issuer, client_id: clientId, state, verifier, redirect_uri: redirectUri, resources }
  return { url, state, pending: new Secret(JSON.stringify({ ...members, scope: formatScope(begun.scope) })) }
}

/** Redeems the code in the answer, after everything in the answer was checked (RFC 6749 §10.12, RFC 9207 §2.4). */
export async function finishWebLogin(
  registration: Registration,
  query: URLSearchParams,
  pending: Secret,
): Promise<SessionState> {
  const begun = parsePending(registration, pending)
  if (!isAnswerTo(query, begun.state)) {
    throw new ClientError('callback_refused', 'the answer of the browser is not the answer to this login')
  }
  return await redeemCode(registration, readCode(query, await registration.metadata()), begun)
}

function parsePending({ issuer, clientId }: Registration, pending: Secret): BegunLogin {
  const json = parseJsonObjectText(pending.reveal())
  if (json !== undefined && json['issuer'] === issuer && json['client_id'] === clientId) {
    const state = readString(json, 'state')
    const verifier = readString(json, 'verifier')
    const redirectUri = readString(json, 'redirect_uri')
    const [first, ...others] = readStrings(json, 'resources') ?? []
    const scope = json['scope'] === '' ? undefined : readString(json, 'scope')
    if (state !== undefined && verifier !== undefined && redirectUri !== undefined && first !== undefined) {
      return { state, verifier, redirectUri, resources: [first, ...others], scope: readScopeOption(scope) }
    }
  }
  throw new ClientError('store_refused', 'what was kept of the login is damaged, or was begun by another client')
}
