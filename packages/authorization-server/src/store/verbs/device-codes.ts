import { defineVerb, first, run, type Verb } from '../transaction.ts'
import { type IssuedAccess, issueAccess, selectResources } from './access.ts'
import { type Allowance, lockAllowances, takeAllowances, tryAllowances } from './attempts.ts'
import { makeGrant, type NewFamily } from './codes.ts'
import { findDevice } from './devices.ts'
import { livePrincipals } from './grants.ts'
import { type Spending, spend } from './spent.ts'
import type { GrantPlaces } from './status-lists.ts'

/** RFC 10027 §6.1.2: as short as a person needs to find the page, sign in and type the code. */
export const deviceLifetimeSeconds = 600
/** RFC 8628 §3.2: how often a device may ask, and how much longer it waits each time it asked too early. */
export const pollIntervalSeconds = 5
/** Polls at the right pace may arrive a little closer together than they were sent. */
const jitterMs = 1_000
/** How long a code is remembered beyond its time, so that its device is told what became of it. */
const rememberSeconds = 3_600

export interface DeviceRequest {
  readonly deviceCodeHash: string
  readonly userCodeHash: string
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly resourceKeys: readonly string[]
  /** The address that the request came from, to be shown to the user. */
  readonly askedFrom: string
  /** How many requests this sender may make. */
  readonly allowances: readonly Allowance[]
  readonly assertion: Spending | undefined
}

export type StartDeviceOutcome =
  | { readonly outcome: 'started' | 'assertion_replayed' }
  /** Another device has this user code: the caller draws again. */
  | { readonly outcome: 'user_code_taken' }
  | { readonly outcome: 'limited'; readonly retryAfterSeconds: number }

