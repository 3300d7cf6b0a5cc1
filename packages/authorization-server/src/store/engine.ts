import type { SecretEnvironment } from '@arctos/core'
import type { FeedHints } from './feed-hints.ts'
import type { ChangeVerb, ReadVerb } from './transaction.ts'

// The engines run verbs without knowing their types; `createStore` is where input and result meet them again.

/** One call of a changing verb, waiting for its turn. */
export interface Change {
  readonly verb: ChangeVerb<never, unknown>
  readonly input: never
}

/** One call of a reading verb. */
export interface Read {
  readonly verb: ReadVerb<never, unknown>
  readonly input: never
}

/** A database that runs verbs. */
export interface Engine extends FeedHints {
  readonly read: (read: Read) => Promise<unknown>
  readonly change: (change: Change) => Promise<unknown>
  /** Applies migrations that are missing; returns their names. */
  readonly migrate: () => Promise<readonly string[]>
  /** Names of migrations that are missing. */
  readonly pendingMigrations: () => Promise<readonly string[]>
  /** Whether commits survive the loss of this machine (PROTOCOL §1), as far as the engine can tell. */
  readonly durability: () => Promise<'standby' | 'local'>
  readonly close: () => Promise<void>
}

/** The database did not do it, and whether it did may be unknown. Answered with 503: the client retries the same request. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

/** What a caller is told of any failure below; what it was is the `cause`. */
export function unavailable(cause: unknown): StoreUnavailable {
  return cause instanceof StoreUnavailable ? cause : new StoreUnavailable('the database did not do it', { cause })
}

/** Where time and chance come from; arguments, so that tests decide both. */
export interface EngineSources {
  /** Epoch milliseconds; PostgreSQL takes the database's own clock when absent. */
  readonly now?: (() => number) | undefined
  readonly random: (byteLength: number) => Buffer
  /** What secrets made here say of themselves; `live` when absent. */
  readonly environment?: SecretEnvironment | undefined
}

/** Changes in one transaction at the most, so that the event loop gets its turn (PROTOCOL §4). */
export const batchLimit = 256
