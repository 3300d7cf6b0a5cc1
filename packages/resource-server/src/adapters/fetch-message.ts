import { type FormFields, formLimitBytes, parseForm, unreadableForm } from '../request/form-body.ts'
import type { GuardRequest } from '../request/guard-request.ts'

/** What the guard sees of a Fetch request. */
export function guardRequest(request: Request): GuardRequest {
  const { method, url, headers } = request
  return { method, url, headers, form: () => readForm(request) }
}

/** Whether an answer that has to be private does not say so yet. RFC 6750 §2.3 */
export function lacksPrivacy({ ok, headers }: Response): boolean {
  return ok && !/\b(private|no-store)\b/i.test(headers.get('cache-control') ?? '')
}

/** The same answer, but private: the headers of an answer that was fetched cannot be changed. */
export function markPrivate(response: Response): Response {
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
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return parseForm(Buffer.concat(chunks))
    length += value.length
    if (length > formLimitBytes) {
      // Not awaited: a copy is given up only together with the body itself, which nobody will read to its end.
      reader.cancel().catch(() => {})
      throw unreadableForm('a longer one')
    }
    chunks.push(value)
  }
}

/** The body of a request; `undefined` for a longer one, of which the rest is given up. */
export async function readBytes({ body }: Request, byteLimit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body ?? []) {
    length += chunk.length
    if (length > byteLimit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
