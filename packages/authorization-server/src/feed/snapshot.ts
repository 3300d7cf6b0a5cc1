import { promisify } from 'node:util'
import { deflate } from 'node:zlib'
import { sha256Base64url } from '@arctos/core'
import type { Store } from '../store/store.ts'
import { createCompaction } from './compaction.ts'
import { type EventSigner, snapshotType } from './event-signer.ts'
import type { Audience, LogPosition, Tail } from './tail.ts'

const compress = promisify(deflate)
const pageLimit = 2_000
/** A snapshot serves whoever comes within this time; what came since is in the feed. In milliseconds. */
const keptMs = 1_000
/** Audiences whose snapshots are kept at once. */
const audienceLimit = 100

/** What was taken back and still matters, whole: for whoever begins, or has lost its place (PROTOCOL §6). */
export interface Snapshot {
  /** The compressed lines. */
  readonly body: Uint8Array<ArrayBuffer>
  /** A JWT that vouches for the body: typ `revocation-snapshot+jwt`, signed like events. */
  readonly header: string
  /** The number up to which it is complete. */
  readonly head: number
}

/**
 * Makes a snapshot for an audience; guards that start together share one. Throws `StoreUnavailable` without a log to read.
 *
 * @param least where the stream begins: a snapshot that ends before would leave a gap that nothing fills
 */
export type SnapshotMaker = (audience: Audience, least: number) => Promise<Snapshot>

interface Kept {
  readonly madeAt: number
  readonly snapshot: Promise<Snapshot>
}

interface Body {
  readonly position: LogPosition
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly entries: number
}

/** @param nowSeconds the clock of this machine, for `iat` */
export function createSnapshotMaker(
  issuer: string,
  store: Pick<Store, 'readFeed'>,
  tail: Tail,
  signer: EventSigner,
  nowSeconds: () => number,
): SnapshotMaker {
  const kept = new Map<string, Kept>()

  const build = async (audience: Audience): Promise<Body> => {
    const position = await tail.refresh()
    const compaction = createCompaction()
    for (let after = 0; after < position.head; ) {
      const { rows } = await store.readFeed({ after, limit: pageLimit })
      for (const { entry, atMs, resources } of rows) {
        const concerns =
          resources === undefined || audience.resourceKey === undefined || resources.includes(audience.resourceKey)
        if (concerns) compaction.add(entry, atMs)
      }
      after = rows.length < pageLimit ? position.head : (rows.at(-1)?.seq ?? position.head)
    }
    const lines = compaction.lines()
    // Level 6, off the event loop.
    const bytes = new Uint8Array(
      await compress(lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { level: 6 }),
    )
    return { position, bytes, entries: lines.length }
  }

  const vouch = async (audience: Audience, { position, bytes, entries }: Body): Promise<Snapshot> => {
    const header = await signer.sign(
      {
        iss: issuer,
        aud: audience.name,
        iat: nowSeconds(),
        epoch: position.epoch,
        head: position.head,
        as_of: position.asOfMs / 1_000,
        entries,
        digest: sha256Base64url(bytes),
      },
      snapshotType,
    )
    return { body: bytes, header, head: position.head }
  }

  return async (audience, least) => {
    const name = audience.name
    const known = kept.get(name)
    if (known !== undefined && performance.now() - known.madeAt < keptMs) {
      const snapshot = await known.snapshot
      if (snapshot.head >= least) return snapshot
    }
    const made = { madeAt: performance.now(), snapshot: build(audience).then((body) => vouch(audience, body)) }
    kept.delete(name)
    kept.set(name, made)
    const [oldest] = kept.keys()
    if (kept.size > audienceLimit && oldest !== undefined) kept.delete(oldest)
    // What failed is made anew for the next one who asks.
    made.snapshot.catch(() => {
      if (kept.get(name) === made) kept.delete(name)
    })
    return made.snapshot
  }
}
