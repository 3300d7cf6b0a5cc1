import { setImmediate } from 'node:timers/promises'
import { encodeHeader, encodeStatusList, type SigningKey, signCompactJwsAsync, statusListType } from '@arctos/core'
import type { KeyEncryptionKey } from '../keys/key-encryption.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Store } from '../store/store.ts'
import type { StatusListsNow, TakenBack } from '../store/verbs/status-publications.ts'
import { decoysAt } from './decoys.ts'
import { openListKey } from './list-key.ts'

export interface PublisherOptions {
  readonly store: Store
  readonly kek: KeyEncryptionKey
  readonly keys: Pick<KeyRing, 'signingKey' | 'verificationKey'>
  readonly issuer: string
  /** What lists say of themselves, and how often they are signed anew (seconds). */
  readonly ttlSeconds: number
  readonly uriOf: (id: string) => string
  readonly aggregationUri: string
}

export interface Publisher {
  /** Publishes every list that is due: one that has never been, is older than its ttl, or has something new to say. */
  publishDue(): Promise<void>
  /** Publishes one list, if it never was. */
  publishFirst(id: string): Promise<void>
  /** Publishes one list, if it is due. */
  publish(id: string): Promise<void>
}

type Row = StatusListsNow['lists'][number]

/** Rows that are read together: a read of SQLite holds the event loop, for about 3 ms. */
const pageSize = 1_024
/** A list that is not renewed is good for so many ttl. */
const livesTtl = 10

/** A change is published this long after the last publication at the earliest, in seconds: lists that change all the time would cost all the time. */
export function leastIntervalSeconds(ttlSeconds: number): number {
  return Math.max(1, Math.floor(ttlSeconds / 10))
}

/**
 * Writes lists. Their bits are computed from the rows of grants, clients and cut-offs, so that taking something back writes no list.
 * Of many nodes one publishes a list at a time, and what it writes replaces what is older only: `iat` never goes back, whichever
 * node answers. draft-ietf-oauth-status-list-21 §5.1, PROTOCOL §8
 */
export function createPublisher(options: PublisherOptions): Publisher {
  const { store, kek, keys, issuer, ttlSeconds, uriOf, aggregationUri } = options

  const isDue = ({ published }: Row, { now, head }: Pick<StatusListsNow, 'now' | 'head'>): boolean => {
    const age = now - published.issuedAt
    if (published.version === 0 || age >= ttlSeconds) return true
    if (keys.verificationKey(published.kid) === undefined) return true
    return head > published.head && age >= leastIntervalSeconds(ttlSeconds)
  }

  const publishRow = async (row: Row): Promise<void> => {
    const { id, bits, madeAt, expiresAt } = row
    const { version } = row.published
    const claim = await store.claimStatusList({ id, version })
    if (claim === undefined) return
    const { now, head } = claim
    const bytes = Buffer.alloc(2 ** bits / 8)
    const take = (index: number): void => {
      bytes[index >>> 3] = (bytes[index >>> 3] ?? 0) | (1 << (index & 7))
    }
    for await (const index of takenBack(store, id)) take(index)
    for (const index of decoysAt(openListKey(kek, row), bits, { madeAt, expiresAt, now })) take(index)
    const list = await encodeStatusList({ bits: 1, bytes })
    const claims = {
      iss: issuer,
      sub: uriOf(id),
      iat: now,
      exp: now + livesTtl * ttlSeconds,
      ttl: ttlSeconds,
      status_list: { ...list, aggregation_uri: aggregationUri },
    }
    const key: SigningKey = keys.signingKey()
    // Also where the key is on a curve: what is hashed is long.
    const token = await signCompactJwsAsync(encodeHeader(key, statusListType), JSON.stringify(claims), key)
    await store.publishStatusList({ id, version, issuedAt: now, kid: key.kid, head, token })
  }

  const publishAmong = async (isMeant: (row: Row) => boolean): Promise<void> => {
    const state = await store.listStatusLists(undefined)
    const failures: unknown[] = []
    // One that cannot be published keeps no other waiting.
    for (const row of state.lists)
      if (isMeant(row) && isDue(row, state)) await publishRow(row).catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw failures[0]
  }

  return {
    publishDue: () => publishAmong(() => true),
    publishFirst: (id) => publishAmong((row) => row.id === id && row.published.version === 0),
    publish: (id) => publishAmong((row) => row.id === id),
  }
}

async function* takenBack(store: Store, list: string): AsyncGenerator<number> {
  for (const among of ['grants', 'buckets'] as const) {
    let after: number | undefined = -1
    while (after !== undefined) {
      const page: TakenBack = await store.readTakenBack({ list, among, after, limit: pageSize })
      yield* page.indexes
      after = page.after
      // SQLite answers within the turn: without this, one page would follow the other, and nobody else had a turn.
      await setImmediate()
    }
  }
}
