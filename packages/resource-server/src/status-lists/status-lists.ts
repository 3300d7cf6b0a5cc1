import {
  type AccessToken,
  type Judge,
  readStatusReference,
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
  extends Pick<Configuration, 'fetch' | 'now' | 'elapsed' | 'clockToleranceSeconds' | 'longestTokenLifeSeconds'> {
  readonly statusLists: StatusListConfiguration
  /** Called when a list says something that it did not say before. */
  readonly changed: () => void
}

/** So many lists are known, and so many bytes of them held; those that were not used for longest go first. */
const sourceLimit = 1_000
const totalByteLimit = 64 * 1_024 * 1_024
/** A list is renewed when this much of its time to live is over, so that requests find one that is fresh. */
const renewalShare = 0.75

/**
 * Token Status List: what was taken back, by the signed lists of the issuer. It is late by the `ttl` of a list and needs nothing but
 * the public address; a feed is faster, and where both are, whichever is first ends a token. draft-ietf-oauth-status-list-21 §8.3
 */
export function createStatusLists(options: StatusListsOptions): StatusLists {
  const { now, longestTokenLifeSeconds } = options
  const { required, whenUnavailable, origins } = options.statusLists
  const sources = new Map<string, ListSource>()
  const issuers = new WeakMap<TrustedIssuer, IssuerLists>()
  const { counts, figures } = createStatusListCounts(() => [...sources.values()].filter(({ list }) => list).length)
  let closed = false
  // Tokens that come one after the other are mostly in one list, and comparing two texts is faster than finding one.
  let last: ListSource | undefined

  const find = (issuer: string, uri: string): ListSource | undefined => {
    if (last !== undefined && last.uri === uri && last.issuer === issuer) return last
    const found = sources.get(nameOf(issuer, uri))
    if (found !== undefined) last = found
    return found
  }

  const endedBy = (access: AccessToken): 'its status' | undefined => {
    const reference = readStatusReference(access.claims)
    if (reference === undefined || reference === 'malformed') return undefined
    const list = find(access.issuer, reference.uri)?.list
    const status = list && statusAt(list, reference.index)
    return status === undefined || status === 0 ? undefined : 'its status'
  }

  const obtain = async (issuer: TrustedIssuer, uri: string): Promise<ListSource | string> => {
    const known = find(issuer.issuer, uri)
    if (known !== undefined) {
      await known.load()
      return known
    }
    const lists = issuers.get(issuer) ?? createIssuerLists({ ...options, issuer, origins, counts })
    issuers.set(issuer, lists)
    const rejection = await lists.rejection(uri)
    if (rejection !== undefined) return rejection
    const source = find(issuer.issuer, uri) ?? createListSource({ ...options, issuer, uri, counts })
    sources.set(nameOf(issuer.issuer, uri), source)
    await source.load()
    makeRoom(sources, source)
    void keepFresh(source)
    return source
  }

  /** Renews a list for as long as a token that was seen may live, for streams outlive their request. */
  const keepFresh = async (source: ListSource): Promise<void> => {
    while (!closed && sources.get(nameOf(source.issuer, source.uri)) === source) {
      const left = source.freshUntil - now() / 1_000
      await rest(Math.max(left * renewalShare, 1))
      const at = now() / 1_000
      if (closed || at > source.usedAt + longestTokenLifeSeconds) break
      if (source.list !== undefined || source.problem !== undefined) await source.load()
    }
    if (closed) return
    sources.delete(nameOf(source.issuer, source.uri))
    if (last === source) last = undefined
  }

  const judgeStatus = (list: ListSource['list'], index: number, judge: Judge): void => {
    const status = list && statusAt(list, index)
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
      if (source.list !== undefined && at < source.usableUntil) {
        judgeStatus(source.list, index, judge)
        return access
      }
    }
    if (whenUnavailable === 'accept') counts.passed()
    const problem = typeof source === 'string' ? source : (source.problem ?? 'the list is over')
    judge('status list', whenUnavailable === 'accept', 'status.unavailable', `a list of ${issuer.issuer}`, problem)
    return access
  }

  const look = (access: AccessToken, check: TokenCheck, mayAsk: boolean): AccessToken | Promise<AccessToken> => {
    const { judge, now: at, issuers: trusted } = check
    const reference = readStatusReference(access.claims)
    if (reference === undefined) {
      judge('status', !required, 'token.status_unknown', 'an entry of a status list', 'none')
      return access
    }
    const isRead = reference !== 'malformed'
    judge('status claim', isRead, 'token.status_unknown', 'idx and uri', isRead ? undefined : 'malformed')
    if (!isRead) return access
    const source = find(access.issuer, reference.uri)
    if (source?.list !== undefined) {
      source.usedAt = at
      // While its issuer does not answer, a list that is due is used for as long as it says itself that it may be.
      if (at < source.freshUntil || (source.problem !== undefined && at < source.usableUntil)) {
        if (at >= source.freshUntil) void source.load()
        judgeStatus(source.list, reference.index, judge)
        return access
      }
    }
    const issuer = trusted.get(access.issuer)
    // Whoever explains comes this far with a token that anybody may have made: nothing is asked for its sake.
    return issuer === undefined || !mayAsk ? access : judgeLater(access, reference, issuer, check)
  }

  return {
    endedBy,
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

/** No two lists have one name: an issuer's identifier has no space. */
function nameOf(issuer: string, uri: string): string {
  return `${issuer} ${uri}`
}

function nameOfStatus(status: number | undefined): string | undefined {
  if (status === undefined || status === 0) return status === 0 ? 'VALID' : undefined
  return ['', 'INVALID', 'SUSPENDED'][status] ?? `status ${status}`
}

/** Forgets what was not used for longest, until the rest has room. */
function makeRoom(sources: Map<string, ListSource>, newest: ListSource): void {
  const byUse = [...sources].filter(([, source]) => source !== newest).sort(([, a], [, b]) => a.usedAt - b.usedAt)
  let bytes = [...sources.values()].reduce((sum, { list }) => sum + (list?.bytes.byteLength ?? 0), 0)
  for (const [name, source] of byUse) {
    if (sources.size <= sourceLimit && bytes <= totalByteLimit) return
    bytes -= source.list?.bytes.byteLength ?? 0
    source.drop()
    if (sources.size > sourceLimit) sources.delete(name)
  }
}
