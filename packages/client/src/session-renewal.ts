import { encodeBase64url, resourceKey, type Secret } from '@arctos/core'
import type { Registration } from './endpoint.ts'
import { OAuthError, SessionOver, Unavailable } from './errors.ts'
import { type Lease, LeaseLost, underLease } from './session-lease.ts'
import { formatSessionState, parseSessionState, type SessionState } from './session-state.ts'
import type { SessionStore } from './session-store.ts'
import { type HeldToken, requestToken, type TokenAnswer } from './token-answer.ts'
import { isUsable } from './token-keeper.ts'

/**
 * The one place where a session changes. One change at a time in this process, one process at a time by the store's lease; what a
 * lease cannot promise (processes stand still, and wake up) the store's compare-and-swap decides, and the server answers the
 * retry of a refresh token with the same successor. Nothing is deleted when something fails.
 */
export interface SessionRenewal {
  /** A token for the resource other than the old one: from the store if another process was faster, else from the server. */
  renew(resource: string, old: HeldToken | undefined): Promise<HeldToken>
  /** Whether there is a refresh token to renew with. */
  canRenew(): boolean
  /** The scope of the session, and its access token for a resource, as this process last saw them. */
  scope(): readonly string[]
  heldFor(resource: string): HeldToken | undefined
  /** What the store holds now. */
  current(): Promise<SessionState>
  /** Puts what a new login gave in the place of whatever the store holds. */
  replace(state: SessionState): Promise<void>
  /** Marks the session as revoked after `revoke` succeeded; does nothing where it is over already. */
  end(revoke: (state: SessionState) => Promise<void>): Promise<void>
}

interface Kept {
  readonly text: Secret
  readonly state: SessionState
}

const swapLimit = 5
const saveAttempts = 3
const leaseLimit = 5

