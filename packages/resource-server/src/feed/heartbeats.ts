import { randomBytes } from 'node:crypto'
import type { Effect } from './effect.ts'
import type { Stream, StreamClient } from './stream.ts'
import type { Trouble } from './trouble.ts'

/** An event that says nothing but that the stream is alive. SSF 1.0 §8.1.4 */
export type Verification = Extract<Effect, { kind: 'verification' }>

/** The heartbeats of one stream that are asked for. */
export interface Heartbeats {
  /** Whether one was asked for that did not come yet. */
  isAwaited(): boolean
  /** Whether it is time to ask for one. */
  isDue(): boolean
  ask(endpoint: string, of: Stream): Promise<Trouble | undefined>
  /** When this one was asked for, in milliseconds of the clock that never steps; `undefined` for one that nobody awaits. */
  take(heartbeat: Verification): number | undefined
  /** Awaits none any more. */
  forget(): void
  /** Begins anew, for another stream. */
  reset(): void
}

/** So often one is asked for, where nothing else tells that a stream is alive. */
const everyMs = 15_000

export function createHeartbeats(client: Pick<StreamClient, 'verify'>, elapsed: () => number): Heartbeats {
  let awaited: { readonly state: string; readonly askedAt: number } | undefined
  let nextAt = 0
  return {
    isAwaited: () => awaited !== undefined,
    isDue: () => elapsed() >= nextAt,
    ask(endpoint, of) {
      const state = randomBytes(12).toString('base64url')
      awaited = { state, askedAt: elapsed() }
      nextAt = elapsed() + Math.max(everyMs, of.leastVerificationMs)
      return client.verify(endpoint, of, state)
    },
    take({ state }) {
      if (state === undefined || state !== awaited?.state) return undefined
      const { askedAt } = awaited
      awaited = undefined
      return askedAt
    },
    forget() {
      awaited = undefined
    },
    reset() {
      awaited = undefined
      nextAt = 0
    },
  }
}
