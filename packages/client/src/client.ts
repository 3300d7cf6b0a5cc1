import type { Secret } from '@arctos/core'
import { type ClientAuthentication, noClientAuthentication } from './client-authentication.ts'
import { createClientCredentialsTokens } from './client-credentials.ts'
import { type DeviceLoginOptions, logInDevice } from './device-login.ts'
import { createRegistration } from './endpoint.ts'
import { completeEnvironment, type EnvironmentOptions } from './environment.ts'
import { ClientError } from './errors.ts'
import { type LoginOptions, logIn } from './login.ts'
import { createResourceFetch, type ResourceFetch } from './resource-fetch.ts'
import { revokeToken } from './revocation.ts'
import { isIssuer } from './secure-url.ts'
import { createSession, type Session } from './session.ts'
import { formatSessionState, parseSessionState } from './session-state.ts'
import { memoryStore, type SessionStore } from './session-store.ts'
import { beginWebLogin, finishWebLogin, type WebLogin, type WebLoginOptions } from './web-login.ts'

export interface OAuthClientOptions extends EnvironmentOptions {
  /** The authorization server, spelled exactly as its metadata spells `issuer`. https, or http on loopback. */
  readonly issuer: string
  readonly clientId: string
  /** How the client proves who it is; without it, it is a public client that only gives its name. */
  readonly auth?: ClientAuthentication
  /** Longest wait for one answer of the authorization server. Default 3 s for metadata, 8 s for everything that is posted. */
  readonly timeoutMs?: number
}

/** What to call: `resource` is the identifier of the protected resource (RFC 8707 §2), `scope` what to ask for. */
export interface ClientCredentialsTarget {
  readonly resource: string
  readonly scope?: string
}

/** One registered client at one authorization server. */
export interface OAuthClient {
  /**
   * A fetch with tokens for the client itself (RFC 6749 §4.4), kept and renewed for everyone who uses this client. With `stepUp`, and
   * where the resource demands a scope that the token lacks, the client asks for it in addition, once (RFC 6750 §3.1). Not by
   * itself: a resource that was taken over could ask for everything that this client may have.
   */
  fetch(target: ClientCredentialsTarget & { readonly stepUp?: boolean }): ResourceFetch
  /** Such a token that is good now, for those who cannot use {@link OAuthClient.fetch}. */
  accessToken(target: ClientCredentialsTarget): Promise<Secret>
  /**
   * Takes back a token that this client was given (RFC 7009 §2.1). Nothing is told of one that was none of it: the answer is the same.
   * Throws `unavailable` where the server could not be told: then the token still lives. A fetch that had kept it gets another one when
   * the resource refuses it.
   */
  revoke(token: Secret): Promise<void>
  /** Logs a user in through the browser. Replaces what the store holds, once the login has succeeded. */
  login(options: LoginOptions & { readonly store?: SessionStore }): Promise<Session>
  /**
   * Logs a user in on a device that has no browser of its own: the user opens a page elsewhere and types a code (RFC 8628). Throws
   * `login_timeout` when nobody did, `oauth_error` when the user refused.
   */
  deviceLogin(options: DeviceLoginOptions & { readonly store?: SessionStore }): Promise<Session>
  /**
   * Begins the login of a user whose browser this server does not share a machine with: code and PKCE, the answer comes to a URL of
   * this server. What is `pending` belongs on the server, found by nobody but this browser (RFC 9700 §2.1).
   */
  beginLogin(options: WebLoginOptions): Promise<WebLogin>
  /**
   * Finishes it with the query of the answer. The code is redeemed once, so take `pending` from where it is kept before calling.
   * Throws `callback_refused`, `oauth_error` for a refusal, `unavailable`.
   */
  finishLogin(answer: {
    readonly query: URLSearchParams
    readonly pending: Secret
    readonly store?: SessionStore
  }): Promise<Session>
  /** The session that an earlier login left in the store; `undefined` where there is none. It may turn out to be over. */
  resume(options: { readonly store: SessionStore }): Promise<Session | undefined>
}

/** Makes a client. Nothing is sent before it is needed. Throws `invalid_option`. */
export function oauthClient(options: OAuthClientOptions): OAuthClient {
  const { issuer, clientId, auth = noClientAuthentication, timeoutMs } = options
  if (!isIssuer(issuer)) {
    throw new ClientError(
      'invalid_option',
      'issuer must be an https URL (http on loopback) without query, fragment or user',
    )
  }
  if (!/^[\x20-\x7e]{1,2000}$/.test(clientId))
    throw new ClientError('invalid_option', 'clientId must be printable ASCII')
  const registration = createRegistration({ issuer, clientId, auth }, completeEnvironment(options), timeoutMs)
  const tokens = createClientCredentialsTokens(registration)

  return {
    fetch({ resource, scope, stepUp = false }) {
      const { fetch } = registration.environment
      if (!stepUp) return createResourceFetch(resource, tokens.keeper(resource, scope), fetch)
      const { keeper, demands } = tokens.widening(resource, scope)
      return createResourceFetch(resource, keeper, fetch, demands)
    },
    async accessToken({ resource, scope }) {
      return (await tokens.keeper(resource, scope).current()).token
    },
    revoke: (token) => revokeToken(registration, token),
    async login({ store = memoryStore(), ...login }) {
      const state = await logIn(registration, login)
      const text = formatSessionState(state)
      await replaceCell(store, text)
      return createSession(registration, store, state)
    },
    async deviceLogin({ store = memoryStore(), ...login }) {
      const state = await logInDevice(registration, login)
      await replaceCell(store, formatSessionState(state))
      return createSession(registration, store, state)
    },
    beginLogin: (login) => beginWebLogin(registration, login),
    async finishLogin({ query, pending, store = memoryStore() }) {
      const state = await finishWebLogin(registration, query, pending)
      await replaceCell(store, formatSessionState(state))
      return createSession(registration, store, state)
    },
    async resume({ store }) {
      const text = await store.read()
      return text === undefined
        ? undefined
        : createSession(registration, store, parseSessionState(text, issuer, clientId))
    },
  }
}

const swapLimit = 20

/** Writes over whatever is in the cell: a login is newer. Another process that renews can only come between so often. */
async function replaceCell(store: SessionStore, text: Secret): Promise<void> {
  for (let count = 0; count < swapLimit; count++) {
    if (await store.compareAndSwap(await store.read(), text)) return
  }
  throw new ClientError('store_refused', 'the store does not take the session: another process keeps changing it')
}
