import { refusalRow } from '@arctos/core'
import { errorPage } from '../pages/error-page.ts'
import { styleSource } from '../pages/style.ts'
import type { SealedRefusal } from './entry.ts'

export interface PageOptions {
  readonly cookies?: readonly string[]
  /** Where the page's form may lead besides this server, as a source of a content security policy. */
  readonly leadsTo?: string | undefined
  /** The refusal that the page tells of; its row decides the status. */
  readonly sealed?: SealedRefusal | undefined
}

/**
 * An HTML page: no script, no framing, nothing from elsewhere, no trace in a cache or a referrer. RFC 9700 §4.16,
 * RFC 6749 §10.13
 */
export function pageAnswer(page: string, options: PageOptions = {}): Response {
  const { cookies = [], leadsTo, sealed } = options
  const answer = new Response(page, {
    status: sealed === undefined ? 200 : refusalRow(sealed.refusal.reason).status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy(leadsTo),
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
      ...(sealed && refusalHeaders(sealed)),
    },
  })
  for (const cookie of cookies) answer.headers.append('set-cookie', cookie)
  return answer
}

/**
 * Chromium holds `form-action` against every redirect that follows a form, those of the client's own callback too: a
 * page that leads to a client has to allow https, or the user would be stuck on it without a word.
 */
function policy(leadsTo: string | undefined): string {
  const formAction = leadsTo === undefined ? "'self'" : `'self' ${leadsTo} https:`
  return `default-src 'none'; style-src ${styleSource}; img-src data:; form-action ${formAction}; frame-ancestors 'none'; base-uri 'none'`
}

/** Sends the browser on with GET: a password must not travel further (RFC 9700 §4.12). */
export function seeOther(location: string, cookies: readonly string[] = [], receipt?: string): Response {
  const headers = { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }
  const answer = new Response(null, { status: 303, headers })
  for (const cookie of cookies) answer.headers.append('set-cookie', cookie)
  if (receipt !== undefined) answer.headers.set('arctos-receipt', receipt)
  return answer
}

/** The page of a refusal, which nobody is sent away with. */
export function refusalPage(sealed: SealedRefusal): Response {
  const { status, sentence } = refusalRow(sealed.refusal.reason)
  return pageAnswer(errorPage({ status, sentence, receipt: sealed.receipt }), { sealed })
}

function refusalHeaders({ refusal, receipt }: SealedRefusal): Readonly<Record<string, string>> {
  const { status } = refusalRow(refusal.reason)
  const headers: Record<string, string> = { 'arctos-receipt': receipt }
  if (status === 503 || status === 429) headers['retry-after'] = String(refusal.facts['retryAfterSeconds'] ?? 1)
  if (status === 405) headers['allow'] = String(refusal.facts.expected ?? 'GET')
  return headers
}
