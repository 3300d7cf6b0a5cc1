import type { Line } from './exchange.ts'
import { receiver } from './setting.ts'

/** What happened at one guard. Times in ms. */
export interface GuardRecord {
  /** From acknowledgement to force, for everything that the feed told, in its order. */
  readonly lags: number[]
  /** The same where nothing was out of order meanwhile. */
  readonly undisturbed: number[]
  /** From acknowledgement to the last acceptance: on a route that refuses when the feed is stale, and on one that accepts. */
  worstStrict: number
  worstLenient: number
  /** From start to the first acceptance. */
  readonly ready: number[]
  /** How long it was stale after it had been ready. */
  staleMs: number
  resyncs: number
  readonly violations: string[]
}

export function createRecord(): GuardRecord {
  return {
    lags: [],
    undisturbed: [],
    worstStrict: 0,
    worstLenient: 0,
    ready: [],
    staleMs: 0,
    resyncs: 0,
    violations: [],
  }
}

/** What a guard knew when something came into force. */
export interface Moment {
  readonly at: number
  /** When the last question was sent that was answered in full; minus infinity before the first. */
  readonly knownAt: number
  /** When something was out of order last. */
  readonly troubleAt: number
}

/** Notes that an entry is in force from now on, and holds the guard to its bounds. */
export function noteForce(record: GuardRecord, acknowledged: number, { at, knownAt, troubleAt }: Moment): void {
  const lag = Math.max(0, at - acknowledged)
  record.lags.push(lag)
  const lastAcceptance = (afterMs: number): number => Math.max(0, Math.min(lag, knownAt + afterMs - acknowledged))
  const strict = lastAcceptance(receiver.staleAfterMs)
  const lenient = lastAcceptance(receiver.unavailableAfterMs)
  record.worstStrict = Math.max(record.worstStrict, strict)
  record.worstLenient = Math.max(record.worstLenient, lenient)
  const say = (what: string, value: number): void => {
    record.violations.push(
      `${what} ${Math.round(value)} ms after the acknowledgement at ${Math.round(acknowledged)} ms`,
    )
  }
  if (strict >= receiver.staleAfterMs) say('a strict route accepts', strict)
  if (lenient >= receiver.unavailableAfterMs) say('a lenient route accepts', lenient)
  if (troubleAt >= acknowledged) return
  record.undisturbed.push(lag)
  if (lag > receiver.freshMs) say('undisturbed, it is accepted', lag)
}

/** Holds a guard to what it says it knows: everything that was acknowledged before it asked. */
export function noteKnowledge(
  record: GuardRecord,
  line: Line,
  appliedTo: number,
  askedAt: number,
  knownAt: number,
  at: number,
): void {
  const { world, resource } = line
  const list = world.told[resource] as Int32Array
  if (knownAt !== Number.NEGATIVE_INFINITY) record.staleMs += Math.max(0, at - knownAt - receiver.staleAfterMs)
  // Numbers are given almost in the order of acknowledgement, so a few decide.
  for (let place = appliedTo; place < appliedTo + 4 && place < list.length; place += 1) {
    const acknowledged = world.acknowledged[list[place] as number] as number
    if (acknowledged > askedAt) continue
    record.violations.push(
      `fresh as of ${Math.round(askedAt)} ms without what was acknowledged at ${Math.round(acknowledged)} ms`,
    )
    return
  }
}
