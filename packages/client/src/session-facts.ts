import { ClientError } from './errors.ts'
import { formatSessionState, parseSessionState, type SessionState } from './session-state.ts'
import type { SessionStore } from './session-store.ts'
import { renewalTime } from './token-keeper.ts'

/** Whose session it is. */
export interface SessionOwner {
  readonly issuer: string
  readonly clientId: string
}

/** What can be told of a session without its tokens. */
export interface SessionFacts extends SessionOwner {
  /** What the user granted. */
  readonly scope: readonly string[]
  /** Why it is over, `undefined` while it is not: by the server (`invalid_grant`), or because somebody logged out (`revoked`). */
  readonly ended: 'invalid_grant' | 'revoked' | undefined
  /** Whether there is a refresh token, with which it outlives its access tokens. */
  readonly renewable: boolean
  readonly tokens: readonly TokenFacts[]
}

/** One access token of a session; times in epoch seconds, `undefined` where the server did not say how long it lives. */
export interface TokenFacts {
  readonly resource: string
  readonly scope: readonly string[]
  readonly obtainedAt: number
  readonly expiresAt: number | undefined
  /** From about when on the next call gets a new one. */
  readonly renewsAt: number | undefined
}

/**
 * What a store holds, for whoever wants to show it; `undefined` where there is no session. Nothing is sent. Throws
 * `store_refused` for what is damaged or another client's, and what the store throws.
 */
export async function describeSession(store: SessionStore, owner: SessionOwner): Promise<SessionFacts | undefined> {
  const text = await store.read()
  return text === undefined ? undefined : factsOf(parseSessionState(text, owner.issuer, owner.clientId))
}

function factsOf({ issuer, clientId, scope, refreshToken, accessTokens, ended }: SessionState): SessionFacts {
  const tokens = Object.entries(accessTokens).map(([resource, held]) => ({
    resource,
    scope: held.scope,
    obtainedAt: held.obtainedAt,
    expiresAt: held.expiresAt,
    renewsAt: refreshToken === undefined || held.expiresAt === undefined ? undefined : renewalTime(held, 0.5),
  }))
  return { issuer, clientId, scope, ended, renewable: refreshToken !== undefined, tokens }
}

const swapLimit = 20

/**
 * Ends a session in the store alone, for when the server cannot be told: its tokens are forgotten, and it is marked as over for
 * every process. The server still honours them until they end, so `session.revoke` comes first. Returns whether there was one.
 */
export async function endSessionHere(store: SessionStore, owner: SessionOwner): Promise<boolean> {
  for (let count = 0; count < swapLimit; count++) {
    const text = await store.read()
    if (text === undefined) return false
    const state = parseSessionState(text, owner.issuer, owner.clientId)
    if (state.ended !== undefined) return false
    const { renewal: _renewal, ...rest } = state
    const over = { ...rest, refreshToken: undefined, accessTokens: {}, ended: 'revoked' } as const
    if (await store.compareAndSwap(text, formatSessionState(over))) return true
  }
  throw new ClientError('store_refused', 'the session cannot be ended: another process keeps changing it')
}
