import { createHash, createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { deriveKey, equalInConstantTime, hmacSha256, seal, sha256, sha256Base64url, unseal } from '../src/index.ts'

const key = randomBytes(32)
const text = Buffer.from('a signing key')
const sealText = (purpose = 'keys'): Buffer => seal(key, purpose, text, randomBytes(12))

describe('sealing', () => {
  it('gives back what was sealed, with the same key and purpose', () => {
    expect(unseal(key, 'keys', sealText())).toEqual(text)
  })

  it('carries nothing, and a megabyte', () => {
    for (const plaintext of [Buffer.alloc(0), randomBytes(1 << 20)]) {
      expect(unseal(key, 'keys', seal(key, 'keys', plaintext, randomBytes(12)))).toEqual(plaintext)
    }
  })

  it('shows neither the text nor two equal seals of it', () => {
    const sealed = sealText()
    expect(sealed.includes(text)).toBe(false)
    expect(sealText()).not.toEqual(sealed)
  })

  it('opens for no other key', () => {
    expect(unseal(randomBytes(32), 'keys', sealText())).toBeUndefined()
  })

  it('opens for no other purpose, not even one that begins alike', () => {
    for (const purpose of ['', 'key', 'keys2', 'KEYS', 'receipts']) {
      expect(unseal(key, purpose, sealText())).toBeUndefined()
    }
  })

  it('opens with no bit changed', () => {
    const sealed = sealText()
    for (let at = 0; at < sealed.byteLength; at++) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(unseal(key, 'keys', changed)).toBeUndefined()
    }
  })

  it('opens with no byte missing: a short tag proves little', () => {
    const sealed = sealText()
    for (let length = 0; length < sealed.byteLength; length++) {
      expect(unseal(key, 'keys', sealed.subarray(0, length))).toBeUndefined()
    }
    expect(unseal(key, 'keys', Buffer.concat([sealed, Buffer.alloc(1)]))).toBeUndefined()
  })

  it.each([0, 11, 13, 16])('throws for a nonce of %d bytes, for it could never be opened', (length) => {
    expect(() => seal(key, 'keys', text, randomBytes(length))).toThrow(RangeError)
  })
})

describe('hashes', () => {
  it('are SHA-256 of texts as UTF-8, or of bytes', () => {
    const expected = createHash('sha256').update('ἄρκτος', 'utf8')
    expect(sha256('ἄρκτος')).toEqual(expected.copy().digest())
    expect(sha256(Buffer.from('ἄρκτος'))).toEqual(expected.copy().digest())
    expect(sha256Base64url('ἄρκτος')).toBe(expected.digest('base64url'))
  })

  it('are HMAC-SHA-256 of the parts one after the other [RFC 2104 §2]', () => {
    const secret = createSecretKey(key)
    const expected = createHmac('sha256', key).update('ab').digest()
    expect(hmacSha256(secret, 'a', Buffer.from('b'))).toEqual(expected)
    expect(hmacSha256(secret, 'ab')).toEqual(expected)
  })
})

describe('deriveKey', () => {
  it('gives 32 bytes, the same for the same key and purpose [RFC 5869 §2]', () => {
    expect(deriveKey(key, 'a')).toEqual(deriveKey(key, 'a'))
    expect(deriveKey(key, 'a').byteLength).toBe(32)
  })

  it('gives other bytes for another purpose or key', () => {
    expect(deriveKey(key, 'a')).not.toEqual(deriveKey(key, 'b'))
    expect(deriveKey(key, 'a')).not.toEqual(deriveKey(randomBytes(32), 'a'))
  })

  it('is HKDF-SHA-256 without salt [RFC 5869 §2]', () => {
    const extracted = createHmac('sha256', Buffer.alloc(32)).update(key).digest()
    const expanded = createHmac('sha256', extracted).update(Buffer.from('purpose\x01')).digest()
    expect(deriveKey(key, 'purpose')).toEqual(expanded)
  })
})

describe('equalInConstantTime', () => {
  it.each([
    ['', '', true],
    ['abc', 'abc', true],
    ['abc', 'abd', false],
    ['abc', 'ab', false],
    ['', 'a', false],
  ])('of %j and %j: %s', (left, right, expected) => {
    expect(equalInConstantTime(Buffer.from(left), Buffer.from(right))).toBe(expected)
  })
})
