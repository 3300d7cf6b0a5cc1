import { createHash } from 'node:crypto'
import { calculatePKCECodeChallenge, generateRandomCodeVerifier } from 'oauth4webapi'
import { describe, expect, it } from 'vitest'
import { codeChallengeOf, isCodeChallenge, isCodeVerifier } from '../src/index.ts'

const unreserved = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~'

describe('isCodeVerifier', () => {
  it.each([
    [42, false],
    [43, true],
    [128, true],
    [129, false],
    [0, false],
  ])('of %d characters: %s [RFC 7636 §4.1(b)]', (length, expected) => {
    expect(isCodeVerifier('a'.repeat(length))).toBe(expected)
  })

  it('takes unreserved characters and no other below U+0100 [RFC 7636 §4.1(b)]', () => {
    for (let code = 0; code < 0x100; code++) {
      const character = String.fromCharCode(code)
      expect([code, isCodeVerifier('a'.repeat(50) + character)]).toEqual([code, unreserved.includes(character)])
    }
  })

  it('refuses a newline at the end', () => {
    expect(isCodeVerifier(`${'a'.repeat(43)}\n`)).toBe(false)
  })
})

describe('isCodeChallenge', () => {
  it('takes every S256 challenge [RFC 7636 §4.2(c)]', () => {
    for (let count = 0; count < 100; count++) {
      expect(isCodeChallenge(codeChallengeOf(generateRandomCodeVerifier()))).toBe(true)
    }
  })

  it.each([
    ['42 characters', 'a'.repeat(42)],
    ['44 characters', 'a'.repeat(44)],
    ['padding', `${'A'.repeat(43)}=`],
    ['padding within 43 characters', `${'A'.repeat(42)}=`],
    ['another spelling of the last byte', `${'A'.repeat(42)}B`],
    ['plain base64', `${'A'.repeat(41)}+8`],
    ['a verifier with a dot', `${'A'.repeat(42)}.`],
    ['hexadecimal SHA-256', 'ab'.repeat(32)],
    ['nothing', ''],
  ])('refuses %s [RFC 7636 §4.2(c)]', (_name, text) => {
    expect(isCodeChallenge(text)).toBe(false)
  })
})

describe('codeChallengeOf', () => {
  it('is BASE64URL(SHA256(verifier)), as another library computes it [RFC 7636 §4.2(c)]', async () => {
    const verifier = generateRandomCodeVerifier()
    expect(codeChallengeOf(verifier)).toBe(await calculatePKCECodeChallenge(verifier))
    expect(codeChallengeOf(verifier)).toBe(createHash('sha256').update(verifier, 'ascii').digest('base64url'))
  })
})
