// What the clients of the crash run were told, and so hold the server to.
import type { Format, MintedCode } from './crash-store.ts'
import type { CrashClient } from './crash-wire.ts'

/** One session as its client knows it. */
export interface Session {
  readonly client: CrashClient
  readonly format: Format
  readonly grantId: string
  /** Refresh tokens that were acknowledged, oldest first; the last one is the client's own. */
  readonly refresh: string[]
  /** Access tokens that were acknowledged and not revoked. */
  readonly access: string[]
  /** Access tokens whose revocation was acknowledged. */
  readonly revokedAccess: string[]
  /** `in doubt`: its revocation was asked for and never answered. */
  state: 'live' | 'in doubt' | 'ended'
  /** A request that changes it is under way. */
  isBusy: boolean
}

/** What happened in one run of the server, up to its death. */
export interface Ledger {
  readonly sessions: Session[]
  /** Codes that were sent, without an answer. */
  readonly codesInDoubt: MintedCode[]
  /** Codes that gave tokens, with the session. */
  readonly redeemed: { readonly code: MintedCode; readonly session: Session }[]
  readonly counts: Counts
  /** Broken promises, one sentence each. */
  readonly violations: string[]
}

export interface Counts {
  refreshes: number
  redemptions: number
  revocations: number
  /** Requests that the kill cut off. */
  cut: number
  /** Answers of 503 before the kill. */
  unavailable: number
}

export function openLedger(sessions: readonly Session[]): Ledger {
  for (const session of sessions) session.isBusy = false
  return {
    sessions: [...sessions],
    codesInDoubt: [],
    redeemed: [],
    counts: { refreshes: 0, redemptions: 0, revocations: 0, cut: 0, unavailable: 0 },
    violations: [],
  }
}

/** The member of an answer; empty where there is none. */
export function textOf(body: Readonly<Record<string, unknown>>, name: string): string {
  const value = body[name]
  return typeof value === 'string' ? value : ''
}
