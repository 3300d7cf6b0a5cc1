import { record } from '../audit-record.ts'
import { defineVerb, run, type Verb } from '../transaction.ts'
import { type Allowance, lockAllowances, takeAllowances, tryAllowances } from './attempts.ts'
import { type Device, findDevice, isWaiting } from './devices.ts'
import { livePrincipals } from './grants.ts'

/** A device that waits for its user, and for how long it has. */
export interface WaitingDevice extends Device {
  readonly ageSeconds: number
}

export type EnterUserCodeOutcome =
  | { readonly outcome: 'found'; readonly device: WaitingDevice }
  /** Nobody's, expired, decided or spent: for whoever tries codes it is all the same. */
  | { readonly outcome: 'unknown' }
  | { readonly outcome: 'limited'; readonly retryAfterSeconds: number; readonly limitedBy: string }

/**
 * Looks for the device whose code a user typed. Wrong ones are counted in this very transaction, so that a hundred guesses at once
 * count as a hundred; right ones are not, and nobody whose allowance is used up learns whether his was. RFC 8628 §5.1
 */
export const enterUserCode = defineVerb({
  kind: 'change',
  *run(
    transaction,
    { userCodeHash, allowances }: { readonly userCodeHash: string; readonly allowances: readonly Allowance[] },
  ): Verb<EnterUserCodeOutcome> {
    const tried = yield* tryAllowances(transaction, allowances)
    if (tried.outcome === 'limited') return tried
    const device = yield* findDevice('user_code_hash', userCodeHash)
    if (device === undefined || !isWaiting(transaction, device)) {
      yield* takeAllowances(tried.charges)
      return { outcome: 'unknown' }
    }
    return { outcome: 'found', device: { ...device, ageSeconds: transaction.now - device.issuedAt } }
  },
  locks: ({ allowances }) => lockAllowances(allowances),
})

export interface DeviceDecision {
  readonly deviceCodeHash: string
  readonly clientId: string
  readonly userId: string
  readonly authenticatedAt: number
  /** The class of the sign-in. */
  readonly acr?: string | undefined
  readonly approved: boolean
}

export type DecideDeviceOutcome = {
  readonly outcome: 'approved' | 'denied' | 'not_waiting' | 'principal_disabled'
}

/** The user's answer: the first one counts, and only while the code lives. RFC 8628 §3.3 */
export const decideDevice = defineVerb({
  kind: 'change',
  *run(transaction, decision: DeviceDecision): Verb<DecideDeviceOutcome> {
    const { deviceCodeHash, clientId, userId, authenticatedAt, approved } = decision
    const device = yield* findDevice('hash', deviceCodeHash)
    if (device === undefined || device.clientId !== clientId || !isWaiting(transaction, device))
      return { outcome: 'not_waiting' }
    const principals = yield* livePrincipals(transaction, clientId, userId, Number.MAX_SAFE_INTEGER)
    // A sign-in that a new password has ended since the page was shown approves nothing any more.
    const isSignedIn = principals !== undefined && authenticatedAt >= principals.signInNotBefore
    if (approved && !isSignedIn) return { outcome: 'principal_disabled' }
    const outcome = approved ? 'approved' : 'denied'
    yield* run(
      `UPDATE device_codes SET decision = $1, user_id = $2, authenticated_at = $3, decided_at = $4, acr = $5
       WHERE hash = $6 AND decision IS NULL`,
      outcome,
      userId,
      authenticatedAt,
      Math.max(transaction.now, principals?.notBefore ?? 0),
      decision.acr ?? null,
      deviceCodeHash,
    )
    const facts = { client: clientId, scope: device.scopes.join(' ').slice(0, 500), from: device.askedFrom }
    yield* record(transaction, `device.${outcome}`, userId, facts)
    return { outcome }
  },
  locks: ({ deviceCodeHash, clientId, userId }) => [
    { table: 'issuer_state', key: '1', mode: 'share' },
    { table: 'clients', key: clientId, mode: 'share' },
    { table: 'users', key: userId, mode: 'share' },
    { table: 'device_codes', key: deviceCodeHash, mode: 'update' },
  ],
})
