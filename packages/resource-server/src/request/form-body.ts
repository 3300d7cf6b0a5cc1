import { Refusal } from '@arctos/core'
import { type GuardRequest, headerValues } from './guard-request.ts'

/** The fields of a form, as a parser left them: a text, or a list where a name came twice. */
export type FormFields = Readonly<Record<string, unknown>>

/** The longest form that is read in search of a token, in bytes: what popular body parsers take. */
export const formLimitBytes = 102_400

/** The fields of a form from its bytes, read as Latin-1: a byte beyond ASCII then shows (RFC 6750 §2.2). */
export function parseForm(bytes: Uint8Array): FormFields {
  const parameters = new URLSearchParams(Buffer.from(bytes).toString('latin1'))
  const fields: Record<string, unknown> = Object.create(null)
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name)
    fields[name] = values.length === 1 ? values[0] : values
  }
  return fields
}

/** What a form was that cannot be looked through for a token, and is therefore refused. */
export function unreadableForm(received: string): Refusal {
  return new Refusal('credentials.malformed', {
    check: 'form',
    expected: `a whole form of at most ${formLimitBytes} bytes`,
    received,
  })
}

/**
 * The fields of the request's form, where it has one that may carry a token. A body that nobody has read yet is left alone, unless
 * the transport is on: whoever reads it would take it from the handler. RFC 6750 §2.2
 */
export function formOf(
  request: GuardRequest,
  isTransport: boolean,
): FormFields | undefined | Promise<FormFields | undefined> {
  const { form } = request
  if (form === undefined || (typeof form === 'function' && !isTransport)) return undefined
  if (!bodyMethods.includes(request.method.toUpperCase()) || !isForm(request)) return undefined
  return typeof form === 'function' ? form() : form
}

/** The methods whose request body has defined semantics (RFC 9110 §9.3, RFC 5789 §2); with GET it has none. RFC 6750 §2.2 */
const bodyMethods = ['POST', 'PUT', 'PATCH']

function isForm({ headers }: GuardRequest): boolean {
  const [type, ...others] = headerValues(headers, 'content-type')
  return others.length === 0 && /^\s*application\/x-www-form-urlencoded\s*(;|$)/i.test(type ?? '')
}
