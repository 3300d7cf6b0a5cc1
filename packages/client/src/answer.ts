import { type JsonObject, parseJsonObject, readString } from '@arctos/core'
import type { Environment } from './environment.ts'
import { ClientError, OAuthError, Unavailable } from './errors.ts'

/** A whole answer of the authorization server. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
  /** Epoch seconds, from before the request was sent: what the answer says to last so long lasts at least from then. */
  readonly sentAt: number
}

const bodyLimitBytes = 262_144
const describedLimit = 300

/**
 * Sends one request to the authorization server and reads the whole answer: at most 256 KB, within the time, without following
 * a redirect (credentials would go along). Throws `unavailable` or `answer_refused`.
 */
export async function askServer(
  { fetch, nowSeconds }: Environment,
  url: string,
  init: RequestInit,
  timeoutMs: number,
): Promise<Answer> {
  const sentAt = nowSeconds()
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), timeoutMs)
  try {
    const response = await fetch(url, { ...init, redirect: 'manual', signal: abort.signal })
    if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
      await response.body?.cancel()
      throw new ClientError('answer_refused', `${place(url)} answered with a redirect, which is never followed`)
    }
    return { status: response.status, headers: response.headers, body: await readBody(response, url), sentAt }
  } catch (error) {
    if (error instanceof ClientError) throw error
    const why = abort.signal.aborted
      ? `gave no whole answer within ${timeoutMs} ms`
      : `cannot be reached (${nameOf(error)})`
    throw new Unavailable(`${place(url)} ${why}`)
  } finally {
    clearTimeout(timer)
  }
}

async function readBody(response: Response, url: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  // Leaving the loop by a throw cancels the body, so that the rest is not even received.
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength
    if (length > bodyLimitBytes) {
      throw new ClientError('answer_refused', `the answer of ${place(url)} is longer than ${bodyLimitBytes} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The JSON object of an answer that says it is one; `undefined` for HTML and everything else. */
export function readJson({ headers, body }: Answer): JsonObject | undefined {
  const mediaType = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
  const isJson = mediaType === 'application/json' || /^application\/[\w.-]+\+json$/.test(mediaType)
  return isJson ? parseJsonObject(body) : undefined
}

/**
 * The error that an answer other than 200 stands for (RFC 6749 §5.2).
 *
 * @param secrets what was sent and must not come back in a text, whatever the server echoes
 */
export function errorOfAnswer(answer: Answer, url: string, secrets: readonly string[], now: number): ClientError {
  const { status } = answer
  const receipt = readReceipt(answer.headers)
  if (status === 429 || status >= 500) {
    const retryAfterSeconds = readRetryAfter(answer.headers.get('retry-after'), now)
    return new Unavailable(`${place(url)} answered ${status}`, { status, receipt }, retryAfterSeconds)
  }
  const json = readJson(answer)
  const error = json && readErrorCode(json)
  if (json === undefined || error === undefined) {
    return new ClientError('answer_refused', `${place(url)} answered ${status} without an OAuth error`)
  }
  return new OAuthError(redact(error, secrets), describe(readString(json, 'error_description'), secrets), {
    status,
    receipt,
  })
}

/** An error code within its characters (RFC 6749 §5.2), or `undefined`. */
export function readErrorCode(json: JsonObject): string | undefined {
  const code = readString(json, 'error')
  return code !== undefined && /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,100}$/.test(code) ? code : undefined
}

/** A server's sentence, made safe to print: short, without control characters, without anything in `secrets`. */
export function describe(text: string | undefined, secrets: readonly string[]): string | undefined {
  if (text === undefined) return undefined
  return redact(text, secrets)
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, describedLimit)
}

function redact(text: string, secrets: readonly string[]): string {
  return secrets.reduce((left, secret) => (secret === '' ? left : left.replaceAll(secret, '[redacted]')), text)
}

function readReceipt(headers: Headers): string | undefined {
  const receipt = headers.get('arctos-receipt')
  return receipt !== null && /^[\w-]{1,1000}$/.test(receipt) ? receipt : undefined
}

const retryAfterLimitSeconds = 300

/** Seconds that `Retry-After` asks for, as a number or a date; no more than five minutes, whoever asks (RFC 9110 §10.2.3). */
function readRetryAfter(text: string | null, now: number): number | undefined {
  if (text === null) return undefined
  const seconds = /^\d{1,10}$/.test(text) ? Number(text) : Date.parse(text) / 1_000 - now
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), retryAfterLimitSeconds)
}

/** Where a request went, without the query. */
function place(url: string): string {
  return url.split('?')[0] ?? ''
}

/** What the platform calls a failure. Its whole error is not kept: nobody can say what a foreign fetch puts into it. */
function nameOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : undefined
  const code = typeof cause === 'object' && 'code' in cause ? cause.code : undefined
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,40}$/.test(code) ? code : 'network error'
}
