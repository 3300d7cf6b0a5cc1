import { createRecentCache, missingScopes, resourceKey } from '@arctos/core'
import { type AccessDemand, demandKey } from './challenges.ts'
import type { Registration } from './endpoint.ts'
import { type LoginOptions, logIn } from './login.ts'
import { askInTurn } from './login-turn.ts'
import type { SessionRenewal } from './session-renewal.ts'
import type { SessionState } from './session-state.ts'
import type { SessionStore } from './session-store.ts'
import type { HeldToken } from './token-answer.ts'

/** What the user has to be asked for, so that a call can go on. */
export interface StepUpRequest extends AccessDemand {
  readonly resource: string
  /** What the login will ask for: all that the session has, and what is missing. */
  readonly scope: readonly string[]
}

/** How the user can be reached for a login. */
export interface Interaction extends Pick<LoginOptions, 'openBrowser' | 'redirectUri' | 'timeoutMs' | 'signal'> {
  /** Where processes that share the session take turns, see {@link askInTurn}: then one of them asks, and the others wait. */
  readonly turn?: SessionStore
}

/**
 * Decides whether the user is to be disturbed now, and how. Without an interaction the resource's answer is handed to the caller,
 * whom {@link readChallenge} tells what it demands.
 */
export type StepUp = (request: StepUpRequest) => Interaction | undefined | Promise<Interaction | undefined>

/** What a fetch does about an answer that demands more than its token has. */
export interface DemandHandler {
  /** Taken before a request is sent: what was obtained since then may be what its answer demands. */
  ticket(): number
  /** Gets what is demanded. Returns whether the request can go out again, with the token that is then current. */
  meet(ticket: number, demand: AccessDemand, held: HeldToken): Promise<boolean>
  /** Tells what the resource said to the repeated request: the same demand again, or anything else. */
  settle(met: AccessDemand, next: AccessDemand | undefined): void
}

/** What the step-ups of one session share: one login at a time, whoever waits for it, and one count of those in vain. */
export interface StepUpDesk {
  handlerFor(resource: string, stepUp: StepUp): DemandHandler
}

interface Flight {
  readonly order: AccessDemand
  readonly done: Promise<boolean>
}

/** Logins in vain for one demand, after which the resource's answer is handed to the caller for a while. */
const vainLimit = 2
const vainSeconds = 600
const demandLimit = 100
const orderLimit = 20

/**
 * @param changed called once the store holds another session
 */
