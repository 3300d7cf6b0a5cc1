import { ClientError, describeSession, type SessionFacts } from '@arctos/client'
import { iso } from '../terminal.ts'
import type { ProfilePlace } from './places.ts'
import { type Profile, readProfile } from './profiles.ts'
import { hasSessionStore, openSessionStore } from './stores.ts'

/** A profile and what becomes of its session, without any token. Times in epoch seconds. */
export interface SessionStatus {
  readonly name: string
  readonly state: 'active' | 'over' | 'none' | 'unreadable'
  /** For people: when it renews, or why it is over. */
  readonly remark: string
  readonly issuer: string
  readonly clientId: string
  readonly resources: readonly string[]
  readonly scope: readonly string[]
  readonly renewsAt: number | undefined
  readonly expiresAt: number | undefined
  /** Where it is kept, for people. */
  readonly store: string | undefined
}

/** The status of a profile, from this machine alone. */
export async function statusOf(place: ProfilePlace, profile: Profile, now: number): Promise<SessionStatus> {
  const { issuer, clientId, resources } = profile
  const common = { name: place.name, issuer, clientId, resources }
  const nothing = { scope: [], renewsAt: undefined, expiresAt: undefined, store: undefined }
  if (!hasSessionStore(place)) return { ...common, ...nothing, state: 'none', remark: 'nobody is logged in' }
  try {
    const store = await openSessionStore(place)
    const facts = await describeSession(store, profile)
    if (facts === undefined)
      return { ...common, ...nothing, store: store.describe(), state: 'none', remark: 'nobody is logged in' }
    const newest = facts.tokens.find(({ resource }) => resource === resources[0]) ?? facts.tokens[0]
    const { renewsAt, expiresAt } = newest ?? nothing
    return { ...common, scope: facts.scope, renewsAt, expiresAt, store: store.describe(), ...judge(facts, now) }
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    return { ...common, ...nothing, state: 'unreadable', remark: error.message }
  }
}

/** The same for a profile by its place; `undefined` where nobody ever logged in under that name. */
export async function readStatus(place: ProfilePlace): Promise<SessionStatus | undefined> {
  const profile = readProfile(place)
  return profile && (await statusOf(place, profile, Date.now() / 1_000))
}

function judge(facts: SessionFacts, now: number): Pick<SessionStatus, 'state' | 'remark'> {
  const { ended, renewable, tokens } = facts
  if (ended === 'revoked') return { state: 'over', remark: 'logged out' }
  if (ended === 'invalid_grant') return { state: 'over', remark: 'the server no longer takes its refresh token' }
  const [token] = tokens
  if (renewable) {
    const isDue = token?.renewsAt === undefined || token.renewsAt <= now
    return { state: 'active', remark: isDue ? 'renews at the next call' : `renews ${iso(Math.floor(token.renewsAt))}` }
  }
  if (token?.expiresAt === undefined) return { state: 'active', remark: 'cannot be renewed' }
  if (token.expiresAt <= now) return { state: 'over', remark: 'its token ended, and there was none to renew it with' }
  return { state: 'active', remark: `ends ${iso(Math.floor(token.expiresAt))}, cannot be renewed` }
}
