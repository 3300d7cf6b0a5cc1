import { expect } from 'vitest'
import { type Answer, jsonOf } from './http.ts'

/** The codes of RFC 6749 §5.2, and those that later RFCs registered for the token endpoint. */
const tokenErrors = [
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_target',
]
const errorCharacters = /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/
const uriCharacters = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** An error of the token endpoint, or of one that answers like it: form, characters, caching. RFC 6749 §5.2 */
export function expectError(answer: Answer, ...codes: readonly string[]): void {
  expect(answer.status, withoutTokens(answer)).toBeGreaterThanOrEqual(400)
  expect(answer.status, withoutTokens(answer)).toBeLessThan(500)
  const body = jsonOf(answer)
  expect(codes.length === 0 ? tokenErrors : codes).toContain(body['error'])
  expectErrorMembers(body)
  if (body['error'] !== 'invalid_client') expect(answer.status).not.toBe(401)
}

/** The characters that an error may have, and that its address is one. RFC 6749 §4.1.2.1, RFC 6749 §5.2 */
export function expectErrorMembers(members: Readonly<Record<string, unknown>>): void {
  expect(members['error']).toMatch(errorCharacters)
  if (members['error_description'] !== undefined) expect(members['error_description']).toMatch(errorCharacters)
  if (members['error_uri'] !== undefined) {
    expect(members['error_uri']).toMatch(uriCharacters)
    expect(URL.canParse(String(members['error_uri']))).toBe(true)
  }
}

/** That nothing was issued, however the server says no. */
export function expectNoToken(answer: Answer): void {
  expect(answer.status, withoutTokens(answer)).toBeGreaterThanOrEqual(400)
  expect(answer.text.includes('"access_token"')).toBe(false)
}

/** What was answered, for whoever reads the report; tokens are nobody's to read there. */
function withoutTokens({ text }: Answer): string {
  return text.replace(/("\w+_token"\s*:\s*")[^"]*/g, '$1…')
}

/** An answer that no cache may keep. */
export function expectNoStore(answer: Answer): void {
  expect(answer.headers.get('cache-control') ?? '').toMatch(/\bno-store\b/)
}
