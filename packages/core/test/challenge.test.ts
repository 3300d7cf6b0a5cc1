import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatChallenge } from '../src/index.ts'

/** Reads one challenge as RFC 9110 §11.6.1 has it: scheme, then name="quoted string" with commas between. */
function readChallenge(text: string): {
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
} {
  const [, scheme = '', rest = ''] = /^([A-Za-z]+)(?: (.*))?$/s.exec(text) ?? []
  const parameters: Record<string, string> = {}
  const one = /(\w+)="((?:[^"\\]|\\.)*)"(?:, |$)/gsy
  let end = 0
  for (let match = one.exec(rest); match !== null && match[0] !== ''; match = one.exec(rest)) {
    parameters[match[1] ?? ''] = (match[2] ?? '').replaceAll(/\\(.)/gs, '$1')
    end = one.lastIndex
  }
  if (end !== rest.length) throw new Error(`cannot read the rest of ${text}`)
  return { scheme, parameters }
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '\r', '\n', '\0', '\x7f', ',', '=', ' ', 'a', 'é', '\u2028', '\ud800'),
  }),
)

describe('formatChallenge', () => {
  it('writes a scheme alone where nothing is to be said', () => {
    expect(formatChallenge('Bearer', {})).toBe('Bearer')
    expect(formatChallenge('Bearer', { error: undefined })).toBe('Bearer')
  })

  it('writes each parameter once, as a quoted string [RFC 6750 §3(d)(e)(f)]', () => {
    expect(formatChallenge('Bearer', { realm: 'api', error: 'invalid_token', scope: undefined, max_age: 60 })).toBe(
      'Bearer realm="api", error="invalid_token", max_age="60"',
    )
  })

  it('escapes quotes and backslashes [RFC 9110 §5.6.4]', () => {
    expect(formatChallenge('Bearer', { realm: 'a"b\\c' })).toBe('Bearer realm="a\\"b\\\\c"')
  })

  it('is always a valid header value that reads back, whatever it is given [RFC 9110 §11.6.1]', () => {
    const names = fc.constantFrom('realm', 'scope', 'error', 'error_description', 'resource_metadata')
    fc.assert(
      fc.property(fc.dictionary(names, anyText), (parameters) => {
        const text = formatChallenge('Bearer', parameters)
        expect(text).toMatch(/^[\x20-\x7e]*$/)
        expect(new Headers({ 'www-authenticate': text }).get('www-authenticate')).toBe(text.trimEnd())
        const expected = Object.entries(parameters).map(([name, value]) => [
          name,
          value.replaceAll(/[^\x20-\x7e]/g, '?'),
        ])
        expect(readChallenge(text)).toEqual({ scheme: 'Bearer', parameters: Object.fromEntries(expected) })
      }),
      { numRuns: 1_000 },
    )
  })

  it('cannot be split into two headers or two challenges', () => {
    const text = formatChallenge('Bearer', { realm: 'a"\r\nSet-Cookie: a=b\r\n, Basic realm="b' })
    expect(text).toBe('Bearer realm="a\\"??Set-Cookie: a=b??, Basic realm=\\"b"')
  })
})
