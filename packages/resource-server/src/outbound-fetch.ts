import { type JsonObject, parseJsonObject } from '@arctos/core'

/** The part of the platform's `fetch` that is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** A JSON object that the authorization server sent, or why there is none. */
export type Fetched =
  | { readonly ok: true; readonly status: number; readonly headers: Headers; readonly object: JsonObject | undefined }
  | { readonly ok: false; readonly problem: string }

const usualTimeoutMs = 3_000
/** Longest body that is read, in bytes. */
export const bodyByteLimit = 256 * 1_024

/** The bytes of an answer, whatever they are, or why there are none. */
export type FetchedBytes =
  | { readonly ok: true; readonly status: number; readonly headers: Headers; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly problem: string }

/** How long an answer may take and how big it may be, where the usual bounds do not fit; and what ends the wait. */
export interface FetchBounds {
  readonly timeoutMs?: number | undefined
  readonly byteLimit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Asks like {@link fetchBytes}. `object` is `undefined` when the body is no strict JSON object. */
export async function fetchJson(fetch: Fetch, url: string, init: RequestInit): Promise<Fetched> {
  const answer = await fetchBytes(fetch, url, init)
  if (!answer.ok) return answer
  const { status, headers, bytes } = answer
  return { ok: true, status, headers, object: parseJsonObject(bytes) }
}

/**
 * Asks the authorization server, bounded in time (3 s with the body) and size (256 KiB) unless `bounds` says otherwise, and never follows a redirect: keys
 * and answers come from the configured address or not at all. Both hold for a `fetch` of the operator's too, whatever it makes of
 * its arguments.
 */
export async function fetchBytes(
  fetch: Fetch,
  url: string,
  init: RequestInit,
  bounds: FetchBounds = {},
): Promise<FetchedBytes> {
  const { timeoutMs = usualTimeoutMs, byteLimit = bodyByteLimit } = bounds
  try {
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = bounds.signal === undefined ? timeout : AbortSignal.any([timeout, bounds.signal])
    return await Promise.race([ask(fetch, url, { ...init, redirect: 'error', signal }, byteLimit), abortOf(signal)])
  } catch (error) {
    // Whatever goes wrong out there is one outcome to us: no answer.
    return { ok: false, problem: describe(error, timeoutMs) }
  }
}

async function ask(fetch: Fetch, url: string, init: RequestInit, byteLimit: number): Promise<FetchedBytes> {
  const response = await fetch(url, init)
  if (response.redirected) return { ok: false, problem: 'a redirect' }
  const bytes = await readBounded(response, byteLimit)
  if (bytes === undefined) return { ok: false, problem: `more than ${byteLimit} bytes` }
  return { ok: true, status: response.status, headers: response.headers, bytes }
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

async function readBounded(response: Response, byteLimit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > byteLimit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The kind of a network error; never its message, which may repeat what was sent. */
function describe(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return 'no answer'
  if (error.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`
  const { cause } = error
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return typeof code === 'string' ? code : 'no answer, or a redirect'
}
