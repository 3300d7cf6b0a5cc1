import {
  type AccessToken,
  type Judge,
  readStatusReference,
  type StatusList,
  type StatusReference,
  statusAt,
  strictJudge,
} from '@arctos/core'
import type { Configuration } from '../configuration.ts'
import type { TrustedIssuer } from '../keys/trusted-issuers.ts'
import type { Figure } from '../reports/metrics.ts'
import type { TokenCheck, TokenChecker } from '../verification/token-check.ts'
import { createIssuerLists, type IssuerLists } from './issuer-lists.ts'
import { createListSource, type ListSource } from './list-source.ts'
import type { StatusListConfiguration } from './options.ts'
import { createStatusListCounts } from './status-list-counts.ts'

/** What status lists say of tokens. */
export interface StatusLists {
  /** Whether a list that is held says that a token was taken back. */
  readonly endedBy: (access: AccessToken) => 'its status' | undefined
  /** The same checker, with a look at the status behind it: a token is judged first, then its status. */
  readonly watch: (checkToken: TokenChecker) => TokenChecker
  readonly figures: readonly Figure[]
  /** Renews nothing any more. */
  readonly close: () => void
}

export interface StatusListsOptions
  extends Pick<
    Configuration,
    'fetch' | 'now' | 'elapsed' | 'wait' | 'clockToleranceSeconds' | 'longestTokenLifeSeconds'
  > {
  readonly statusLists: StatusListConfiguration
  /** Called when a list says something that it did not say before. */
  readonly changed: () => void
}

/** So many lists are known, and so many bytes of them held; those that were not used for longest go first. */
const sourceLimit = 1_000
const totalByteLimit = 64 * 1_024 * 1_024
/** A list is renewed when this much of its time to live is over, so that requests find one that is fresh. */
const renewalShare = 0.75
/** How often one that is not held is looked at, whether it may be forgotten. */
const idleSeconds = 60

/** Where a token's status is looked up; remembered by the token itself, so that it is read out of its claims once. */
interface Place {
  readonly source: ListSource
  readonly index: number
}

/** What is known of one issuer: two that only share a name, under other keys, share no list. */
interface OfIssuer {
  readonly addresses: IssuerLists
  readonly sources: Map<string, ListSource>
}

/**
 * Token Status List: what was taken back, by the signed lists of the issuer. It is late by the `ttl` of a list and needs nothing but
 * the public address; a feed is faster, and where both are, whichever is first ends a token. draft-ietf-oauth-status-list-21 §8.3
 */
