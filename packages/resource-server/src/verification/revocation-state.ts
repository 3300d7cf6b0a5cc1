import { type AccessToken, type Judge, readStrings } from '@arctos/core'

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
  /** A grant, and everything derived from it. */
  | { readonly kind: 'grant'; readonly grantId: string }
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

/** The ended tokens, grants and cut-offs that a guard knows of. */
export interface RevocationState {
  /** Grows with every change: what was found good at this number still is, as long as the number stands. */
  readonly seq: number
  /** Throws a TypeError for an entry that could not be meant. @param now epoch seconds */
  add(entry: Revocation, now: number): void
  /** Whether nothing ends this token. */
  isGood(access: AccessToken): boolean
  /** Tells the judge. */
  judge(access: AccessToken, judge: Judge): void
  /** How many entries are held. */
  readonly size: number
}

export interface RevocationStateOptions {
  /** Whose tokens an entry without an issuer is about; `undefined` where there are several issuers. */
  readonly onlyIssuer: string | undefined
  /** No token lives longer, so that an entry of that age has nothing left to end. */
  readonly longestTokenLifeSeconds: number
  readonly clockToleranceSeconds: number
  /** Called after every change. */
  readonly onChange?: () => void
}

/** The entries about one issuer's tokens: when each was made, or for a single token, when it is over (epoch seconds). */
interface IssuerEntries {
  readonly tokens: Map<string, number>
  readonly grants: Map<string, number>
  readonly subjects: Map<string, number>
  readonly clients: Map<string, number>
  readonly pairs: Map<string, number>
  readonly actors: Map<string, number>
  /** The cut-off for everything; under the empty name. */
  readonly all: Map<string, number>
}

type Match =
  | 'its token id'
  | 'its grant'
  | 'its subject'
  | 'its client'
  | 'its subject at its client'
  | 'an actor'
  | 'all'
  | 'longer life than longestTokenLifeSeconds'

/** How far ahead of our clock the issuer's cut-off may be; later is milliseconds by mistake. */
const aheadLimitSeconds = 61
const sweepSeconds = 60

/**
 * Small by construction: one number for each token, grant or principal that was taken back, whatever the number of tokens. An entry
 * whose tokens have all expired is forgotten with the next one that comes. A token from before what was forgotten lives longer than
 * tokens are said to; nobody knows any more whether it was taken back, so it is refused.
 */
export function createRevocationState(options: RevocationStateOptions): RevocationState {
  const { longestTokenLifeSeconds, clockToleranceSeconds } = options
  const issuers = new Map<string, IssuerEntries>()
  /** By issuer: before when a token may be one that was taken back and forgotten (epoch seconds). */
  const forgotten = new Map<string, number>()
  let seq = 0
  let sweepAt = 0

  const sweep = (now: number): void => {
    sweepAt = now + sweepSeconds
    for (const [issuer, { tokens, ...others }] of issuers) {
      const last = [forget(tokens, now - clockToleranceSeconds) - longestTokenLifeSeconds]
      for (const entries of Object.values(others)) {
        last.push(forget(entries, now - clockToleranceSeconds - longestTokenLifeSeconds))
      }
      const before = Math.max(...last, forgotten.get(issuer) ?? 0)
      if (before > 0) forgotten.set(issuer, before)
      if (count({ tokens, ...others }) === 0) issuers.delete(issuer)
    }
  }

  const find = (access: AccessToken): Match | undefined => {
    const entries = issuers.get(access.issuer)
    const match = entries === undefined ? undefined : matchOf(entries, access)
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
      return [...issuers.values()].reduce((sum, entries) => sum + count(entries), 0)
    },
    add(entry, now) {
      const issuer = nameIn(entry.issuer ?? options.onlyIssuer, 'issuer, where there are several,')
      if (now >= sweepAt) sweep(now)
      const entries = issuers.get(issuer) ?? makeEntries()
      enter(entries, entry, now, now + longestTokenLifeSeconds)
      issuers.set(issuer, entries)
      seq += 1
      options.onChange?.()
    },
    isGood: (access) => find(access) === undefined,
    judge(access, judge) {
      const match = find(access)
      // A client may know that its token was ended, but not what happened to a user or to others: those have a row of their own.
      const isOwn = match === undefined || match === 'its token id' || match === 'its grant'
      judge('revocation', match === undefined, isOwn ? 'token.revoked' : 'token.cut_off', 'not revoked', match)
    },
  }
}