export function createStepUpDesk(
  registration: Registration,
  renewal: Pick<SessionRenewal, 'current' | 'replace'>,
  changed: () => void,
): StepUpDesk {
  const { nowSeconds } = registration.environment
  const inVain = createRecentCache<string, { readonly count: number; readonly since: number }>(demandLimit)
  let finished: { readonly number: number; readonly order: AccessDemand }[] = []
  let last = 0
  let flight: Flight | undefined

  const isInVain = (key: string): boolean => {
    const known = inVain.get(key)
    return known !== undefined && known.count >= vainLimit && nowSeconds() < known.since + vainSeconds
  }
  const count = (key: string): void => {
    const known = inVain.get(key)
    const before = known !== undefined && nowSeconds() < known.since + vainSeconds ? known.count : 0
    inVain.set(key, { count: before + 1, since: nowSeconds() })
  }

  /** Asks the user. Returns whether the session has what is demanded, as far as a client can tell. */
  const ask = async (resource: string, stepUp: StepUp, demand: AccessDemand, state: SessionState): Promise<boolean> => {
    const scope = unionOf(state, demand)
    const interaction = await stepUp({ ...demand, resource, scope })
    if (interaction === undefined) return false
    // It counts until the resource is content: a refusal of the user, and a new token that does not help, count alike.
    count(demandKey(resource, demand))
    const { turn, ...how } = interaction
    const { acrValues, maxAgeSeconds } = demand
    let next: SessionState | undefined
    const logInAndKeep = async (): Promise<void> => {
      next = await logIn(registration, {
        ...how,
        resource: [resource, ...others(state, resource)],
        ...(scope.length === 0 ? {} : { scope: scope.join(' ') }),
        acrValues,
        ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
      })
      await renewal.replace(next)
    }
    const { signal } = how
    if (turn === undefined) await logInAndKeep()
    else await askInTurn({ turn, ...(signal && { signal }), ask: logInAndKeep })
    changed()
    // Another process asked, for what it needs: if that is not all that is demanded here, the same demand comes again.
    if (next === undefined) return true
    last++
    finished = [...finished, { number: last, order: { ...demand, scope: next.scope } }].slice(-orderLimit)
    return missingScopes(demand.scope, next.scope).length === 0
  }

  const meet = async (
    resource: string,
    stepUp: StepUp,
    ticket: number,
    demand: AccessDemand,
    held: HeldToken,
  ): Promise<boolean> => {
    for (;;) {
      if (finished.some(({ number, order }) => number > ticket && covers(order, demand))) return true
      if (flight === undefined) break
      const { order, done } = flight
      if (covers(order, demand)) return await done
      await done.catch(() => false)
    }
    const key = demandKey(resource, demand)
    if (isInVain(key)) return false
    // What the token has and the resource still finds missing, no login brings.
    if (demand.reason === 'insufficient_scope' && missingScopes(demand.scope, held.scope).length === 0) return false
    // What our own logins gave meanwhile was looked at above.
    const done = decide(resource, stepUp, demand, last === ticket ? held : undefined)
    flight = { order: demand, done }
    try {
      return await done
    } finally {
      if (flight.done === done) flight = undefined
    }
  }

  /** @param held the refused token, where another one in the store can only be of another process */
  const decide = async (
    resource: string,
    stepUp: StepUp,
    demand: AccessDemand,
    held: HeldToken | undefined,
  ): Promise<boolean> => {
    const state = await renewal.current()
    const stored = state.accessTokens[resourceKey(resource)]
    const isOther = held !== undefined && stored !== undefined && stored.token.reveal() !== held.token.reveal()
    // Another process may have asked the user already; if that was not for this, the same demand comes again.
    if (isOther && missingScopes(demand.scope, stored.scope).length === 0) {
      changed()
      return true
    }
    return await ask(resource, stepUp, demand, state)
  }

  return {
    handlerFor: (resource, stepUp) => ({
      ticket: () => last,
      meet: (ticket, demand, held) => meet(resource, stepUp, ticket, demand, held),
      settle(met, next) {
        const key = demandKey(resource, met)
        if (next === undefined || demandKey(resource, next) !== key) inVain.set(key, { count: 0, since: 0 })
      },
    }),
  }
}

/** Whether a login for one demand brings all that another one asks for. */
function covers(order: AccessDemand, demand: AccessDemand): boolean {
  const { maxAgeSeconds, acrValues, scope } = demand
  const isYoung = maxAgeSeconds === undefined || (order.maxAgeSeconds ?? Number.POSITIVE_INFINITY) <= maxAgeSeconds
  const isStrong = acrValues.length === 0 || acrValues.join(' ') === order.acrValues.join(' ')
  return isYoung && isStrong && missingScopes(scope, order.scope).length === 0
}

/**
 * All that was asked for and granted before, and what is missing, or the user would lose what was granted, `offline_access` with
 * the refresh token too, which not every server lists among it.
 */
function unionOf({ scope, asked }: SessionState, demand: AccessDemand): readonly string[] {
  return [...new Set([...(asked?.scope ?? []), ...scope, ...demand.scope])]
}

function others({ asked, accessTokens }: SessionState, resource: string): readonly string[] {
  const known = asked?.resources ?? Object.keys(accessTokens)
  return known.filter((each) => resourceKey(each) !== resourceKey(resource))
}