/** A device asks for access. RFC 8628 §3.1, RFC 8628 §3.2 */
export const startDevice = defineVerb({
  kind: 'change',
  *run(transaction, request: DeviceRequest): Verb<StartDeviceOutcome> {
    // Before the assertion is spent: the caller comes again with the same one.
    const taken = yield* first('SELECT 1 AS taken FROM device_codes WHERE user_code_hash = $1', request.userCodeHash)
    if (taken !== undefined) return { outcome: 'user_code_taken' }
    if (!(yield* spend(transaction, request.assertion))) return { outcome: 'assertion_replayed' }
    const tried = yield* tryAllowances(transaction, request.allowances)
    if (tried.outcome === 'limited') return { outcome: 'limited', retryAfterSeconds: tried.retryAfterSeconds }
    yield* takeAllowances(tried.charges)
    const expiresAt = transaction.now + deviceLifetimeSeconds
    yield* run(
      `INSERT INTO device_codes (hash, user_code_hash, client_id, scope, resources, asked_from, issued_at, expires_at, interval_seconds, keep_until)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      request.deviceCodeHash,
      request.userCodeHash,
      request.clientId,
      request.scopes.join(' '),
      request.resourceKeys.join(' '),
      request.askedFrom,
      transaction.now,
      expiresAt,
      pollIntervalSeconds,
      expiresAt + rememberSeconds,
    )
    return { outcome: 'started' }
  },
  locks: ({ allowances }) => lockAllowances(allowances),
})

export interface DevicePoll {
  readonly deviceCodeHash: string
  readonly clientId: string
  readonly assertion: Spending | undefined
}

/** Why a device gets no tokens now, or never. */
export type DeviceRefused =
  | {
      readonly outcome:
        | 'assertion_replayed'
        | 'unknown'
        | 'foreign'
        | 'denied'
        | 'spent'
        | 'principal_disabled'
        | 'resource_exceeds_grant'
    }
  | { readonly outcome: 'pending' | 'slow_down'; readonly intervalSeconds: number }
  | { readonly outcome: 'expired'; readonly expiredAt: number }

/** To be redeemed now, by {@link redeemDevice}. */
export interface DeviceApproved {
  readonly outcome: 'approved'
  readonly userId: string
}

export type PollDeviceOutcome = DeviceApproved | DeviceRefused

/**
 * What became of a device's request. Issues nothing: tokens need the rows of the user for themselves, and who that is stands here.
 * Whoever waits and asks too early has to wait longer each time. RFC 8628 §3.5
 */
export const pollDevice = defineVerb({
  kind: 'change',
  *run(transaction, { deviceCodeHash, clientId, assertion }: DevicePoll): Verb<PollDeviceOutcome> {
    if (!(yield* spend(transaction, assertion))) return { outcome: 'assertion_replayed' }
    const device = yield* findDevice('hash', deviceCodeHash)
    if (device === undefined) return { outcome: 'unknown' }
    if (device.clientId !== clientId) return { outcome: 'foreign' }
    if (device.spentAt !== undefined) return { outcome: 'spent' }
    if (device.expiresAt <= transaction.now) return { outcome: 'expired', expiredAt: device.expiresAt }
    if (device.decision === 'denied') return { outcome: 'denied' }
    if (device.decision === 'approved') return { outcome: 'approved', userId: device.userId ?? '' }
    const { polledMs } = device
    const isEarly = polledMs !== undefined && transaction.nowMs - polledMs < device.intervalSeconds * 1_000 - jitterMs
    const intervalSeconds = device.intervalSeconds + (isEarly ? pollIntervalSeconds : 0)
    yield* run(
      'UPDATE device_codes SET polled_ms = $1, interval_seconds = $2 WHERE hash = $3',
      transaction.nowMs,
      intervalSeconds,
      deviceCodeHash,
    )
    return { outcome: isEarly ? 'slow_down' : 'pending', intervalSeconds }
  },
  locks: ({ deviceCodeHash }) => [{ table: 'device_codes', key: deviceCodeHash, mode: 'update' }],
})

export interface DeviceExchange {
  readonly deviceCodeHash: string
  readonly clientId: string
  /** Who approved it. */
  readonly userId: string
  /** Resources asked for; empty: all that were approved. */
  readonly resourceKeys: readonly string[]
  /** How long a refresh token may rest, and live at all. */
  readonly idleSeconds: number
  readonly absoluteSeconds: number
  readonly places?: GrantPlaces | undefined
}

export interface DeviceRedeemed {
  readonly outcome: 'redeemed'
  readonly access: IssuedAccess
  readonly grantId: string
  readonly scopes: readonly string[]
  readonly family: NewFamily | undefined
}

export type RedeemDeviceOutcome = DeviceRedeemed | DeviceRefused

/** Redeems an approved device code, once: of twenty polls at the moment of approval one gets the tokens. RFC 8628 §3.5 */
export const redeemDevice = defineVerb({
  kind: 'change',
  *run(transaction, exchange: DeviceExchange): Verb<RedeemDeviceOutcome> {
    const { deviceCodeHash, clientId, userId } = exchange
    const device = yield* findDevice('hash', deviceCodeHash)
    const isTheirs = device?.clientId === clientId && device.userId === userId && device.decision === 'approved'
    if (!isTheirs) return { outcome: 'unknown' }
    if (device.spentAt !== undefined) return { outcome: 'spent' }
    if (device.expiresAt <= transaction.now) return { outcome: 'expired', expiredAt: device.expiresAt }
    const asked = exchange.resourceKeys.length === 0 ? device.resourceKeys : exchange.resourceKeys
    const resources = yield* selectResources(asked, device.resourceKeys)
    if (resources === undefined) return { outcome: 'resource_exceeds_grant' }
    const principals = yield* livePrincipals(transaction, clientId, userId, device.decidedAt ?? 0)
    if (principals === undefined) return { outcome: 'principal_disabled' }

    const { scopes, resourceKeys, authenticatedAt = 0, acr } = device
    const agreed = { clientId, userId, scopes, resourceKeys, authenticatedAt, acr }
    const { grantId, family, status } = yield* makeGrant(transaction, agreed, exchange, principals.notBefore)
    yield* run(
      'UPDATE device_codes SET spent_at = $1, grant_id = $2 WHERE hash = $3',
      transaction.now,
      grantId,
      deviceCodeHash,
    )
    const access = yield* issueAccess(transaction, {
      clientId,
      subject: userId,
      grantId,
      authenticatedAt,
      acr,
      status,
      resources,
      scopes,
      notBefore: principals.notBefore,
    })
    return { outcome: 'redeemed', access, grantId, scopes, family }
  },
  locks: ({ deviceCodeHash, clientId, userId }) => [
    { table: 'issuer_state', key: '1', mode: 'share' },
    { table: 'clients', key: clientId, mode: 'share' },
    { table: 'users', key: userId, mode: 'share' },
    { table: 'device_codes', key: deviceCodeHash, mode: 'update' },
  ],
})
