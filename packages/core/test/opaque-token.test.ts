import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatOpaqueToken,
  looksLikeCredential,
  type OpaqueKind,
  opaqueKinds,
  opaqueOriginOf,
  parseOpaqueToken,
} from '../src/index.ts'

const kinds = Object.keys(opaqueKinds) as OpaqueKind[]
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const mint = (kind: OpaqueKind, length = 32): { readonly text: string; readonly bytes: Buffer } => {
  const bytes = randomBytes(length)
  return { text: formatOpaqueToken(kind, bytes).reveal(), bytes }
}

/** Six characters for any number, also for one beyond 32 bits. */
function encodeWord(value: number): string {
  let text = ''
  for (let rest = value, count = 0; count < 6; count++, rest = Math.floor(rest / 62))
    text = digits.charAt(rest % 62) + text
  return text
}

describe('opaque tokens', () => {
  it.each(kinds)('of kind %s give back their bytes', (kind) => {
    const words = fc.integer({ min: 0, max: 20 })
    fc.assert(
      fc.property(words, (count) => {
        const { text, bytes } = mint(kind, count * 4)
        expect(parseOpaqueToken(kind, text, count * 4)).toEqual(bytes)
      }),
    )
  })

  it.each([0, 0xff])('carry bytes of %d alone', (byte) => {
    const bytes = Buffer.alloc(32, byte)
    expect(parseOpaqueToken('accessToken', formatOpaqueToken('accessToken', bytes).reveal(), 32)).toEqual(bytes)
  })

  it('look like arctos_at_, 48 digits and letters for 32 bytes, and 6 for the checksum', () => {
    const { text } = mint('accessToken')
    expect(text).toMatch(/^arctos_at_[0-9A-Za-z]{54}$/)
    expect(text.slice(-6)).toBe(encodeWord(crc32(text.slice(0, -6))))
  })

  it('are printed redacted until they are revealed', () => {
    expect(String(formatOpaqueToken('clientSecret', randomBytes(32)))).toBe('[redacted]')
  })

  it('hold whole words only', () => {
    expect(() => formatOpaqueToken('accessToken', randomBytes(31))).toThrow(RangeError)
    expect(parseOpaqueToken('accessToken', mint('accessToken').text, 31)).toBeUndefined()
  })

  it('are refused with any one character changed', () => {
    const { text } = mint('refreshToken', 48)
    for (let at = 0; at < text.length; at++) {
      for (const other of [...digits, '_', '-', ' ', 'é', '\0']) {
        if (other === text[at]) continue
        const changed = text.slice(0, at) + other + text.slice(at + 1)
        expect([changed, parseOpaqueToken('refreshToken', changed, 48)]).toEqual([changed, undefined])
      }
    }
  })

  it('are refused with a character too many, too few, or two of them swapped', () => {
    const { text } = mint('accessToken')
    expect(parseOpaqueToken('accessToken', text.slice(0, -1), 32)).toBeUndefined()
    expect(parseOpaqueToken('accessToken', `${text}0`, 32)).toBeUndefined()
    expect(parseOpaqueToken('accessToken', ` ${text.slice(1)}`, 32)).toBeUndefined()
    for (let at = 10; at < text.length - 1; at++) {
      if (text[at] === text[at + 1]) continue
      const swapped = text.slice(0, at) + text.charAt(at + 1) + text.charAt(at) + text.slice(at + 2)
      expect(parseOpaqueToken('accessToken', swapped, 32)).toBeUndefined()
    }
  })

  it('have one spelling: a word beyond 32 bits is refused, even with a checksum that fits', () => {
    const spell = (word: number): string => {
      const body = opaqueKinds.accessToken + encodeWord(word)
      return body + encodeWord(crc32(body))
    }
    expect(parseOpaqueToken('accessToken', spell(0xffffffff), 4)).toEqual(Buffer.alloc(4, 0xff))
    expect(parseOpaqueToken('accessToken', spell(2 ** 32), 4)).toBeUndefined()
    expect(parseOpaqueToken('accessToken', spell(2 ** 32 + 7), 4)).toBeUndefined()
    expect(parseOpaqueToken('accessToken', spell(62 ** 6 - 1), 4)).toBeUndefined()
  })

  it('have one spelling of the checksum too', () => {
    // About half of all checksums have no second spelling below 62^6 at all: try until one has.
    let tried = 0
    for (let count = 0; tried < 20 && count < 10_000; count++) {
      const body = mint('accessToken').text.slice(0, -6)
      const other = crc32(body) + 2 ** 32
      if (other >= 62 ** 6) continue
      tried++
      expect(parseOpaqueToken('accessToken', body + encodeWord(other), 32)).toBeUndefined()
    }
    expect(tried).toBe(20)
  })

  it('of one kind do not pass for another, nor with the prefix of another', () => {
    for (const kind of kinds) {
      const { text } = mint(kind)
      for (const other of kinds.filter((each) => each !== kind)) {
        expect(parseOpaqueToken(other, text, 32)).toBeUndefined()
        expect(parseOpaqueToken(other, opaqueKinds[other] + text.slice(opaqueKinds[kind].length), 32)).toBeUndefined()
      }
    }
  })

  it('of one length do not pass for another', () => {
    const { text } = mint('accessToken', 32)
    for (const length of [0, 4, 28, 36, 64]) expect(parseOpaqueToken('accessToken', text, length)).toBeUndefined()
  })

  it.each(kinds)('of kind %s say where they were made, and are read in both forms', (kind) => {
    const bytes = randomBytes(32)
    for (const environment of ['live', 'test'] as const) {
      const text = formatOpaqueToken(kind, bytes, environment).reveal()
      expect(opaqueOriginOf(text)).toEqual({ kind, environment })
      expect(text.startsWith('arctos_test_')).toBe(environment === 'test')
      expect(parseOpaqueToken(kind, text, 32)).toEqual(bytes)
    }
  })

  it('do not pass with the mark of the other environment put in or taken out', () => {
    for (const kind of kinds) {
      const bytes = randomBytes(32)
      const live = formatOpaqueToken(kind, bytes).reveal()
      const test = formatOpaqueToken(kind, bytes, 'test').reveal()
      expect(parseOpaqueToken(kind, live.replace('arctos_', 'arctos_test_'), 32)).toBeUndefined()
      expect(parseOpaqueToken(kind, test.replace('arctos_test_', 'arctos_'), 32)).toBeUndefined()
    }
  })

  it.each(['', 'arctos_', 'arctos_test_', 'arctos_xx_1', 'arctos_test_test_at_1', 'Arctos_at_1', ' arctos_at_1'])(
    'have an origin, and %j has none',
    (text) => expect(opaqueOriginOf(text)).toBeUndefined(),
  )

  it('never make the parser throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom(...kinds), (rest, kind) => {
        expect(parseOpaqueToken(kind, opaqueKinds[kind] + rest, 32)).toBeUndefined()
      }),
    )
  })
})

