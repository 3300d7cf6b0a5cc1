import { formatChallenge, type Refusal, refusalRow } from '@arctos/core'
import type { Answer } from '../message.ts'

/**
 * Every answer that carries or speaks of tokens. RFC 6749 §5.1
 * Scripts of any origin may read them, for they come with no cookie: whoever asks has shown its own credential.
 */
const jsonHeaders = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  pragma: 'no-cache',
  'x-content-type-options': 'nosniff',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'arctos-receipt, retry-after, www-authenticate',
} as const

/** A JSON answer that no cache keeps. */
export function jsonAnswer(body: string, status = 200, headers?: Readonly<Record<string, string>>): Answer {
  return { status, headers: headers === undefined ? jsonHeaders : { ...jsonHeaders, ...headers }, body }
}

/** The same answer for those who speak Fetch. To HEAD it is the same without its body. */
export function toResponse({ status, headers, body }: Answer, request: { readonly method: string }): Response {
  // Bytes of ours never lie in memory that another thread shares, which the type cannot say.
  const content = body as string | Uint8Array<ArrayBuffer> | null
  return new Response(request.method === 'HEAD' ? null : content, { status, headers })
}

/** The answer of a refusal at an OAuth endpoint: the row's status and code, its fixed sentence, the receipt. RFC 6749 §5.2 */
export function refusalAnswer(issuer: string, refusal: Refusal, receipt: string): Answer {
  const { code, status, sentence } = refusalRow(refusal.reason)
  const headers: Record<string, string> = { 'arctos-receipt': receipt }
  // RFC 6749 §5.2: the scheme that the client tried, or could try.
  if (status === 401) headers['www-authenticate'] = formatChallenge('Basic', { realm: issuer })
  if (status === 503 || status === 429) headers['retry-after'] = String(refusal.facts['retryAfterSeconds'] ?? 1)
  if (status === 405) headers['allow'] = String(refusal.facts.expected ?? 'POST')
  const body = JSON.stringify({ error: code, error_description: sentence, error_uri: `${issuer}/receipts/${receipt}` })
  return jsonAnswer(body, status, headers)
}

/** What a browser asks before a script of another origin may post here. */
export function preflightAnswer(methods: readonly string[]): Answer {
  const headers = {
    allow: methods.join(', '),
    'access-control-allow-origin': '*',
    'access-control-allow-methods': methods.join(', '),
    'access-control-allow-headers': 'authorization, content-type',
    'access-control-max-age': '600',
  }
  return { status: 204, headers, body: null }
}
