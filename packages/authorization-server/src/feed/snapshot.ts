import { setImmediate as otherWork } from 'node:timers/promises'
import { promisify } from 'node:util'
import { deflate } from 'node:zlib'
import { sha256Base64url } from '@arctos/core'
import { StoreUnavailable } from '../store/engine.ts'
import type { Store } from '../store/store.ts'
import { createCompaction, type SnapshotLine } from './compaction.ts'
import { type EventSigner, snapshotType } from './event-signer.ts'
import { type Audience, concerns, type LogPosition, type Tail } from './tail.ts'

const compress = promisify(deflate)
const pageLimit = 1_000
/** Lines that are written in one go: then other work has its turn. */
const linesTogether = 5_000
/** A snapshot serves whoever comes this long after it was made, in milliseconds; what came since is in the feed. */
const keptMs = 1_000
/** Audiences whose snapshots are kept at once. */
const audienceLimit = 100
/** A stream that a snapshot made for it does not reach is not of this log. */
const attempts = 4

/** What was taken back and still matters, whole: for whoever begins, or has lost its place (PROTOCOL §6). */
export interface Snapshot {
  /** The compressed lines. */
  readonly body: Uint8Array<ArrayBuffer>
  /** A JWT that vouches for the body: typ `revocation-snapshot+jwt`, signed like events. */
  readonly header: string
}

/**
 * Makes a snapshot for an audience; guards that start together share one. Throws `StoreUnavailable` without a log to read.
 *
 * @param least where the stream begins: a snapshot that ends before would leave a gap that nothing fills
 */
export type SnapshotMaker = (audience: Audience, least: number) => Promise<Snapshot>

interface Kept {
  readonly position: Promise<LogPosition>
  readonly snapshot: Promise<Snapshot>
  /** By the monotonic clock; `undefined` while it is being made. */
  madeAt: number | undefined
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

  const build = async (audience: Audience, position: LogPosition): Promise<Snapshot> => {
    const lines = await gather(store, audience, position.head)
    // Level 6, off the event loop.
    const body = new Uint8Array(await compress(await write(lines), { level: 6 }))
    const claims = {
      iss: issuer,
      aud: audience.name,
      iat: nowSeconds(),
      epoch: position.epoch,
      head: position.head,
      as_of: position.asOfMs / 1_000,
      entries: lines.length,
      digest: sha256Base64url(body),
    }
    return { body, header: await signer.sign(claims, snapshotType) }
  }

  const start = (audience: Audience): Kept => {
    const position = tail.refresh()
    const snapshot = position.then((at) => build(audience, at))
    const made: Kept = { position, snapshot, madeAt: undefined }
    kept.delete(audience.name)
    kept.set(audience.name, made)
    const [oldest] = kept.keys()
    if (kept.size > audienceLimit && oldest !== undefined) kept.delete(oldest)
    snapshot.then(
      () => {
        made.madeAt = performance.now()
      },
      // What failed is made anew for the next one who asks.
      () => forget(audience, made),
    )
    return made
  }

  const forget = ({ name }: Audience, made: Kept): void => {
    if (kept.get(name) === made) kept.delete(name)
  }

  return async (audience, least) => {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const known = kept.get(audience.name)
      const isFresh = known !== undefined && (known.madeAt === undefined || performance.now() - known.madeAt < keptMs)
      const made = isFresh ? known : start(audience)
      const { head } = await made.position
      if (head >= least) return await made.snapshot
      // It began before the stream did. One is made at a time, and the next one for all who wait for it.
      await made.snapshot.catch(() => undefined)
      forget(audience, made)
    }
    throw new StoreUnavailable('no snapshot reaches the stream')
  }
}

/** What of the log up to a number still matters to an audience. There may be millions of rows, and others have their turn between. */
async function gather(
  store: Pick<Store, 'readFeed'>,
  audience: Audience,
  head: number,
): Promise<readonly SnapshotLine[]> {
  const compaction = createCompaction()
  for (let after = 0; after < head; ) {
    const { rows } = await store.readFeed({ after, limit: pageLimit })
    for (const row of rows) if (concerns(row, audience)) compaction.add(row.entry, row.atMs)
    after = rows.length < pageLimit ? head : (rows.at(-1)?.seq ?? head)
    await otherWork()
  }
  return compaction.lines()
}

async function write(lines: readonly SnapshotLine[]): Promise<string> {
  const parts: string[] = []
  for (let at = 0; at < lines.length; at += linesTogether) {
    const part = lines.slice(at, at + linesTogether)
    parts.push(part.map((line) => `${JSON.stringify(line)}\n`).join(''))
    await otherWork()
  }
  return parts.join('')
}
