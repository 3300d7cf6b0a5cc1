import { Refusal } from '@arctos/core'
import { type FormFields, formOf } from './form-body.ts'
import { type GuardRequest, headerValues } from './guard-request.ts'

/** Where a token may stand beside the Authorization header. RFC 6750 §2.2, §2.3 */
export interface Transports {
  readonly form: boolean
  readonly query: boolean
}

/** The one access token of a request, and where it stood. */
export interface Credential {
  readonly token: string
  readonly transport: 'header' | 'form' | 'query'
}

/** The b64token grammar of RFC 6750 §2.1. */
const grammar = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * The one access token of a request. Throws `credentials.missing` for a request without one, `credentials.malformed` for a broken
 * one, `credentials.multiple` for more than one. A promise only where a form has to be read. RFC 6750 §2
 */
export function readCredential(request: GuardRequest, transports: Transports): Credential | Promise<Credential> {
  const form = formOf(request, transports.form)
  if (form instanceof Promise) return form.then((fields) => chooseCredential(request, fields, transports))
  return chooseCredential(request, form, transports)
}

function chooseCredential(request: GuardRequest, form: FormFields | undefined, transports: Transports): Credential {
  const authorization = readAuthorization(request)
  const inQuery = tokensInQuery(request.url)
  const inForm = form === undefined ? none : tokensInForm(form)
  const others = inQuery.length + inForm.length
  if (authorization.token !== undefined) {
    // Also where its transport is off, a token beside the header is a second credential (RFC 6750 §2).
    if (others > 0) throw multiple('a token in header and elsewhere', 1 + others)
    return { token: authorization.token, transport: 'header' }
  }
  const [token] = [...(transports.query ? inQuery : none), ...(transports.form ? inForm : none)]
  if (token === undefined) {
    throw new Refusal('credentials.missing', {
      check: 'credentials',
      expected: 'Authorization: Bearer',
      received: authorization.isPresent ? 'another scheme' : 'no Authorization header',
    })
  }
  if (others > 1) throw multiple('tokens in query and form', others)
  if (authorization.isPresent) throw multiple('a token beside an Authorization header', 2)
  if (typeof token !== 'string' || !grammar.test(token)) throw malformed('one token in access_token')
  if (inForm.length === 0) return { token, transport: 'query' }
  if (/\P{ASCII}/u.test(JSON.stringify(form))) throw malformed('a form of ASCII characters')
  return { token, transport: 'form' }
}

/** The Bearer credential of the Authorization header. RFC 6750 §2.1 */
function readAuthorization({ headers }: GuardRequest): { isPresent: boolean; token?: string } {
  const values = headerValues(headers, 'authorization')
  // Servers join or drop repeated headers, each in its own way; which one the proxy in front looked at is anyone's guess.
  if (values.length > 1) throw multiple('Authorization headers', values.length)
  const value = values[0] ?? ''
  const scheme = /^[^\s,]*/.exec(value)?.[0] ?? ''
  if (scheme.toLowerCase() !== 'bearer') {
    if (/,\s*bearer(\s|$)/i.test(value)) throw multiple('Authorization credentials', 2)
    return { isPresent: value !== '' }
  }
  let start = scheme.length
  while (value.charAt(start) === ' ') start++
  const token = start > scheme.length ? value.slice(start) : ''
  if (!grammar.test(token)) {
    if (token.includes(',')) throw multiple('Authorization credentials', 2)
    throw malformed('Bearer and one token')
  }
  return { isPresent: true, token }
}

const none: readonly unknown[] = []

function tokensInQuery(url: string): readonly unknown[] {
  const start = url.indexOf('?')
  return start < 0 ? none : new URLSearchParams(url.slice(start)).getAll('access_token')
}

/** Every value that the parser left under the name, of whatever type. */
function tokensInForm(form: FormFields): readonly unknown[] {
  if (!Object.hasOwn(form, 'access_token')) return none
  const value = form['access_token']
  return Array.isArray(value) ? value : [value]
}

function malformed(expected: string): Refusal {
  return new Refusal('credentials.malformed', { check: 'credentials', expected })
}

function multiple(what: string, count: number): Refusal {
  return new Refusal('credentials.multiple', { check: what, expected: 1, received: count })
}
