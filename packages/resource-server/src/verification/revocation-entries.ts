import { type AccessToken, readStrings } from '@arctos/core'
import type { NameHash } from './name-hash.ts'
import { absent, createRevocationTable, type RevocationTable } from './revocation-table.ts'

/**
 * What was taken back. `issuer` says whose tokens are meant; it may be left out where there is only one. A cut-off ends what was
 * issued before `issuedBefore` (epoch seconds), which is the next second when it is left out: everything issued so far.
 */
export type Revocation = { readonly issuer?: string | undefined } & (
  | {
      /** One token, until it expires (epoch seconds, where that is known). */
      readonly kind: 'token'
      readonly jti: string
      readonly expiresAt?: number | undefined
    }
  /** A grant, and everything derived from it; with `issuedBefore`, what was issued before: its scope has changed since. */
  | ({ readonly kind: 'grant'; readonly grantId: string } & CutOff)
  | ({ readonly kind: 'subject'; readonly subject: string } & CutOff)
  | ({ readonly kind: 'client'; readonly clientId: string } & CutOff)
  | ({ readonly kind: 'subject at client'; readonly subject: string; readonly clientId: string } & CutOff)
  /** Whatever this actor, named by its subject or client id, has a part in: now, or earlier in the chain. */
  | ({ readonly kind: 'actor'; readonly actor: string } & CutOff)
  | ({ readonly kind: 'all' } & CutOff)
)

interface CutOff {
  readonly issuedBefore?: number | undefined
}

/** The entries about one issuer's tokens: when each was made, or for a single token, when it is over (epoch seconds). */
export interface IssuerEntries {
  readonly tokens: RevocationTable
  readonly grants: RevocationTable
  /** The cut-offs of grants that are not ended. */
  readonly changes: RevocationTable
  readonly subjects: RevocationTable
  readonly clients: RevocationTable
  readonly pairs: RevocationTable
  readonly actors: RevocationTable
  /** The cut-off for everything; under the empty name. */
  readonly all: RevocationTable
}

/** What ends a token. */
export type EntryMatch =
  | 'its token id'
  | 'its grant'
  | 'its subject'
  | 'its client'
  | 'its subject at its client'
  | 'an actor'
  | 'all'

/** How far ahead of our clock the issuer's cut-off may be; later is milliseconds by mistake. */
const aheadLimitSeconds = 61
export function makeEntries(hash: NameHash | undefined): IssuerEntries {
  return {
    tokens: createRevocationTable(hash),
    grants: createRevocationTable(hash),
    changes: createRevocationTable(hash),
    subjects: createRevocationTable(hash),
    clients: createRevocationTable(hash),
    pairs: createRevocationTable(hash),
    actors: createRevocationTable(hash),
    all: createRevocationTable(hash),
  }
}

export function tablesOf(entries: IssuerEntries): readonly RevocationTable[] {
  return Object.values(entries)
}

const kinds: readonly Revocation['kind'][] = [
  'token',
  'grant',
  'subject',
  'client',
  'subject at client',
  'actor',
  'all',
]

/** Says whether there is a token that was good before and is not now. */
export function enter(entries: IssuerEntries, entry: Revocation, now: number, latestEnd: number): boolean {
  // Whoever calls from JavaScript can be wrong about the kind, and an entry that ends nothing would look like one that does.
  if (!kinds.includes(entry.kind)) throw new TypeError(`revoke: kind is ${JSON.stringify(entry.kind)}, which is none`)
  const { tokens, grants, changes, subjects, clients, pairs, actors, all } = entries
  switch (entry.kind) {
    case 'token': {
      const end = timeIn(entry.expiresAt, latestEnd, Number.MAX_SAFE_INTEGER)
      return tokens.raise(end, nameIn(entry.jti, 'jti')) === 'new'
    }
    case 'grant': {
      const grantId = nameIn(entry.grantId, 'grantId')
      if (entry.issuedBefore === undefined) return grants.raise(now, grantId) === 'new'
      return changes.raise(cutOffOf(entry, now), grantId) !== 'same'
    }
    case 'subject':
      return subjects.raise(cutOffOf(entry, now), nameIn(entry.subject, 'subject')) !== 'same'
    case 'client':
      return clients.raise(cutOffOf(entry, now), nameIn(entry.clientId, 'clientId')) !== 'same'
    case 'subject at client': {
      const subject = nameIn(entry.subject, 'subject')
      return pairs.raise(cutOffOf(entry, now), subject, nameIn(entry.clientId, 'clientId')) !== 'same'
    }
    case 'actor':
      return actors.raise(cutOffOf(entry, now), nameIn(entry.actor, 'actor')) !== 'same'
    case 'all':
      return all.raise(cutOffOf(entry, now), '') !== 'same'
  }
}

function cutOffOf({ issuedBefore }: CutOff, now: number): number {
  return timeIn(issuedBefore, Math.floor(now) + 1, now + aheadLimitSeconds)
}

function timeIn(value: number | undefined, usual: number, latest: number): number {
  const time = value ?? usual
  if (!Number.isFinite(time) || time < 0 || time > latest) {
    throw new TypeError(`revoke: the time is ${time}; it has to be in epoch seconds, a cut-off not in the future`)
  }
  return time
}

export function nameIn(value: string | undefined, member: string): string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`revoke: ${member} is missing`)
  return value
}

/** What ends a token, if anything does. Kinds of which there are no entries cost one comparison each. */
export function matchOf(entries: IssuerEntries, access: AccessToken): EntryMatch | undefined {
  const { tokens, subjects, clients, pairs, actors, all } = entries
  const { jti, subject, clientId, issuedAt } = access
  if (all.size > 0 && issuedAt < all.find('')) return 'all'
  if (tokens.size > 0 && tokens.find(jti) !== absent) return 'its token id'
  if (entries.grants.size + entries.changes.size > 0 && hasEndedGrant(entries, access)) return 'its grant'
  if (subjects.size > 0 && issuedAt < subjects.find(subject)) return 'its subject'
  if (clients.size > 0 && issuedAt < clients.find(clientId)) return 'its client'
  if (pairs.size > 0 && issuedAt < pairs.find(subject, clientId)) return 'its subject at its client'
  if (actors.size > 0 && access.actors.some((actor) => isCutOff(actor.subject) || isCutOff(actor.clientId)))
    return 'an actor'
  return undefined

  function isCutOff(actor: string | undefined): boolean {
    return actor !== undefined && issuedAt < actors.find(actor)
  }
}

/** Whether its grant was ended, or changed after it was issued; or, for a derived token, one that its grant came from. */
function hasEndedGrant({ grants, changes }: IssuerEntries, { grantId, claims, issuedAt }: AccessToken): boolean {
  if (grantId !== undefined && isEnded(grantId)) return true
  return claims['grants'] !== undefined && (readStrings(claims, 'grants') ?? []).some(isEnded)

  function isEnded(grant: string): boolean {
    return (grants.size > 0 && grants.find(grant) !== absent) || (changes.size > 0 && issuedAt < changes.find(grant))
  }
}
