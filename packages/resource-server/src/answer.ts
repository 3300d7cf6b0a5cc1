import { formatChallenge, type Refusal, refusalRow } from '@arctos/core'
import type { ChallengeDemand } from './policy/demand.ts'

/** An HTTP answer as plain data; header names are in lower case. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What the answers of one protected resource have in common. */
export interface AnswerContext {
  readonly metadataUrl: string
  /** What the policy of the route asks for. */
  readonly demand: ChallengeDemand
  readonly receipt: string | undefined
}

/** The challenge of a refusal; none where the fault is ours, for no other credential would help. RFC 6750 §3 */
export function challengeOf({ reason }: Refusal, context: AnswerContext): string | undefined {
  const { code, status, sentence } = refusalRow(reason)
  if (status >= 500) return undefined
  const { scope, acrValues, maxAgeSeconds } = context.demand
  // Both of them, whichever failed: a new sign-in that mends one must not break the other (RFC 9470 §3).
  const isAuthentication = code === 'insufficient_user_authentication'
  return formatChallenge('Bearer', {
    // Without credentials there is no error to name: the client may not have known that it needs any (RFC 6750 §3.1).
    error: code === '' ? undefined : code,
    error_description: code === '' ? undefined : sentence,
    // A malformed request says nothing about what its token may do; where it is not the scope that is missing, a client that
    // asks for it again would come back with the same token, for ever.
    scope: status === 401 || reason === 'token.scope' ? scope : undefined,
    acr_values: isAuthentication ? acrValues : undefined,
    max_age: isAuthentication ? maxAgeSeconds : undefined,
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
