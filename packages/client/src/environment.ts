import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

/** The platform's fetch, or one that behaves alike. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/** What the package takes from the world around it, so that a test decides about network, time and chance. */
export interface EnvironmentOptions {
  /** How requests are made; by default the `fetch` of the platform. */
  readonly fetch?: Fetch
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** Unpredictable bytes. */
  readonly random?: (byteLength: number) => Uint8Array
  /** Lets a time pass, in milliseconds; used between attempts. May end early, rejecting, when the signal fires. */
  readonly wait?: (durationMs: number, signal?: AbortSignal) => Promise<unknown>
}

/** The same, complete. */
export interface Environment {
  readonly fetch: Fetch
  readonly nowSeconds: () => number
  readonly random: (byteLength: number) => Uint8Array
  readonly wait: (durationMs: number, signal?: AbortSignal) => Promise<unknown>
}

/** The real world, where nothing else is given. */
export function completeEnvironment({ fetch: given, now = Date.now, ...options }: EnvironmentOptions): Environment {
  return {
    // Looked up at each call, so that a fetch installed later (a proxy, an instrumentation) is used too.
    fetch: given ?? ((input, init) => fetch(input, init)),
    nowSeconds: () => now() / 1_000,
    random: options.random ?? randomBytes,
    wait: options.wait ?? ((durationMs, signal) => sleep(durationMs, undefined, { ...(signal && { signal }) })),
  }
}

/** A number from 0 up to 1, from the bytes of chance. */
export function randomFraction(random: Environment['random']): number {
  const bytes = random(4)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32BE(0) / 0x1_0000_0000
}
