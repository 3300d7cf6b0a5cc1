import {
  decodeUnverifiedStatusList,
  Refusal,
  type StatusList,
  statusListType,
  type VerificationKey,
  type VerifiedStatusList,
  verifyStatusList,
} from '@arctos/core'
import type { AccessTokenKey, TrustedIssuer } from '../keys/trusted-issuers.ts'
import { type Fetch, fetchBytes } from '../outbound-fetch.ts'
import type { StatusListCounts } from './status-list-counts.ts'

/** One status list of one issuer, kept fresh. */
export interface ListSource {
  readonly uri: string
  /** What it says, if that can be relied on now. */
  readonly list: StatusList | undefined
  /** From then on a newer one is due, and from then on this one says nothing (epoch seconds). */
  readonly freshUntil: number
  readonly usableUntil: number
  /** When a token last asked for it (epoch seconds); set by whoever looks. */
  usedAt: number
  /** Why there is none, or no newer one. */
  readonly problem: string | undefined
  /** Loads it now, once for all who ask meanwhile; not at all for a while after a failure. */
  load(): Promise<void>
  /** Gives the memory back. The time of the last one is kept, so that an older one is still no news. */
  drop(): void
}

export interface ListSourceOptions {
  readonly uri: string
  readonly issuer: TrustedIssuer
  readonly fetch: Fetch
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
  readonly clockToleranceSeconds: number
  readonly counts: StatusListCounts
  /** Called when the list says something that it did not say before. */
  readonly changed: () => void
}

/** 2^25 statuses of one bit. */
export const listByteLimit = 4 * 1_024 * 1_024
/** A list as JWT: base64url within base64url, and compression that may have achieved nothing. */
const tokenByteLimit = 2 * listByteLimit
/** Bounds of what lists say of themselves, so that none has us ask all the time, or never (seconds). */
const [shortestTtl, longestTtl, usualTtl] = [5, 3_600, 300]
const livesTtl = 10
const backOffLimitMs = 30_000

export function createListSource(options: ListSourceOptions): ListSource {
  const { uri, now, elapsed, counts, changed } = options
  let held: (VerifiedStatusList & { readonly etag: string | undefined }) | undefined
  let latest = 0
  let failures = 0
  let nextTryAt = Number.NEGATIVE_INFINITY
  let loading: Promise<void> | undefined

  const keep = (list: VerifiedStatusList, etag: string | undefined, askedAt: number): void => {
    const before = held?.list
    held = { ...list, etag }
    latest = list.issuedAt
    confirm(askedAt)
    source.list = list.list
    const isSame =
      before !== undefined && before.bits === list.list.bits && Buffer.compare(before.bytes, list.list.bytes) === 0
    counts.loaded(isSame ? 'unchanged' : 'applied')
    if (!isSame) changed()
  }

  /** From the time that the question was sent: what the answer knows is not younger. */
  const confirm = (askedAt: number): void => {
    const ttl = Math.min(Math.max(held?.ttlSeconds ?? usualTtl, shortestTtl), longestTtl)
    source.freshUntil = askedAt + ttl
    // Only the list itself says how long it is good: never a header. draft-ietf-oauth-status-list-21 §8.2
    source.usableUntil = held?.expiresAt ?? askedAt + livesTtl * ttl
  }

  const attempt = async (): Promise<void> => {
    const askedAt = Math.floor(now() / 1_000)
    try {
      const answer = await ask(options, held?.etag)
      if (answer === 'unchanged') {
        confirm(askedAt)
        counts.loaded('unchanged')
      } else keep(await readList(options, answer.text, latest), answer.etag, askedAt)
      source.problem = undefined
      failures = 0
      nextTryAt = Number.NEGATIVE_INFINITY
    } catch (error) {
      // Nobody waits for what goes on behind the requests, and a process must not end by it.
      const facts = error instanceof Refusal ? error.facts : { check: 'fault' }
      const check = String(facts['check'])
      source.problem = `${check}: ${facts['received'] ?? facts['expected']}`.slice(0, 200)
      counts.failed(check)
      failures += 1
      nextTryAt = elapsed() + Math.min(2 ** (failures - 1) * 1_000, backOffLimitMs)
    }
  }

  const source = {
    uri,
    list: undefined as StatusList | undefined,
    freshUntil: 0,
    usableUntil: 0,
    usedAt: 0,
    problem: undefined as string | undefined,
    load() {
      if (loading === undefined && elapsed() < nextTryAt) return Promise.resolve()
      loading ??= attempt().finally(() => {
        loading = undefined
      })
      return loading
    },
    drop() {
      held = undefined
      source.list = undefined
      source.freshUntil = 0
      source.usableUntil = 0
    },
  }
  return source
}

type ListAnswer = 'unchanged' | { readonly text: string; readonly etag: string | undefined }

/** Asks for the list at its own address, and nowhere else: a redirect is no answer. draft-ietf-oauth-status-list-21 §8.1 */
async function ask({ uri, fetch }: ListSourceOptions, etag: string | undefined): Promise<ListAnswer> {
  const condition = etag === undefined ? {} : { 'if-none-match': etag }
  const headers = { accept: `application/${statusListType}`, ...condition }
  const answer = await fetchBytes(fetch, uri, { headers }, { byteLimit: tokenByteLimit })
  if (!answer.ok) throw unavailable('answer', answer.problem)
  if (answer.status === 304 && etag !== undefined) return 'unchanged'
  if (answer.status !== 200) throw unavailable('answer', `HTTP ${answer.status}`)
  return { text: Buffer.from(answer.bytes).toString('latin1'), etag: answer.headers.get('etag') ?? undefined }
}

async function readList(
  { uri, issuer, now, clockToleranceSeconds }: ListSourceOptions,
  text: string,
  notOlderThan: number,
): Promise<VerifiedStatusList> {
  const unverified = decodeUnverifiedStatusList(text, tokenByteLimit)
  const { kid } = unverified
  const key = issuer.held(kid) ?? (await issuer.find(kid))
  if (key === undefined || !isPublished(key)) throw unavailable('key', 'none of the issuer')
  const byteLimit = listByteLimit
  const expected = { issuer: issuer.issuer, uri, notOlderThan, clockToleranceSeconds, byteLimit }
  return await verifyStatusList(unverified, key, expected, now() / 1_000)
}

/** A list is for everybody, and so never under a secret that somebody shares with the issuer. */
function isPublished(key: AccessTokenKey): key is VerificationKey {
  return !('secret' in key)
}

function unavailable(check: string, received: string): Refusal {
  return new Refusal('status.unavailable', { check: `status list: ${check}`, received })
}
