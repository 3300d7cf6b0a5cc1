import type { AccessToken, Judge } from '@arctos/core'
import type { NameHash } from './name-hash.ts'
import {
  type EntryMatch,
  enter,
  type IssuerEntries,
  makeEntries,
  matchOf,
  nameIn,
  type Revocation,
  tablesOf,
} from './revocation-entries.ts'
import type { RevocationTable } from './revocation-table.ts'

export type { Revocation } from './revocation-entries.ts'

/** The ended tokens, grants and cut-offs that a guard knows of. */
export interface RevocationState {
  /** Grows with every change: what was found good at this number still is, as long as the number stands. */
  readonly seq: number
  /** Throws a TypeError for an entry that could not be meant. What is known already changes nothing. @param now epoch seconds */
  add(entry: Revocation, now: number): void
  /** Whether nothing ends this token. */
  isGood(access: AccessToken): boolean
  /** Tells the judge. */
  judge(access: AccessToken, judge: Judge): void
  /** Forgets some of what is over, as every `add` does, too; for whoever comes by every few seconds. @param now epoch seconds */
  sweep(now: number): void
  /** What `also` goes by has changed. */
  touch(): void
  /** How many entries are held. */
  readonly size: number
  /** How much memory they take. */
  readonly bytes: number
}

export interface RevocationStateOptions {
  /** Whose tokens an entry without an issuer is about; `undefined` where there are several issuers. */
  readonly onlyIssuer: string | undefined
  /** No token lives longer, so that an entry of that age has nothing left to end. */
  readonly longestTokenLifeSeconds: number
  readonly clockToleranceSeconds: number
  /** Called after every change. */
  readonly onChange?: () => void
  /** What else may end a token that no entry ends: the word of a status list. */
  readonly also?: (access: AccessToken) => 'its status' | undefined
  /** In place of the hash of this process. */
  readonly hash?: NameHash
}

type Match = EntryMatch | 'its status' | 'longer life than longestTokenLifeSeconds'

/** How often everything is looked through for what is over. */
const sweepSeconds = 60
/** How much of it at once, and how long a pause at least follows: a segment at a time, a few milliseconds of work. */
const sweepSlots = 2 ** 15
const sweepPauseSeconds = 0.01

/**
 * Small by construction: one slot for each token, grant or principal that was taken back, whatever the number of tokens. An entry
 * whose tokens have all expired is forgotten, a part of them with every one that comes. A token from before what was forgotten lives
 * longer than tokens are said to; nobody knows any more whether it was taken back, so it is refused.
 */
export function createRevocationState(options: RevocationStateOptions): RevocationState {
  const { longestTokenLifeSeconds, clockToleranceSeconds, also } = options
  const issuers = new Map<string, IssuerEntries>()
  /** By issuer: before when a token may be one that was taken back and forgotten (epoch seconds). */
  const forgotten = new Map<string, number>()
  /** What is still to be looked through in this round. */
  let due: (readonly [string, RevocationTable])[] = []
  let roundAt = 0
  let stepAt = 0
  let seq = 0

  const change = (): void => {
    seq += 1
    options.onChange?.()
  }

  const sweep = (now: number): void => {
    // After a clock that ran ahead was set right, its times are far away.
    if (stepAt > now + sweepPauseSeconds) stepAt = now
    if (roundAt > now + sweepSeconds) roundAt = now
    if (now < stepAt) return
    stepAt = now + sweepPauseSeconds
    if (due.length === 0) {
      if (now < roundAt) return
      roundAt = now + sweepSeconds
      for (const [issuer, entries] of issuers) {
        if (sumOf(tablesOf(entries), ({ size }) => size) === 0) issuers.delete(issuer)
      }
      due = [...issuers].flatMap(([issuer, entries]) => tablesOf(entries).map((table) => [issuer, table] as const))
    }
    for (let left = sweepSlots; left > 0; ) {
      const next = due.at(-1)
      if (next === undefined) return
      left -= sweepPart(...next, now)
    }
  }

  const sweepPart = (issuer: string, table: RevocationTable, now: number): number => {
    const isOfTokens = issuers.get(issuer)?.tokens === table
    const until = now - clockToleranceSeconds
    const part = table.sweep(isOfTokens ? until : until - longestTokenLifeSeconds)
    const before = isOfTokens ? part.forgotten - longestTokenLifeSeconds : part.forgotten
    if (before > (forgotten.get(issuer) ?? 0)) forgotten.set(issuer, before)
    if (part.isLast) due.pop()
    return part.slots
  }

  const find = (access: AccessToken): Match | undefined => {
    const entries = issuers.get(access.issuer)
    const match = (entries === undefined ? undefined : matchOf(entries, access)) ?? also?.(access)
    if (match !== undefined || forgotten.size === 0) return match
    // Without a time of issue (RFC 7662 §2.2 demands none) it is the issuer that has just been asked.
    const isTooOld = access.issuedAt > 0 && access.issuedAt < (forgotten.get(access.issuer) ?? 0)
    return isTooOld ? 'longer life than longestTokenLifeSeconds' : undefined
  }

  return {
    get seq() {
      return seq
    },
    get size() {
      return sumOf([...issuers.values()].flatMap(tablesOf), ({ size }) => size)
    },
    get bytes() {
      return sumOf([...issuers.values()].flatMap(tablesOf), ({ bytes }) => bytes)
    },
    add(entry, now) {
      const issuer = nameIn(entry.issuer ?? options.onlyIssuer, 'issuer, where there are several,')
      sweep(now)
      const entries = issuers.get(issuer) ?? makeEntries(options.hash)
      const isNews = enter(entries, entry, now, now + longestTokenLifeSeconds)
      issuers.set(issuer, entries)
      if (isNews) change()
    },
    sweep,
    touch: change,
    isGood: (access) => find(access) === undefined,
    judge(access, judge) {
      const match = find(access)
      // A client may know that its token was ended, but not what happened to a user or to others: those have a row of their own.
      const isOwn = match === undefined || ownMatches.includes(match)
      judge('revocation', match === undefined, isOwn ? 'token.revoked' : 'token.cut_off', 'not revoked', match)
    },
  }
}

/** What a client may be told of: that its token was ended, and no more. */
const ownMatches: readonly Match[] = ['its token id', 'its grant', 'its status']

function sumOf(tables: readonly RevocationTable[], of: (table: RevocationTable) => number): number {
  return tables.reduce((sum, table) => sum + of(table), 0)
}
