import { formatChallenge, type Refusal, refusalRow } from '@arctos/core'

/** An HTTP answer as plain data; header names are in lower case. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What the answers of one protected resource have in common. */
export interface AnswerContext {
  readonly metadataUrl: string
  /** The scope that the route asks for. */
  readonly scope: string | undefined
  readonly receipt: string | undefined
}

/** The challenge of a refusal; none where the fault is ours, for no other credential would help. RFC 6750 §3 */
export function challengeOf(refusal: Refusal, context: AnswerContext): string | undefined {
  const { code, status, sentence } = refusalRow(refusal.reason)
  if (status >= 500) return undefined
  return formatChallenge('Bearer', {
    // Without credentials there is no error to name: the client may not have known that it needs any (RFC 6750 §3.1).
    error: code === '' ? undefined : code,
    error_description: code === '' ? undefined : sentence,
    // A malformed request says nothing about what its token may do.
    scope: status === 400 ? undefined : context.scope,
    resource_metadata: context.metadataUrl,
  })
}

/** The whole answer to a refused request: status, challenge and body from the row of the table. RFC 6750 §3.1 */
export function answerOf(refusal: Refusal, challenge: string | undefined, context: AnswerContext): Answer {
  const { code, status, sentence } = refusalRow(refusal.reason)
  const { retryAfterSeconds } = refusal.facts
  const headers = {
    'cache-control': 'no-store',
    ...(challenge === undefined ? {} : { 'www-authenticate': challenge }),
    ...(status === 503 ? { 'retry-after': String(retryAfterSeconds ?? 1) } : {}),
    ...(context.receipt === undefined ? {} : { 'arctos-receipt': context.receipt }),
  }
  if (code === '') return { status, headers, body: '' }
  const body = JSON.stringify({ error: code, error_description: sentence })
  return { status, headers: { ...headers, 'content-type': 'application/json' }, body }
}
