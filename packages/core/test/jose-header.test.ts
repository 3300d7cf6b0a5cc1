import { describe, expect, it } from 'vitest'
import { decodeUnverifiedJws } from '../src/index.ts'
import { type Part, segment, unsigned } from './raw-jws.ts'
import { refusalOf } from './refusal-of.ts'

const checkOf = (header: Part): unknown => {
  const refusal = refusalOf(() => decodeUnverifiedJws(unsigned(header, {})))
  expect(refusal.reason).toBe('token.malformed')
  return refusal.facts['check']
}
const nested = (levels: number): string => `{"alg":"ES256","x":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`

describe('JOSE header', () => {
  it.each(['[]', '"ES256"', '1', 'null', 'true', '{', '{"alg":"ES256"}x', '{"alg":"ES256",}', 'alg', ' '])(
    'refuses %j, which is no JSON object [RFC 7515 §5.2]',
    (text) => {
      expect(checkOf(text)).toBe('header')
    },
  )

  it.each([
    ['plainly', '{"alg":"ES256","alg":"none"}'],
    ['with the same value', '{"alg":"ES256","kid":"a","kid":"a"}'],
    ['in another spelling', '{"alg":"ES256","\\u0061lg":"none"}'],
    ['inside a member', '{"alg":"ES256","jwk":{"kty":"EC","kty":"oct"}}'],
    ['that nobody reads', '{"alg":"ES256","x":1,"x":2}'],
  ])('refuses a member repeated %s [RFC 7515 §4]', (_name, text) => {
    expect(checkOf(text)).toBe('header')
  })

  it('refuses a number that is not finite', () => {
    expect(checkOf('{"alg":"ES256","x":1e999}')).toBe('header')
  })

  it('takes a header 16 levels deep', () => {
    expect(decodeUnverifiedJws(unsigned(nested(16), {})).header.alg).toBe('ES256')
  })

  it('refuses a header 17 levels deep', () => {
    expect(checkOf(nested(17))).toBe('header')
  })

  it('refuses bytes that are not UTF-8 [RFC 7515 §5.2]', () => {
    expect(checkOf(Buffer.from('{"alg":"ES256","kid":"\xff"}', 'latin1'))).toBe('header')
  })

  it('refuses a byte order mark [RFC 8259 §8.1]', () => {
    expect(checkOf('\ufeff{"alg":"ES256"}')).toBe('header')
  })

  it.each([
    ['absent', {}],
    ['null', { alg: null }],
    ['a number', { alg: 256 }],
    ['a list', { alg: ['ES256'] }],
    ['an object', { alg: { name: 'ES256' } }],
  ])('refuses alg when it is %s [RFC 7515 §4.1.1]', (_name, header) => {
    expect(checkOf(header)).toBe('alg')
  })

  it.each([
    ['kid', null],
    ['kid', 1],
    ['kid', ['key-1']],
    ['kid', { id: 'key-1' }],
    ['typ', null],
    ['typ', true],
    ['typ', ['at+jwt']],
  ])('refuses %s as %j: it must be a text [RFC 7515 §4.1.4, RFC 7515 §4.1.9]', (name, value) => {
    expect(checkOf({ alg: 'ES256', [name]: value })).toBe(name)
  })

  it.each([
    ['an unknown extension', ['http://example.com/unknown'], {}],
    ['an unknown extension that is there', ['example'], { example: true }],
    ['b64, which we do not know either', ['b64'], { b64: false }],
    ['b64 as it is by default', ['b64'], { b64: true }],
    ['a name of the specification itself', ['alg'], {}],
    ['exp, known as a claim', ['exp'], { exp: 1 }],
    ['a name twice', ['b64', 'b64'], { b64: true }],
    ['an empty list', [], {}],
    ['a text', 'exp', {}],
    ['null', null, {}],
    ['true', true, {}],
    ['false', false, {}],
    ['zero', 0, {}],
    ['an object', {}, {}],
    ['a nested list', [['exp']], {}],
  ])('refuses crit when it is %s [RFC 7515 §4.1.11]', (_name, crit, others) => {
    expect(checkOf({ alg: 'ES256', crit, ...others })).toBe('crit')
  })

  it('ignores members that it does not know, keys and addresses above all [RFC 7515 §4]', () => {
    const header = {
      alg: 'ES256',
      jku: 'https://evil.example',
      jwk: { kty: 'oct', k: 'AA' },
      x5u: 'https://evil.example',
      zip: 'DEF',
    }
    const { kid, typ, members } = decodeUnverifiedJws(unsigned(header, {})).header
    expect({ kid, typ, members }).toEqual({ kid: undefined, typ: undefined, members: header })
  })

  it('does not take a member of __proto__ for a member of the header', () => {
    expect(checkOf('{"__proto__":{"alg":"ES256"}}')).toBe('alg')
  })
})

describe('memory of headers', () => {
  const kidOf = (kid: string): string | undefined => decodeUnverifiedJws(unsigned({ alg: 'ES256', kid }, {})).header.kid

  it('gives every header its own reading, however many come', () => {
    const kids = Array.from({ length: 300 }, (_, index) => `key-${index}`)
    for (const kid of [...kids, ...kids.toReversed(), ...kids]) expect(kidOf(kid)).toBe(kid)
  })

  it('reads a header that is too long to be remembered', () => {
    const kid = 'k'.repeat(2_000)
    expect([kidOf(kid), kidOf(kid)]).toEqual([kid, kid])
  })

  it('refuses a bad header again when it comes again', () => {
    const bad = { alg: 'ES256', crit: ['memory'] }
    expect([checkOf(bad), checkOf(bad)]).toEqual(['crit', 'crit'])
  })

  it('refuses another spelling of a header that it remembers [RFC 7515 §2]', () => {
    const text = segment({ alg: 'ES256', kid: 'spelled-one-way' })
    expect(decodeUnverifiedJws(`${text}.AA.AA`).header.kid).toBe('spelled-one-way')
    expect(refusalOf(() => decodeUnverifiedJws(`${text}=.AA.AA`)).facts['check']).toBe('header encoding')
  })

  it('shares headers frozen, so that no reader changes what the next one sees', () => {
    const text = unsigned({ alg: 'ES256', kid: 'shared', jwk: { kty: 'EC' } }, {})
    const { members } = decodeUnverifiedJws(text).header
    expect(Object.isFrozen(members) && Object.isFrozen(members['jwk'])).toBe(true)
    expect(decodeUnverifiedJws(text).header.members).toEqual({ alg: 'ES256', kid: 'shared', jwk: { kty: 'EC' } })
  })
})
