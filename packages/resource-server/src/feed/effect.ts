import { type JsonObject, readNumber, readString, type SecurityEvent } from '@arctos/core'
import type { Revocation } from '../verification/revocation-state.ts'
import type { EventOrder } from './order.ts'
import { type NoTarget, readSubject, type SubjectContext, type Target } from './subject.ts'

const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/'

/** The types of events that are understood, by URI. */
export const eventTypes = {
  sessionRevoked: `${caep}session-revoked`,
  credentialChange: `${caep}credential-change`,
  tokenClaimsChange: `${caep}token-claims-change`,
  keyWithdrawn: 'urn:arctos:event-type:key-withdrawn',
  verification: `${ssf}verification`,
  streamUpdated: `${ssf}stream-updated`,
} as const

/** What an event does at a guard. */
export type Effect =
  | { readonly kind: 'revoke'; readonly entry: Revocation; readonly widened: boolean }
  | { readonly kind: 'key'; readonly kid: string }
  | {
      readonly kind: 'verification'
      readonly state: string | undefined
      /** Where the log stood, all of which was delivered before; from an Arctos that pushes. */
      readonly log: { readonly epoch: number; readonly head: number } | undefined
    }
  | { readonly kind: 'stream'; readonly status: string | undefined }
  /** Nothing, and why. */
  | { readonly kind: 'none'; readonly why: NoEffect }

export type NoEffect = NoTarget['why'] | 'event_type' | 'event_members' | 'event_future' | 'told_only'

export interface EffectContext extends SubjectContext {
  /** Epoch seconds. */
  readonly now: number
  readonly longestTokenLifeSeconds: number
}

/** Says what an event does, in the terms of PROTOCOL §7. Control events of the stream itself have it as their subject. */
export function effectOf(event: SecurityEvent, context: EffectContext): Effect {
  const { type, members } = event
  if (type === eventTypes.verification) {
    const [epoch, head] = [readNumber(members, 'epoch'), readNumber(members, 'head')]
    const log = epoch === undefined || head === undefined ? undefined : { epoch, head }
    return { kind: 'verification', state: readString(members, 'state'), log }
  }
  if (type === eventTypes.streamUpdated) return { kind: 'stream', status: readString(members, 'status') }
  // What it changes for tokens comes as an event of its own.
  if (type === eventTypes.credentialChange) return none('told_only')
  const isKey = type === eventTypes.keyWithdrawn
  if (!isKey && type !== eventTypes.sessionRevoked && type !== eventTypes.tokenClaimsChange) return none('event_type')
  const { target, widened } = readSubject(event.subject, context)
  if ('why' in target) return none(target.why)
  if (isKey) {
    const kid = readString(members, 'kid')
    return target.kind === 'all' && kid !== undefined ? { kind: 'key', kid } : none('event_members')
  }
  const entry = entryOf(target, event, context)
  return typeof entry === 'string'
    ? none(entry)
    : { kind: 'revoke', entry: { issuer: context.issuer, ...entry }, widened }
}

/**
 * How far ahead of our clock a cut-off may be, in seconds. Those of an Arctos run some seconds ahead of its own, and whoever ignored
 * one would never hear of it again; milliseconds by mistake are much farther.
 */
const cutOffAheadSeconds = 60

type Entry = Revocation extends infer Each ? (Each extends Revocation ? Omit<Each, 'issuer'> : never) : never

function entryOf(target: Target, { type, members, issuedAt }: SecurityEvent, context: EffectContext): Entry | NoEffect {
  const { now, longestTokenLifeSeconds } = context
  const isClaims = type === eventTypes.tokenClaimsChange
  if (target.kind === 'token') {
    // No token lives longer than that, so a later end would only keep the entry.
    const expiresAt = Math.min(readNumber(members, 'exp') ?? Number.POSITIVE_INFINITY, now + longestTokenLifeSeconds)
    return { ...target, expiresAt }
  }
  if (target.kind === 'grant' && !isClaims) return target
  const issuedBefore = cutOffOf(members, issuedAt)
  if (issuedBefore === undefined) return 'event_members'
  return issuedBefore > now + cutOffAheadSeconds ? 'event_future' : { ...target, issuedBefore }
}

/**
 * The rule is `iat_lt` where the transmitter says it; else the second after the event, for a token of the very second may be from
 * before it.
 */
function cutOffOf(members: JsonObject, issuedAt: number): number | undefined {
  const exact = members['iat_lt']
  if (exact !== undefined) return typeof exact === 'number' && exact >= 0 ? exact : undefined
  const { event_timestamp: happenedAt = issuedAt } = members
  return typeof happenedAt === 'number' && happenedAt >= 0 ? Math.floor(happenedAt) + 1 : undefined
}

/** The place of an event in the order of a transmitter that numbers them. */
export function orderOf({ members }: SecurityEvent): EventOrder | undefined {
  const [epoch, seq, prev] = ['epoch', 'seq', 'prev'].map((name) => readNumber(members, name))
  if (epoch === undefined || seq === undefined || prev === undefined) return undefined
  return [epoch, seq, prev].every((each) => Number.isSafeInteger(each) && each >= 0) ? { epoch, seq, prev } : undefined
}

function none(why: NoEffect): Effect {
  return { kind: 'none', why }
}
