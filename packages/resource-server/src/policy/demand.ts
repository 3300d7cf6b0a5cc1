import type { AccessToken, Judge } from '@arctos/core'
import type { FeedDemand } from '../feed/rule.ts'

/** One thing that a policy asks of a token. @param now epoch seconds */
export type PolicyCheck = (access: AccessToken, judge: Judge, now: number) => void

/** What challenges tell the client to ask for. */
export interface ChallengeDemand {
  readonly scope: string | undefined
  /** Separated by spaces, the preferred one first (RFC 9470 §3). */
  readonly acrValues: string | undefined
  readonly maxAgeSeconds: number | undefined
}

/** A policy, read once. */
export interface Demand {
  readonly checks: readonly PolicyCheck[]
  readonly challenge: ChallengeDemand
  /** The issuer is asked about each token, now. */
  readonly fresh: boolean
  /** What it says about the revocation feed; `undefined` where that is left to the guard. */
  readonly revocations: FeedDemand | undefined
}

/** What policies are read against: the resource that they are for. */
export interface PolicyContext {
  readonly scopes: readonly string[]
  readonly audiences: readonly string[]
  readonly clockToleranceSeconds: number
  /** Whether the issuer can be asked about tokens. */
  readonly canAsk: boolean
  /** Whether a feed tells what was taken back. */
  readonly hasFeed: boolean
}

/** Puts every check of a policy to the judge, in order, and hands the access on. */
export function judgeDemand(demand: Demand, access: AccessToken, judge: Judge, now: number): AccessToken {
  for (const check of demand.checks) check(access, judge, now)
  return access
}
