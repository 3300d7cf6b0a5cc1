/** What a page of the application can switch on. */
export type BffError =
  /** Nobody is logged in, or the session is over: navigate to `login`. */
  | 'login_required'
  /** Not a call of the application's own page. */
  | 'foreign_call'
  | 'method_not_allowed'
  | 'path_refused'
  | 'body_too_long'
  /** The authorization server cannot be asked for now; the session is kept. */
  | 'unavailable'
  /** The authorization server gives no token for this API. Logging in again does not help. */
  | 'token_refused'
  /** The API rejects new tokens, too. Logging in again does not help. */
  | 'api_refused_token'
  /** The API wants the user to authenticate again, or better (RFC 9470). */
  | 'step_up_required'
  | 'api_unreachable'
  | 'api_timeout'
  /** The API redirects out of its own place, or its answer may not be handed on. */
  | 'api_answer_refused'
  | 'fault'

const shut = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/** What goes with every answer. */
export const quietHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': shut,
  'cross-origin-resource-policy': 'same-origin',
  // The address of the callback holds a code.
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

export function jsonAnswer(body: object, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(body, { status, headers: { ...quietHeaders, ...headers } })
}

/** An answer to a script that went wrong: `{"error", "message"}` and what else helps. */
export function errorAnswer(
  status: number,
  error: BffError,
  message: string,
  more: { readonly headers?: Readonly<Record<string, string>>; readonly members?: object } = {},
): Response {
  return jsonAnswer({ error, message, ...more.members }, status, more.headers)
}

export interface PageContent {
  readonly status: number
  readonly title: string
  readonly text: string
  readonly link: { readonly href: string; readonly text: string }
  /** Goes on to the link by itself. */
  readonly goesOn?: boolean
}

/** A page for a person: no script, nothing loaded, one link. */
export function pageAnswer({ status, title, text, link, goesOn = false }: PageContent): Response {
  const href = escapeHtml(link.href)
  const refresh = goesOn ? `<meta http-equiv="refresh" content="0; url=${href}">` : ''
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">`
  const body = `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(text)}</p><p><a href="${href}">${escapeHtml(link.text)}</a></p>`
  const html = `<!doctype html><html lang="en"><head>${head}${refresh}<title>${escapeHtml(title)}</title></head><body>${body}</body></html>`
  const policy = shut.replace("default-src 'none'", "default-src 'none'; img-src data:")
  const headers = { ...quietHeaders, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy }
  return new Response(html, { status, headers })
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
