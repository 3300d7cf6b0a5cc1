import { Refusal } from '@arctos/core'
import { type GuardRequest, headerValues } from './guard-request.ts'

/** The b64token grammar of RFC 6750 §2.1. */
const token = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * The one access token of a request, from its Authorization header. Throws `credentials.missing` for a request without a
 * Bearer credential, `credentials.malformed` for a broken one, `credentials.multiple` for more than one. RFC 6750 §2.1
 */
export function readBearerToken(request: GuardRequest): string {
  const values = headerValues(request.headers, 'authorization')
  // Servers join or drop repeated headers, each in its own way; which one the proxy in front looked at is anyone's guess.
  if (values.length > 1) throw multiple('Authorization headers', values.length)
  const value = values[0] ?? ''
  const scheme = /^[^\s,]*/.exec(value)?.[0] ?? ''
  if (scheme.toLowerCase() !== 'bearer') {
    if (/,\s*bearer(\s|$)/i.test(value)) throw multiple('Authorization credentials', 2)
    throw new Refusal('credentials.missing', {
      check: 'credentials',
      expected: 'Authorization: Bearer',
      received: value === '' ? 'no Authorization header' : 'another scheme',
    })
  }
  const credential = /^ +(.*)$/s.exec(value.slice(scheme.length))?.[1] ?? ''
  if (!token.test(credential)) {
    if (credential.includes(',')) throw multiple('Authorization credentials', 2)
    throw new Refusal('credentials.malformed', { check: 'credentials', expected: 'Bearer and one token' })
  }
  // The query transport is off, but a token there beside the header is a second credential (RFC 6750 §2).
  if (hasTokenInQuery(request.url)) throw multiple('a token in header and query', 2)
  return credential
}

function hasTokenInQuery(url: string): boolean {
  const start = url.indexOf('?')
  return start >= 0 && new URLSearchParams(url.slice(start)).has('access_token')
}

function multiple(what: string, count: number): Refusal {
  return new Refusal('credentials.multiple', { check: what, expected: 1, received: count })
}
