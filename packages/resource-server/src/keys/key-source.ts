import { Refusal, type VerificationKey } from '@arctos/core'
import { type Fetch, fetchJson } from '../outbound-fetch.ts'
import type { IssuerMetrics } from '../reports/metrics.ts'
import type { Located } from './issuer-metadata.ts'
import { freshnessMs, type KeySet, readKeySet } from './key-set.ts'
import { createPace } from './pace.ts'

/** The keys of one issuer, kept fresh. */
export interface KeySource {
  /** The key, if it can be had without waiting. Starts a renewal behind the scenes when one is due. */
  held(kid: string): VerificationKey | undefined
  /** The key, asking the issuer where needed; `undefined` when the issuer has none. Throws `keys.unavailable`. */
  find(kid: string): Promise<VerificationKey | undefined>
  /** Why the issuer's key of this name was not taken. */
  rejection(kid: string): string | undefined
  /** Loads the keys now, whatever is held. Throws `keys.unavailable`. */
  reload(): Promise<void>
}

export interface KeySourceOptions {
  readonly issuer: string
  readonly locate: () => Promise<Located>
  /** Called when the located address gave no keys. */
  readonly doubt: () => void
  readonly fetch: Fetch
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
  /** Lets milliseconds pass, by the same clock. */
  readonly wait: (milliseconds: number) => Promise<void>
  /** How old keys may become while the issuer fails to answer. */
  readonly staleIfErrorMs: number
  readonly metrics: Pick<IssuerMetrics, 'keysLoaded' | 'keysFailed'>
}

interface Held extends KeySet {
  /** When the request for them was sent. */
  readonly askedAt: number
  readonly renewAt: number
  /** Where the set came from: its entity tag means nothing elsewhere (RFC 9110 §8.8.3). */
  readonly url: string
  readonly etag: string | undefined
}

/** Keys older than this are asked for again before they are used, so a withdrawn key is dead after it. */
const usableForMs = 60_000
const waitingLimit = 1_000
const backOffLimitMs = 5_000
const unknownKidBurst = 5
const unknownKidRefillMs = 500

/**
 * One cache of one issuer's keys. Requests are single flight. Keys are renewed behind the scenes when their `max-age` (at most
 * 30 s) is over, and used for 60 s, for longer only while renewing fails: an outage there must not become one here. A key missing from a successful answer is dead at once. An
 * unknown `kid` asks the issuer, five times at once and then twice a second, however many ask.
 */
export function createKeySource(options: KeySourceOptions): KeySource {
  const { issuer, elapsed, staleIfErrorMs, metrics } = options
  const pace = createPace(unknownKidBurst, unknownKidRefillMs, elapsed, options.wait)
  let held: Held | undefined
  let problem: string | undefined
  let failures = 0
  let failedAt = Number.NEGATIVE_INFINITY
  let nextTryAt = Number.NEGATIVE_INFINITY
  let loading: Promise<void> | undefined
  let queued: Promise<void> | undefined
  let waiting = 0

  /** The set as far as it may be used now. */
  const usable = (now = elapsed()): Held | undefined => {
    // A failure that is long past says nothing about now: then the issuer is asked before old keys are believed.
    const isOutage = problem !== undefined && now < failedAt + usableForMs
    return held !== undefined && now < held.askedAt + (isOutage ? staleIfErrorMs : usableForMs) ? held : undefined
  }

  const attempt = async (): Promise<void> => {
    const askedAt = elapsed()
    const result = await loadKeys(options, held, askedAt)
    if (typeof result === 'string') {
      problem = result
      failures += 1
      failedAt = elapsed()
      nextTryAt = failedAt + Math.min(2 ** (failures - 1) * 1_000, backOffLimitMs)
      options.doubt()
      metrics.keysFailed()
    } else {
      held = result
      problem = undefined
      failures = 0
      nextTryAt = Number.NEGATIVE_INFINITY
      metrics.keysLoaded(askedAt)
    }
  }

  /** Loads once for all who ask in the meantime. */
  const load = (): Promise<void> => {
    loading ??= attempt().finally(() => {
      loading = undefined
    })
    return loading
  }

  /** Loads when it is this request's turn. While backing off nobody asks the issuer. */
  const loadInTurn = (): Promise<void> => {
    if (elapsed() < nextTryAt) return Promise.resolve()
    if (usable() === undefined) return load()
    queued ??= pace.turn().then(() => {
      queued = undefined
      return load()
    })
    return queued
  }

  const unavailable = (received: string | undefined): Refusal => {
    const retryAfterSeconds = Math.max(1, Math.ceil((nextTryAt - elapsed()) / 1_000))
    return new Refusal('keys.unavailable', {
      check: 'keys',
      expected: `the keys of ${issuer}`,
      received,
      retryAfterSeconds,
    })
  }

  const search = async (kid: string): Promise<VerificationKey | undefined> => {
    if (loading !== undefined) {
      // It may have begun before the issuer published this key, so a miss in it does not decide.
      await loading
      const key = usable()?.keys.get(kid)
      if (key !== undefined) return key
    }
    await loadInTurn()
    const key = usable()?.keys.get(kid)
    // Without an answer we cannot know whether the key is new: the token may be good (RFC 9110 §15.6.4).
    if (key === undefined && problem !== undefined) throw unavailable(problem)
    return key
  }

  return {
    held(kid) {
      const now = elapsed()
      const set = usable(now)
      if (set !== undefined && now >= set.renewAt && now >= nextTryAt) void load()
      return set?.keys.get(kid)
    },
    async find(kid) {
      if (waiting >= waitingLimit) throw unavailable('too many requests wait for keys')
      waiting += 1
      try {
        return await search(kid)
      } finally {
        waiting -= 1
      }
    },
    rejection: (kid) => held?.rejected.get(kid),
    async reload() {
      await loading
      await load()
      if (problem !== undefined) throw unavailable(problem)
    },
  }
}

/** Asks for the keys once. Returns what there is to hold, or why there is nothing; never throws. */
async function loadKeys(options: KeySourceOptions, held: Held | undefined, askedAt: number): Promise<Held | string> {
  const { issuer, locate, fetch } = options
  const located = await locate()
  if ('problem' in located) return located.problem
  const { url } = located
  const before = held?.url === url && held.etag !== undefined ? held : undefined
  const condition = before?.etag === undefined ? {} : { 'if-none-match': before.etag }
  const answer = await fetchJson(fetch, url, {
    headers: { accept: 'application/jwk-set+json, application/json', ...condition },
  })
  if (!answer.ok) return `jwks: ${answer.problem}`
  const renewAt = askedAt + freshnessMs(answer.headers)
  if (answer.status === 304 && before !== undefined) return { ...before, askedAt, renewAt }
  if (answer.status !== 200) return `jwks: HTTP ${answer.status}`
  if (answer.object === undefined) return 'jwks: no strict JSON object'
  const set = readKeySet(answer.object, issuer)
  if (typeof set === 'string') return `jwks: ${set}`
  return { ...set, askedAt, renewAt, url, etag: answer.headers.get('etag') ?? undefined }
}
