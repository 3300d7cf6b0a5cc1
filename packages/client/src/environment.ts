import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

/** The platform's fetch, or one that behaves alike. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/** What the package takes from the world around it. Every part can be given, so that a test decides about time and chance. */
export interface Environment {
  readonly fetch: Fetch
  /** The time in epoch seconds. */
  readonly now: () => number
  /** Unpredictable bytes. */
  readonly random: (byteLength: number) => Uint8Array
  /** Lets a time pass, in milliseconds; used between attempts. */
  readonly wait: (durationMs: number) => Promise<unknown>
}

/** The real world, where nothing else is given. */
export function completeEnvironment(given: Partial<Environment>): Environment {
  return {
    // Looked up at each call, so that a fetch installed later (a proxy, an instrumentation) is used too.
    fetch: given.fetch ?? ((input, init) => fetch(input, init)),
    now: given.now ?? (() => Date.now() / 1_000),
    random: given.random ?? randomBytes,
    wait: given.wait ?? sleep,
  }
}

/** A number from 0 up to 1, from the bytes of chance. */
export function randomFraction(random: Environment['random']): number {
  const bytes = random(4)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32BE(0) / 0x1_0000_0000
}
