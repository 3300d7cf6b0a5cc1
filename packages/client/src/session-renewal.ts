import { resourceKey, type Secret } from '@arctos/core'
import type { Registration } from './endpoint.ts'
import { OAuthError, SessionOver } from './errors.ts'
import { formatSessionState, parseSessionState, type SessionState } from './session-state.ts'
import type { SessionStore } from './session-store.ts'
import { type HeldToken, requestToken, type TokenAnswer } from './token-answer.ts'
import { isUsable } from './token-keeper.ts'

/**
 * The one place where a session changes. One change at a time in this process; between processes the store's compare-and-swap
 * decides, and the server answers the retry of a refresh token with the same successor.
 */
export interface SessionRenewal {
  /** A token for the resource other than the old one: from the store if another process was faster, else from the server. */
  renew(resource: string, old: HeldToken | undefined): Promise<HeldToken>
  /** Whether there is a refresh token to renew with. */
  canRenew(): boolean
  /** Marks the session as revoked after `revoke` succeeded; does nothing where it is over already. */
  end(revoke: (state: SessionState) => Promise<void>): Promise<void>
}

interface Kept {
  readonly text: Secret
  readonly state: SessionState
}

const swapLimit = 5

export function createSessionRenewal(
  registration: Registration,
  store: SessionStore,
  initial: SessionState,
): SessionRenewal {
  const { issuer, clientId, environment } = registration
  const exclusively = createQueue()
  let latest = initial
  // What the server answered and the store did not take. It is held on to, for the store's text is worth less and less.
  let unsaved: Kept | undefined

  const load = async (): Promise<Kept> => {
    if (unsaved !== undefined) return unsaved
    const text = await store.read()
    if (text === undefined) throw new SessionOver('the store does not hold the session any more')
    const state = parseSessionState(text, issuer, clientId)
    latest = state
    return { text, state }
  }

  const swap = async (expected: Secret, state: SessionState): Promise<boolean> => {
    latest = state
    try {
      const swapped = await store.compareAndSwap(expected, formatSessionState(state))
      unsaved = undefined
      return swapped
    } catch {
      if (unsaved === undefined) {
        process.emitWarning('the session could not be saved; it lives on in this process only', 'ArctosWarning')
      }
      unsaved = { text: expected, state }
      return true
    }
  }

  /** Changes what the store holds, again on top of what another process wrote meanwhile, as long as `change` has a say in it. */
  const update = async (from: Kept, change: (state: SessionState) => SessionState | undefined): Promise<void> => {
    let kept = from
    for (let count = 0; count < swapLimit; count++) {
      const next = change(kept.state)
      if (next === undefined || (await swap(kept.text, next))) return
      kept = await load()
    }
  }

  const keep = async (from: Kept, presented: Secret, answer: TokenAnswer, resource: string): Promise<void> => {
    const successor = answer.refreshToken ?? presented
    await update(from, (state) => {
      if (state.ended !== undefined) throw sessionOver(state)
      // Somebody is ahead of us, or logged in anew: their refresh token is the live one.
      if (!same(state.refreshToken, presented) && !same(state.refreshToken, successor)) return undefined
      const others = Object.entries(state.accessTokens).filter(([, held]) =>
        isUsable(held, environment.nowSeconds(), true),
      )
      const accessTokens = { ...Object.fromEntries(others), [resourceKey(resource)]: answer.accessToken }
      return { ...state, refreshToken: successor, accessTokens }
    })
  }

  const refuse = async (kept: Kept, refusal: OAuthError): Promise<SessionOver> => {
    await update(kept, (state) =>
      same(state.refreshToken, kept.state.refreshToken) ? { ...state, ended: 'invalid_grant' } : undefined,
    )
    return new SessionOver('the session is over: the server no longer takes its refresh token. Log in again', refusal)
  }

  const renew = async (resource: string, old: HeldToken | undefined, mayReread: boolean): Promise<HeldToken> => {
    const kept = await load()
    const { state } = kept
    if (state.ended !== undefined) throw sessionOver(state)
    const stored = state.accessTokens[resourceKey(resource)]
    if (stored && !same(stored.token, old?.token) && isUsable(stored, environment.nowSeconds(), true)) return stored
    if (state.refreshToken === undefined) {
      throw new SessionOver('the access token is over and there is no refresh token. Log in again, with offline_access')
    }
    try {
      const answer = await requestToken(registration, refreshRequest(state.refreshToken, resource, state))
      await keep(kept, state.refreshToken, answer, resource)
      return answer.accessToken
    } catch (error) {
      if (!(error instanceof OAuthError) || error.error !== 'invalid_grant') throw error
      // Another process may have moved the session on, so that it was only our copy of the token that was too old.
      const movedOn = mayReread && !same((await load()).state.refreshToken, state.refreshToken)
      if (movedOn) return await renew(resource, old, false)
      throw await refuse(kept, error)
    }
  }

  return {
    renew: (resource, old) => exclusively(() => renew(resource, old, true)),
    canRenew: () => latest.refreshToken !== undefined && latest.ended === undefined,
    end: (revoke) =>
      exclusively(async () => {
        const kept = await load()
        if (kept.state.ended !== undefined) return
        await revoke(kept.state)
        await update(kept, (state) => ({ ...state, refreshToken: undefined, accessTokens: {}, ended: 'revoked' }))
      }),
  }
}

function refreshRequest(refreshToken: Secret, resource: string, { scope }: SessionState) {
  return {
    // No scope: the new token may do what the old one could (RFC 6749 §6).
    parameters: { grant_type: 'refresh_token', refresh_token: refreshToken.reveal(), resource },
    secretParameters: ['refresh_token'],
    attempts: 'several',
    scope,
  } as const
}

function sessionOver({ ended }: SessionState): SessionOver {
  const why = ended === 'revoked' ? 'it was taken back' : 'the server no longer takes its refresh token'
  return new SessionOver(`the session is over: ${why}. Log in again`)
}

function same(left: Secret | undefined, right: Secret | undefined): boolean {
  return left?.reveal() === right?.reveal()
}

/** Runs tasks one after the other, in the order they were given. */
function createQueue(): <Result>(task: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve()
  return (task) => {
    const result = last.then(task, task)
    last = result.catch(() => undefined)
    return result
  }
}
