import {
  decodeUnverifiedSecurityEvent,
  Refusal,
  type SecurityEventExpectation,
  verifyRevocationSnapshot,
} from '@arctos/core'
import type { KeySource } from '../keys/key-source.ts'
import type { FeedOrder } from './order.ts'
import type { LogEnd } from './polling.ts'
import { keyOf } from './receiver.ts'
import { applySnapshot, isBodyOf, type SnapshotSink } from './snapshot.ts'
import type { SnapshotAnswer } from './stream.ts'
import type { Trouble } from './trouble.ts'

export interface SynchronisationOptions extends SecurityEventExpectation {
  readonly keys: Pick<KeySource, 'held' | 'find'>
  readonly order: FeedOrder
  readonly sink: SnapshotSink
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** A snapshot may be this much older than the question for it: transmitters make one for many guards. In seconds. */
const ageLimitSeconds = 60

/**
 * Verifies a snapshot, compares its body with what was signed, and applies it: what is known afterwards is a union, for entries
 * only grow. The order begins anew at its head. PROTOCOL §6
 *
 * @param askedAt epoch seconds
 * @param least where the log is known to have been, if it is one that numbers its events
 */
export async function synchronise(
  { statement, body }: SnapshotAnswer,
  askedAt: number,
  least: LogEnd | undefined,
  options: SynchronisationOptions,
): Promise<Trouble | undefined> {
  const unverified = decodeUnverifiedSecurityEvent(statement, 'revocationSnapshot')
  if ('problem' in unverified) return refused(unverified.problem)
  try {
    const key = await keyOf(options.keys, unverified)
    if (key === undefined) return refused('key')
    const snapshot = verifyRevocationSnapshot(unverified, key, options, options.now() / 1_000)
    if ('problem' in snapshot) return refused(snapshot.problem)
    // An old one, kept by whoever stands between, would hide what was taken back since.
    if (snapshot.issuedAt < askedAt - ageLimitSeconds - options.clockToleranceSeconds) return refused('old')
    if (least !== undefined && snapshot.epoch === least.epoch && snapshot.head < least.head) return refused('behind')
    if (!(await isBodyOf(snapshot, body))) return refused('digest')
    const trouble = await applySnapshot(snapshot, body, options.sink)
    if (trouble === undefined) options.order.reset(snapshot.epoch, snapshot.head)
    return trouble
  } catch (error) {
    if (error instanceof Refusal) return { problem: 'snapshot: the keys of the transmitter cannot be had' }
    throw error
  }
}

function refused(why: string): Trouble {
  return { problem: `snapshot: ${why}`, reason: `snapshot_${why}` }
}
