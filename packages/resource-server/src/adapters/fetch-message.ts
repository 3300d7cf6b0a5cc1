import { type FormFields, formLimitBytes, parseForm, unreadableForm } from '../form-body.ts'
import type { GuardRequest } from '../guard-request.ts'

/** What the guard sees of a Fetch request. */
export function guardRequest(request: Request): GuardRequest {
  const { method, url, headers } = request
  return { method, url, headers, form: () => readForm(request) }
}

/** Marks a good answer as private, unless it says something as strict itself. RFC 6750 §2.3 */
export function markPrivate(response: Response): Response {
  const stated = response.headers.get('cache-control') ?? ''
  if (!response.ok || /\b(private|no-store)\b/i.test(stated)) return response
  const { status, statusText, body } = response
  const headers = new Headers(response.headers)
  headers.set('cache-control', 'private')
  return new Response(body, { status, statusText, headers })
}

/** Reads the form of a request from a copy of its body, so that the handler finds the body whole. */
async function readForm(request: Request): Promise<FormFields | undefined> {
  if (request.bodyUsed) throw new TypeError('transports.form: the body was read before the guard')
  const { body } = request.clone()
  if (body === null) return undefined
  const chunks: Uint8Array[] = []
  let length = 0
  // Leaving the loop by an error cancels the copy; the other half goes on.
  for await (const chunk of body) {
    length += chunk.length
    if (length > formLimitBytes) throw unreadableForm('a longer one')
    chunks.push(chunk)
  }
  return parseForm(Buffer.concat(chunks))
}