export function createSessionRenewal(
  registration: Registration,
  store: SessionStore,
  initial: SessionState,
): SessionRenewal {
  const { issuer, clientId, environment } = registration
  const exclusively = createQueue()
  // What is written under this name was written by us, and nobody else's lease is ever touched by it.
  const owner = encodeBase64url(environment.random(12))
  let latest = initial
  // What the server answered and the store did not take. It is held on to, for the store's text is worth less and less.
  let unsaved: Kept | undefined

  const load = async (): Promise<Kept> => {
    if (unsaved !== undefined && (await save(unsaved)) === 'failed') return unsaved
    const text = await store.read()
    if (text === undefined) throw new SessionOver('the store does not hold the session any more')
    const state = parseSessionState(text, issuer, clientId)
    latest = state
    return { text, state }
  }

  /** Puts a state in the place of the text that it came of. */
  const save = async ({ text, state }: Kept): Promise<'saved' | 'changed' | 'failed'> => {
    latest = state
    for (let count = 1; ; count++) {
      try {
        const saved = await store.compareAndSwap(text, formatSessionState(state))
        unsaved = undefined
        return saved ? 'saved' : 'changed'
      } catch {
        if (unsaved === undefined && count < saveAttempts) {
          await environment.wait(100 * 2 ** count)
          continue
        }
        if (unsaved === undefined) {
          process.emitWarning('the session could not be saved; it lives on in this process only', 'ArctosWarning')
        }
        unsaved = { text, state }
        return 'failed'
      }
    }
  }

  /** Changes what the store holds, again on top of what another process wrote meanwhile, as long as `change` has a say in it. */
  const update = async (from: Kept, change: (state: SessionState) => SessionState | undefined): Promise<void> => {
    let kept = from
    for (let count = 0; count < swapLimit; count++) {
      const state = change(kept.state)
      if (state === undefined || (await save({ text: kept.text, state })) !== 'changed') return
      kept = await load()
    }
  }

  /** A login is newer than whatever there is, also than nothing. */
  const putInPlace = async (state: SessionState): Promise<void> => {
    for (let count = 0; count < swapLimit; count++) {
      const text = unsaved?.text ?? (await store.read())
      if (text !== undefined) {
        if ((await save({ text, state })) !== 'changed') return
        continue
      }
      latest = state
      if (await store.compareAndSwap(undefined, formatSessionState(state))) return
    }
    throw new Unavailable('other processes keep changing the session')
  }

  /**
   * Notes in the store that the refresh token is about to be sent. It is what tells after a crash that an answer may have been
   * lost, it bears our name, and it proves that the answer can be stored: a token is not spent where that cannot be.
   */
  const announce = async ({ text, state }: Kept): Promise<Kept> => {
    // The store lags behind already, and does not take anything: to stop now would only lose what we have.
    if (unsaved !== undefined) return unsaved
    const announced = { ...state, renewal: { owner, since: environment.nowSeconds() } }
    const next = formatSessionState(announced)
    if (!(await store.compareAndSwap(text, next))) throw new LeaseLost('the session was changed by another process')
    return { text: next, state: announced }
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
      return { ...state, refreshToken: successor, accessTokens, renewal: undefined }
    })
  }

  const refuse = async (kept: Kept, refusal: OAuthError, wasInterrupted: boolean): Promise<SessionOver> => {
    await update(kept, (state) =>
      same(state.refreshToken, kept.state.refreshToken) ? { ...state, ended: 'invalid_grant' } : undefined,
    )
    const why = wasInterrupted ? ', after a renewal that was interrupted and came too late to be repeated' : ''
    return new SessionOver(
      `the session is over: the server no longer takes its refresh token${why}. Log in again`,
      refusal,
    )
  }

  /** A good token that another process stored. */
  const find = ({ state }: Kept, resource: string, old: HeldToken | undefined): HeldToken | undefined => {
    if (state.ended !== undefined) throw sessionOver(state)
    const stored = state.accessTokens[resourceKey(resource)]
    const isGood = stored && !same(stored.token, old?.token) && isUsable(stored, environment.nowSeconds(), true)
    return isGood ? stored : undefined
  }

  /** Under the lease: reads again, announces, sends, stores. */
  const renewAsHolder = async (
    resource: string,
    old: HeldToken | undefined,
    lease: Lease,
    mayReread: boolean,
  ): Promise<HeldToken> => {
    const kept = await load()
    const found = find(kept, resource, old)
    if (found !== undefined) return found
    const { refreshToken, renewal } = kept.state
    if (refreshToken === undefined) {
      throw new SessionOver('the access token is over and there is no refresh token. Log in again, with offline_access')
    }
    const announced = await announce(kept)
    const beforeEach = async (): Promise<void> => {
      if (unsaved !== undefined) return
      // Between an attempt and the next one, or while everything stood still, others may have gone on without us.
      await lease.confirm()
      if (!same(await store.read(), announced.text)) throw new LeaseLost('the session was changed by another process')
    }
    try {
      const answer = await requestToken(registration, {
        ...refreshRequest(refreshToken, resource, announced.state),
        beforeEach,
      })
      await keep(announced, refreshToken, answer, resource)
      return answer.accessToken
    } catch (error) {
      if (!(error instanceof OAuthError) || error.error !== 'invalid_grant') throw error
      // Another process may have moved the session on, so that it was only our copy of the token that was too old.
      const movedOn = mayReread && !same((await load()).state.refreshToken, refreshToken)
      if (movedOn) return await renewAsHolder(resource, old, lease, false)
      throw await refuse(announced, error, renewal !== undefined)
    }
  }

  /** Looks again after another process came between, which only one that stood still ever sees. */
  const asHolder = async <Result>(
    task: (lease: Lease) => Promise<Result>,
    meanwhile: () => Promise<Result | undefined>,
  ): Promise<Result> => {
    for (let count = 1; ; count++) {
      try {
        return await underLease(store, owner, task, meanwhile)
      } catch (error) {
        if (!(error instanceof LeaseLost)) throw error
        if (count === leaseLimit) throw new Unavailable('other processes keep changing the session')
      }
    }
  }

  return {
    renew: (resource, old) =>
      exclusively(() =>
        asHolder(
          (lease) => renewAsHolder(resource, old, lease, true),
          async () => find(await load(), resource, old),
        ),
      ),
    canRenew: () => latest.refreshToken !== undefined && latest.ended === undefined,
    scope: () => latest.scope,
    heldFor: (resource) => (latest.ended === undefined ? latest.accessTokens[resourceKey(resource)] : undefined),
    current: () => exclusively(async () => (await load()).state),
    replace: (state) =>
      exclusively(() =>
        asHolder(
          () => putInPlace(state),
          async () => undefined,
        ),
      ),
    end: (revoke) =>
      exclusively(() =>
        asHolder(
          async () => {
            const kept = await load()
            if (kept.state.ended !== undefined) return
            await revoke(kept.state)
            await update(kept, revoked)
          },
          async () => undefined,
        ),
      ),
  }
}

function revoked(state: SessionState): SessionState {
  return { ...state, refreshToken: undefined, accessTokens: {}, renewal: undefined, ended: 'revoked' }
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
