import { describe, expect, it } from 'vitest'
import { decodeUnverifiedJws, encodeBase64url, isCanonicalBase64url, tokenLengthLimit } from '../src/index.ts'
import { segment, unsigned } from './raw-jws.ts'
import { refusalOf } from './refusal-of.ts'

const header = { alg: 'ES256', kid: 'key-1', typ: 'at+jwt' }
const token = unsigned(header, { sub: 'user-1' })

const isRefused = (text: string): boolean => refusalOf(() => decodeUnverifiedJws(text)).reason === 'token.malformed'

/** A token of exactly so many characters whose every part is canonical; only its length can be wrong. */
function tokenOfLength(length: number): string {
  for (let kidLength = 1; kidLength < 10; kidLength++) {
    const head = segment({ alg: 'ES256', kid: 'k'.repeat(kidLength) })
    const signature = segment(new Uint8Array(64))
    const payload = 'A'.repeat(length - head.length - signature.length - 2)
    if (isCanonicalBase64url(payload)) return `${head}.${payload}.${signature}`
  }
  throw new Error('no header fits')
}

describe('decodeUnverifiedJws', () => {
  it('takes a compact JWS apart [RFC 7515 §5.2]', () => {
    const signature = Buffer.from('any bytes at all')
    const jws = decodeUnverifiedJws(unsigned({ ...header, extra: [1] }, 'any payload', signature))
    expect(jws.header).toEqual({ alg: 'ES256', kid: 'key-1', typ: 'at+jwt', members: { ...header, extra: [1] } })
    expect(jws.payload.toString()).toBe('any payload')
    expect(jws.signature).toEqual(signature)
    expect(jws.signingInput.toString()).toBe(`${segment({ ...header, extra: [1] })}.${segment('any payload')}`)
  })

  it('takes a header without kid and typ', () => {
    const { kid, typ } = decodeUnverifiedJws(unsigned({ alg: 'ES256' }, {})).header
    expect([kid, typ]).toEqual([undefined, undefined])
  })

  it('takes any payload bytes, also none: what they mean is the next layer', () => {
    expect(decodeUnverifiedJws(unsigned(header, new Uint8Array([0xff, 0]))).payload).toEqual(Buffer.from([0xff, 0]))
    expect(decodeUnverifiedJws(unsigned(header, '')).payload.byteLength).toBe(0)
  })

  it('takes a token of 8192 characters', () => {
    const longest = tokenOfLength(tokenLengthLimit)
    expect(longest).toHaveLength(8_192)
    expect(decodeUnverifiedJws(longest).header.alg).toBe('ES256')
  })

  it('refuses a token of 8193 characters', () => {
    const { facts } = refusalOf(() => decodeUnverifiedJws(tokenOfLength(8_193)))
    expect(facts).toEqual({ check: 'length', expected: 8_192, received: 8_193 })
  })

  it.each([
    ['nothing', ''],
    ['no dot', 'eyJhbGciOiJFUzI1NiJ9'],
    ['one dot', token.slice(0, token.lastIndexOf('.'))],
    ['three dots', `${token}.AAAA`],
    ['three dots at the end', `${token}.`],
    ['four dots, as a JWE has', `${token}.AAAA.AAAA`],
    ['no header', token.slice(token.indexOf('.'))],
    ['dots alone', '..'],
    ['the JSON serialization', JSON.stringify({ protected: segment(header), payload: 'AA', signature: 'AA' })],
  ])('refuses %s: a compact JWS has three parts [RFC 7515 §7.1]', (_name, text) => {
    expect(refusalOf(() => decodeUnverifiedJws(text)).facts).toMatchObject({ check: 'parts', expected: 3 })
  })

  it.each([0, 1, 2])('refuses every character outside the alphabet, anywhere in part %d [RFC 7515 §5.2]', (part) => {
    const strangers = [
      '=',
      '==',
      '+',
      '/',
      ' ',
      '\n',
      '\r\n',
      '\t',
      '\0',
      '?',
      '%',
      '~',
      'é',
      '\u2028',
      '\ud83d\ude00',
      'Ａ',
    ]
    for (const stranger of strangers) {
      for (const at of [0, 1, 5, undefined]) {
        const parts = token.split('.')
        const text = parts[part] ?? ''
        parts[part] = text.slice(0, at) + stranger + (at === undefined ? '' : text.slice(at))
        expect(isRefused(parts.join('.'))).toBe(true)
      }
    }
  })

  it.each([
    ['trailing newline', (text: string) => `${text}\n`],
    ['leading space', (text: string) => ` ${text}`],
    ['padding of every part', (text: string) => text.split('.').map(pad).join('.')],
    ['the alphabet of plain base64', (text: string) => text.replaceAll('_', '/').replaceAll('-', '+')],
    ['quotes around it', (text: string) => `"${text}"`],
  ])('refuses a good token with %s [RFC 7515 §2]', (_name, respell) => {
    // 0xfb 0xff encodes with both special characters, and each part ends in an incomplete group.
    const good = unsigned({ alg: 'ES256', kid: 'ÿþ?>~' }, new Uint8Array([0xfb, 0xff]), new Uint8Array(64).fill(0xfb))
    expect(decodeUnverifiedJws(good).header.alg).toBe('ES256')
    expect(respell(good)).not.toBe(good)
    expect(isRefused(respell(good))).toBe(true)
  })

  it('refuses the 15 other spellings of the last character of a signature [RFC 4648 §3.5]', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const [head = '', payload = '', signature = ''] = unsigned(header, {}, new Uint8Array(64).fill(0x5a)).split('.')
    const bytes = Buffer.from(signature, 'base64url')
    const respellings = [...alphabet]
      .map((last) => signature.slice(0, -1) + last)
      .filter((text) => text !== signature && Buffer.from(text, 'base64url').equals(bytes))
    expect(respellings).toHaveLength(15)
    for (const text of respellings) expect(isRefused(`${head}.${payload}.${text}`)).toBe(true)
  })

  it('tells in its facts what was expected, and nothing of the token', () => {
    const { facts, message } = refusalOf(() => decodeUnverifiedJws(`${token}=`))
    expect(facts).toEqual({ check: 'signature encoding', expected: 'canonical base64url', received: undefined })
    expect(message).not.toContain(token.slice(0, 10))
  })
})

function pad(text: string): string {
  return text + '='.repeat((4 - (text.length % 4)) % 4)
}

describe('encodeBase64url and the decoder', () => {
  it('read each other, so that a token has one text', () => {
    const { payload, signature, signingInput } = decodeUnverifiedJws(token)
    expect(`${signingInput.toString()}.${encodeBase64url(signature)}`).toBe(token)
    expect(encodeBase64url(payload)).toBe(token.split('.')[1])
  })
})