export function createStatusLists(options: StatusListsOptions): StatusLists {
  const { now, longestTokenLifeSeconds } = options
  const { required, whenUnavailable, origins } = options.statusLists
  const issuers = new WeakMap<TrustedIssuer, OfIssuer>()
  /** All of them, each with those of its issuer. */
  const sources = new Map<ListSource, Map<string, ListSource>>()
  const places = new WeakMap<AccessToken, Place>()
  const { counts, figures } = createStatusListCounts(() => [...sources.keys()].filter(({ list }) => list).length)
  let closed = false

  const ofIssuer = (issuer: TrustedIssuer): OfIssuer => {
    const known = issuers.get(issuer)
    if (known !== undefined) return known
    const made = { addresses: createIssuerLists({ ...options, issuer, origins, counts }), sources: new Map() }
    issuers.set(issuer, made)
    return made
  }

  const obtain = async (issuer: TrustedIssuer, uri: string): Promise<ListSource | string> => {
    const own = ofIssuer(issuer)
    const known = own.sources.get(uri)
    if (known === undefined) {
      const rejection = await own.addresses.rejection(uri)
      if (rejection !== undefined) return rejection
    }
    const source = known ?? own.sources.get(uri) ?? createListSource({ ...options, issuer, uri, counts })
    const isNew = !sources.has(source)
    own.sources.set(uri, source)
    sources.set(source, own.sources)
    await source.load()
    makeRoom([...sources.keys()], source, forget)
    if (isNew) void keepFresh(source)
    return source
  }

  /** Renews a list for as long as a token that was seen may live, for streams outlive their request. */
  const keepFresh = async (source: ListSource): Promise<void> => {
    while (!closed && sources.has(source)) {
      const left = source.freshUntil - now() / 1_000
      await rest(source.list === undefined ? idleSeconds : Math.max(left * renewalShare, 1))
      if (closed || now() / 1_000 > source.usedAt + longestTokenLifeSeconds) break
      // One that gave its memory back is loaded when a token asks for it.
      if (source.list !== undefined) await source.load()
    }
    forget(source)
  }

  const forget = (source: ListSource): void => {
    const own = sources.get(source)
    if (own?.get(source.uri) === source) own.delete(source.uri)
    sources.delete(source)
  }

  const judgeStatus = ({ index }: Place, list: StatusList, judge: Judge): void => {
    const status = statusAt(list, index)
    if (status === 0 && judge === strictJudge) return
    const place = status === undefined ? 'beyond its end' : 'inside'
    judge('status index', status !== undefined, 'token.status_unknown', 'inside the list', place)
    judge('status', status === 0 || status === undefined, 'token.revoked', 'VALID', nameOfStatus(status))
  }

  const judgeLater = async (
    access: AccessToken,
    { uri, index }: StatusReference,
    issuer: TrustedIssuer,
    { judge, now: at }: TokenCheck,
  ): Promise<AccessToken> => {
    const source = await obtain(issuer, uri)
    if (typeof source !== 'string') {
      source.usedAt = at
      const place = { source, index }
      places.set(access, place)
      const { list } = source
      // A list that is over cannot say of a token that it is good. What it said was taken back has not come back since.
      if (list !== undefined && (at < source.usableUntil || (statusAt(list, index) ?? 0) > 0)) {
        judgeStatus(place, list, judge)
        return access
      }
    }
    if (whenUnavailable === 'accept') counts.passed()
    const problem = typeof source === 'string' ? source : (source.problem ?? 'the list is over')
    judge('status list', whenUnavailable === 'accept', 'status.unavailable', `a list of ${issuer.issuer}`, problem)
    return access
  }

  /** Whether the list that is held is enough to judge by. Without an answer of its issuer it is, for as long as it says itself. */
  const isEnough = (source: ListSource, at: number): boolean => {
    if (at < source.freshUntil) return true
    if (source.problem === undefined || at >= source.usableUntil) return false
    void source.load()
    return true
  }

  const look = (access: AccessToken, check: TokenCheck, mayAsk: boolean): AccessToken | Promise<AccessToken> => {
    const { judge, now: at } = check
    const known = places.get(access)
    if (known?.source.list !== undefined && isEnough(known.source, at)) {
      judgeStatus(known, known.source.list, judge)
      known.source.usedAt = at
      return access
    }
    const reference = readStatusReference(access.claims)
    if (reference === undefined) {
      judge('status', !required, 'token.status_unknown', 'an entry of a status list', 'none')
      return access
    }
    const isRead = reference !== 'malformed'
    judge('status claim', isRead, 'token.status_unknown', 'idx and uri', isRead ? undefined : 'malformed')
    const issuer = check.issuers.get(access.issuer)
    if (!isRead || issuer === undefined) return access
    const source = issuers.get(issuer)?.sources.get(reference.uri)
    if (source?.list !== undefined && isEnough(source, at)) {
      const place = { source, index: reference.index }
      places.set(access, place)
      judgeStatus(place, source.list, judge)
      source.usedAt = at
      return access
    }
    // Whoever explains comes this far with a token that anybody may have made: nothing is asked for its sake.
    return mayAsk ? judgeLater(access, reference, issuer, check) : access
  }

  return {
    endedBy(access) {
      const place = places.get(access)
      const list = place?.source.list
      if (place === undefined || list === undefined) return undefined
      const status = statusAt(list, place.index)
      return status === undefined || status === 0 ? undefined : 'its status'
    },
    watch: (checkToken) => (check) => {
      if (check.judge === strictJudge) {
        const access = checkToken(check)
        return access instanceof Promise ? access.then((found) => look(found, check, true)) : look(access, check, true)
      }
      let isProven = false
      const proven = (clientId: string | undefined): void => {
        isProven = true
        check.proven(clientId)
      }
      return Promise.resolve(checkToken({ ...check, proven })).then((access) => look(access, check, isProven))
    },
    figures,
    close() {
      closed = true
    },
  }
}

/** Keeps no process running. */
function rest(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000).unref())
}

function nameOfStatus(status: number | undefined): string | undefined {
  if (status === undefined || status === 0) return status === 0 ? 'VALID' : undefined
  return ['', 'INVALID', 'SUSPENDED'][status] ?? `status ${status}`
}

/** Gives back what was not used for longest, until the rest has room. */
function makeRoom(sources: readonly ListSource[], newest: ListSource, forget: (source: ListSource) => void): void {
  let count = sources.length
  let bytes = sources.reduce((sum, { list }) => sum + (list?.bytes.byteLength ?? 0), 0)
  if (count <= sourceLimit && bytes <= totalByteLimit) return
  for (const source of sources.toSorted((a, b) => a.usedAt - b.usedAt)) {
    if (source === newest) continue
    if (count <= sourceLimit && bytes <= totalByteLimit) return
    bytes -= source.list?.bytes.byteLength ?? 0
    source.drop()
    if (count <= sourceLimit) continue
    forget(source)
    count -= 1
  }
}
