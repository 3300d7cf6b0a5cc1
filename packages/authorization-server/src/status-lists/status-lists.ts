import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { createRecentCache, sha256Base64url } from '@arctos/core'
import type { KeyEncryptionKey } from '../keys/key-encryption.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { longestAccessSeconds } from '../store/registered-resource.ts'
import type { Store } from '../store/store.ts'
import type { IssuedAccess, IssueForClientOutcome } from '../store/verbs/access.ts'
import type { BucketPlaces, GrantPlaces, StatusPlace } from '../store/verbs/status-lists.ts'
import { createIndexPool } from './index-pool.ts'
import { createPublisher } from './publisher.ts'

/** The draft that is implemented, as configuration and metadata name it. */
export const statusListDraft = 'draft-21'

/** What is published under an address. */
export interface ServedStatusList {
  readonly token: string
  /** The same, compressed: base64 within base64 is a third larger than it has to be, twice. */
  readonly gzipped: Uint8Array<ArrayBuffer>
  /** SHA-256 of the token. */
  readonly hash: string
  /** Until the next one is expected (seconds). */
  readonly maxAgeSeconds: number
}

/** Everything about Token Status Lists (draft-ietf-oauth-status-list-21). There is none where the experiment is off. */
export interface StatusLists {
  readonly uriOf: (list: string) => string
  readonly aggregationUri: string
  /** Runs a verb that makes a grant, with places for it, and takes back those that it did not use. */
  readonly placeGrant: <Outcome extends { readonly outcome: string }>(
    run: (places: GrantPlaces) => Promise<Outcome>,
  ) => Promise<Outcome>
  /** Runs the verb that issues to a client, with the places that this node knows. */
  readonly placeClient: (
    run: (places: BucketPlaces) => Promise<IssueForClientOutcome>,
  ) => Promise<IssueForClientOutcome>
  /** Publishes what is due. */
  readonly publishDue: () => Promise<void>
  /** `undefined` where there is no such list, or it is retired. */
  readonly read: (list: string) => Promise<ServedStatusList | undefined>
  /** The addresses of all lists. */
  readonly addresses: () => Promise<readonly string[]>
}

export interface StatusListsOptions {
  readonly issuer: string
  readonly store: Store
  readonly kek: KeyEncryptionKey
  readonly keys: Pick<KeyRing, 'signingKey' | 'verificationKey'>
  readonly random: (byteLength: number) => Buffer
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly refreshAbsoluteSeconds: number
  readonly ttlSeconds: number
}

const compress = promisify(gzip)

const knownBuckets = 10_000
const keptTokens = 128

export function createStatusLists(options: StatusListsOptions): StatusLists {
  const { issuer, store, refreshAbsoluteSeconds, ttlSeconds } = options
  const aggregationUri = `${issuer}/status-lists`
  const uriOf = (id: string): string => `${aggregationUri}/${id}`
  const publisher = createPublisher({ ...options, uriOf, aggregationUri })
  const poolOf = (lifeSeconds: number) =>
    createIndexPool({ ...options, lifeSeconds, publishFirst: publisher.publishFirst })
  // A grant without a refresh token gives tokens for a day, and so do clients: all that is over soon shares lists.
  const brief = poolOf(2 * longestAccessSeconds)
  const lasting = poolOf(refreshAbsoluteSeconds + longestAccessSeconds)
  const buckets = createRecentCache<string, StatusPlace>(knownBuckets)
  const tokens = createRecentCache<string, KeptToken>(keptTokens)

  const readOnce = async (id: string) => {
    const kept = tokens.get(id)
    const row = await store.readStatusListToken({ id, knownVersion: kept?.version ?? -1 })
    if (row === undefined) return undefined
    const { version, now, issuedAt } = row
    const text = row.token
    const served = text === undefined ? kept : await keptOf(version, text)
    if (served === undefined) return undefined
    if (served !== kept) tokens.set(id, served)
    return { ...served, maxAgeSeconds: issuedAt + ttlSeconds - now }
  }

  return {
    uriOf,
    aggregationUri,
    async placeGrant(run) {
      const places = { brief: await brief.take(), lasting: await lasting.take() }
      // Where this throws, the transaction may have been committed for all we know: both are left unused.
      const outcome = await run(places)
      if (!isPlace(placeOf(outcome), places.brief)) brief.giveBack(places.brief)
      if (!isPlace(placeOf(outcome), places.lasting)) lasting.giveBack(places.lasting)
      return outcome
    },
    async placeClient(run) {
      const spare = await brief.take()
      const outcome = await run({ known: buckets.get, spare })
      const place = placeOf(outcome)
      if (!isPlace(place, spare)) brief.giveBack(spare)
      if (outcome.outcome === 'issued' && outcome.bucket !== undefined && place !== undefined)
        buckets.set(outcome.bucket, place)
      return outcome
    },
    publishDue: publisher.publishDue,
    async read(id) {
      const served = await readOnce(id)
      if (served === undefined || served.maxAgeSeconds > 0) return served && lasts(served)
      // Nobody has published it in time, or a moment too late: whoever asks does it.
      await publisher.publish(id)
      const again = await readOnce(id)
      return again && lasts(again)
    },
    async addresses() {
      const { lists } = await store.listStatusLists(undefined)
      return lists.filter(({ published }) => published.version > 0).map(({ id }) => uriOf(id))
    },
  }
}

interface KeptToken extends Omit<ServedStatusList, 'maxAgeSeconds'> {
  readonly version: number
}

async function keptOf(version: number, token: string): Promise<KeptToken> {
  return { version, token, gzipped: await compress(token), hash: sha256Base64url(token) }
}

function lasts(served: ServedStatusList): ServedStatusList {
  return { ...served, maxAgeSeconds: Math.max(1, served.maxAgeSeconds) }
}

function isPlace(place: StatusPlace | undefined, other: StatusPlace): boolean {
  return place?.list === other.list && place.index === other.index
}

function placeOf(outcome: { readonly outcome: string; readonly access?: IssuedAccess }): StatusPlace | undefined {
  return outcome.access?.status
}
