import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBase64url, encodeBase64url, isCanonicalBase64url } from '../src/index.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

describe('base64url', () => {
  it('decodes what it encodes, for every length of bytes [RFC 7515 §2]', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = encodeBase64url(bytes)
        expect(decodeBase64url(text)).toEqual(Buffer.from(bytes))
        expect(text).toBe(Buffer.from(bytes).toString('base64url'))
      }),
    )
  })

  it('encodes a text as its UTF-8 bytes', () => {
    expect(encodeBase64url('ἄρκτος')).toBe(Buffer.from('ἄρκτος', 'utf8').toString('base64url'))
  })

  it('encodes only the window of a view into a larger buffer', () => {
    const bytes = new Uint8Array([1, 2, 3, 4, 5, 6])
    expect(encodeBase64url(bytes.subarray(2, 4))).toBe(encodeBase64url(new Uint8Array([3, 4])))
  })

  it.each([1, 2])('takes one spelling only of %d bytes: unused bits are zero [RFC 4648 §3.5]', (length) => {
    const canonical = encodeBase64url(new Uint8Array(length).fill(0xff))
    const start = canonical.slice(0, -1)
    const spellings = [...alphabet].map((last) => start + last)
    // Exactly the texts that the encoder can produce: 4 last characters for one byte, 16 for two.
    const accepted = spellings.filter(isCanonicalBase64url)
    expect(accepted).toHaveLength(length === 1 ? 4 : 16)
    for (const text of accepted) expect(Buffer.from(text, 'base64url').toString('base64url')).toBe(text)
  })

  it('agrees with encoding again, for every text of the alphabet', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 40 }), (text) => {
        const isOwnSpelling = Buffer.from(text, 'base64url').toString('base64url') === text
        expect(isCanonicalBase64url(text)).toBe(isOwnSpelling)
      }),
    )
  })

  it.each(['A', 'AAAAA', 'AA==', 'AAA=', 'AA\n', ' AA', 'A A', '+A', '/A', 'AA\0', 'ＡＡ', 'AA.', 'A%3D'])(
    'refuses %j [RFC 7515 §2]',
    (text) => {
      expect(isCanonicalBase64url(text)).toBe(false)
      expect(decodeBase64url(text)).toBeUndefined()
    },
  )

  it('takes the empty text as no bytes', () => {
    expect(decodeBase64url('')).toEqual(Buffer.alloc(0))
  })
})