function makeEntries(): IssuerEntries {
  const map = (): Map<string, number> => new Map()
  return {
    tokens: map(),
    grants: map(),
    subjects: map(),
    clients: map(),
    pairs: map(),
    actors: map(),
    all: map(),
  }
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

function enter(entries: IssuerEntries, entry: Revocation, now: number, latestEnd: number): void {
  // Whoever calls from JavaScript can be wrong about the kind, and an entry that ends nothing would look like one that does.
  if (!kinds.includes(entry.kind)) throw new TypeError(`revoke: kind is ${JSON.stringify(entry.kind)}, which is none`)
  switch (entry.kind) {
    case 'token': {
      const end = timeIn(entry.expiresAt, latestEnd, Number.MAX_SAFE_INTEGER)
      raise(entries.tokens, nameIn(entry.jti, 'jti'), end)
      break
    }
    case 'grant':
      raise(entries.grants, nameIn(entry.grantId, 'grantId'), now)
      break
    case 'subject':
      raise(entries.subjects, nameIn(entry.subject, 'subject'), cutOffOf(entry, now))
      break
    case 'client':
      raise(entries.clients, nameIn(entry.clientId, 'clientId'), cutOffOf(entry, now))
      break
    case 'subject at client': {
      const pair = pairOf(nameIn(entry.subject, 'subject'), nameIn(entry.clientId, 'clientId'))
      raise(entries.pairs, pair, cutOffOf(entry, now))
      break
    }
    case 'actor':
      raise(entries.actors, nameIn(entry.actor, 'actor'), cutOffOf(entry, now))
      break
    case 'all':
      raise(entries.all, '', cutOffOf(entry, now))
      break
  }
}

/** Cut-offs never go back: a later one covers the earlier. */
function raise(entries: Map<string, number>, name: string, value: number): void {
  entries.set(name, Math.max(value, entries.get(name) ?? 0))
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

function nameIn(value: string | undefined, member: string): string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`revoke: ${member} is missing`)
  return value
}

/** No two pairs have one name. */
function pairOf(subject: string, clientId: string): string {
  return `${subject.length} ${subject} ${clientId}`
}

/** What ends a token, if anything does. Kinds of which there are no entries cost one comparison each. */
function matchOf(entries: IssuerEntries, access: AccessToken): Match | undefined {
  const { tokens, grants, subjects, clients, pairs, actors, all } = entries
  const { jti, subject, clientId, issuedAt } = access
  const isCutOff = (kind: Map<string, number>, name: string): boolean => issuedAt < (kind.get(name) ?? 0)
  if (all.size > 0 && isCutOff(all, '')) return 'all'
  if (tokens.size > 0 && tokens.has(jti)) return 'its token id'
  if (grants.size > 0 && grantsOf(access).some((grant) => grants.has(grant))) return 'its grant'
  if (subjects.size > 0 && isCutOff(subjects, subject)) return 'its subject'
  if (clients.size > 0 && isCutOff(clients, clientId)) return 'its client'
  if (pairs.size > 0 && isCutOff(pairs, pairOf(subject, clientId))) return 'its subject at its client'
  const isActor = (name: string | undefined): boolean => name !== undefined && isCutOff(actors, name)
  if (actors.size > 0 && access.actors.some((actor) => isActor(actor.subject) || isActor(actor.clientId)))
    return 'an actor'
  return undefined
}

/** The grant of a token and, for a derived one, those it came from. */
function grantsOf({ grantId, claims }: AccessToken): readonly string[] {
  const lineage = readStrings(claims, 'grants') ?? []
  return grantId === undefined ? lineage : [grantId, ...lineage]
}

/** The greatest value that was forgotten; 0 where none was. */
function forget(entries: Map<string, number>, before: number): number {
  let last = 0
  for (const [name, value] of entries) {
    if (value > before) continue
    entries.delete(name)
    last = Math.max(last, value)
  }
  return last
}

function count(entries: IssuerEntries): number {
  return Object.values(entries).reduce((sum: number, { size }: Map<string, number>) => sum + size, 0)
}