describe('looksLikeCredential', () => {
  const jwt = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEifQ.c2lnbmF0dXJl'

  it.each(kinds)('knows a token of kind %s, whole or cut', (kind) => {
    const { text } = mint(kind)
    const test = text.replace('arctos_', 'arctos_test_')
    for (const each of [
      text,
      test,
      text.slice(0, 20),
      test.slice(0, 20),
      `Bearer ${text}`,
      `--token=${text}`,
      `"${text}"`,
      ` ${text}`,
    ]) {
      expect(looksLikeCredential(each)).toBe(true)
    }
  })

  it('knows a JWT, whole, without signature, or inside something else', () => {
    const unsignedJwt = jwt.slice(0, jwt.lastIndexOf('.') + 1)
    for (const each of [jwt, unsignedJwt, `Bearer ${jwt}`, `--token=${jwt}`, `"${jwt}"`, `${jwt}\n`]) {
      expect(looksLikeCredential(each)).toBe(true)
    }
  })

  it.each([
    '',
    'read',
    'client-1',
    'https://api.example.com/v1.2.3',
    '@token.txt',
    'arctos',
    'arctos.yaml',
    'eyJhbGciOiJFUzI1NiJ9',
    'keyJar.a.b',
  ])('passes %j', (text) => {
    expect(looksLikeCredential(text)).toBe(false)
  })
})
