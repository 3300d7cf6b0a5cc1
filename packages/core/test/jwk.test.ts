import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  decodeUnverifiedJws,
  encodeBase64url,
  importVerificationKey,
  isVerificationKey,
  type JsonObject,
  jwkThumbprint,
  signCompactJws,
  verifySignature,
} from '../src/index.ts'
import { segment } from './raw-jws.ts'
import { issuer, makeKeys, takeKey } from './signing-keys.ts'

const ec = makeKeys('ES256')
const ed = makeKeys('EdDSA')
const rsa = makeKeys('RS256')

const whyNot = (jwk: JsonObject): string => {
  const result = importVerificationKey(jwk, issuer)
  return isVerificationKey(result) ? 'taken' : result.why
}
const without = (jwk: JsonObject, ...names: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(jwk).filter(([name]) => !names.includes(name)))
const bytesOf = (jwk: JsonObject, name: string): Buffer => Buffer.from(String(jwk[name]), 'base64url')
const unsignedNumber = (value: bigint): string => {
  const hex = value.toString(16)
  return encodeBase64url(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex'))
}
const modulus = BigInt(`0x${bytesOf(rsa.jwk, 'n').toString('hex')}`)

describe('importVerificationKey', () => {
  it.each([
    ['ES256', ec.jwk],
    ['EdDSA', ed.jwk],
    ['RS256', rsa.jwk],
    ['PS256', { ...rsa.jwk, alg: 'PS256' }],
    ['Ed25519', { ...ed.jwk, alg: 'Ed25519' }],
  ])('binds a key to %s, its kid and its owner [RFC 8725 §3.1(a)(d)]', (algorithm, jwk) => {
    const key = takeKey(jwk, 'https://other.example')
    expect([key.algorithm, key.kid, key.owner, key.key.type]).toEqual([
      algorithm,
      'key-1',
      'https://other.example',
      'public',
    ])
  })

  it.each([
    ['ES256', ec.jwk],
    ['EdDSA', ed.jwk],
    ['RS256', rsa.jwk],
  ])('binds a key without alg to %s, for a key never serves two algorithms [RFC 8725 §3.1(d)]', (algorithm, jwk) => {
    expect(takeKey(without(jwk, 'alg')).algorithm).toBe(algorithm)
  })

  it('binds an RSA key without alg to PS256 where the caller says so', () => {
    expect(importVerificationKey(without(rsa.jwk, 'alg'), issuer, 'PS256')).toMatchObject({ algorithm: 'PS256' })
    expect(importVerificationKey(rsa.jwk, issuer, 'PS256')).toMatchObject({ algorithm: 'RS256' })
  })

  it.each([
    ['no kid', without(ec.jwk, 'kid')],
    ['an empty kid', { ...ec.jwk, kid: '' }],
    ['a kid that is no text', { ...ec.jwk, kid: 7 }],
    ['a kid of 257 characters', { ...ec.jwk, kid: 'k'.repeat(257) }],
  ])('rejects a key with %s', (_name, jwk) => {
    expect(whyNot(jwk)).toBe('kid is missing, empty or too long')
  })

  it('takes a kid of 256 characters', () => {
    expect(takeKey({ ...ec.jwk, kid: 'k'.repeat(256) }).kid).toHaveLength(256)
  })

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'])(
    'rejects a key with the private member %s [RFC 7517 §9.2]',
    (name) => {
      expect(whyNot({ ...rsa.jwk, [name]: 'AQAB' })).toBe('it has private or symmetric members')
      expect(whyNot({ ...ec.jwk, [name]: null })).toBe('it has private or symmetric members')
    },
  )

  it('rejects a private key as a library exports it [RFC 7517 §9.2]', async () => {
    for (const { privateKey } of [ec, ed, rsa]) {
      const jwk = { ...(await exportJWK(privateKey)), kid: 'key-1' } as JsonObject
      expect(whyNot(jwk)).toBe('it has private or symmetric members')
    }
  })

  it.each([
    ['use enc', { use: 'enc' }],
    ['an unknown use', { use: 'signature' }],
    ['use in capitals', { use: 'SIG' }],
    ['use as a list', { use: ['sig'] }],
    ['use null', { use: null }],
    ['key_ops without verify', { key_ops: ['encrypt'] }],
    ['key_ops to sign', { key_ops: ['sign', 'verify'] }],
    ['key_ops for another use besides', { key_ops: ['verify', 'wrapKey'] }],
    ['key_ops that repeat', { key_ops: ['verify', 'verify'] }],
    ['empty key_ops', { key_ops: [] }],
    ['key_ops as a text', { key_ops: 'verify' }],
    ['key_ops null', { key_ops: null }],
    ['use sig beside key_ops without verify', { use: 'sig', key_ops: ['deriveKey'] }],
  ])('rejects a key with %s [RFC 7517 §4.2, RFC 7517 §4.3]', (_name, members) => {
    expect(whyNot({ ...without(ec.jwk, 'use'), ...members })).toBe('use or key_ops do not allow verifying')
  })

  it.each([{}, { use: 'sig' }, { key_ops: ['verify'] }, { use: 'sig', key_ops: ['verify'] }])(
    'takes a key that says %j of its use [RFC 7517 §4.2, RFC 7517 §4.3]',
    (members) => {
      expect(whyNot({ ...without(ec.jwk, 'use'), ...members })).toBe('taken')
    },
  )

  it.each<readonly [string, JsonObject]>([
    ['a symmetric type', { kty: 'oct', kid: 'key-1', alg: 'HS256' }],
    ['no type', without(ec.jwk, 'kty')],
    ['an unknown type', { ...ec.jwk, kty: 'AKP' }],
    ['a type in small letters', { ...ec.jwk, kty: 'ec' }],
    ['the curve P-384', { ...ec.jwk, crv: 'P-384' }],
    ['the curve secp256k1', { ...ec.jwk, crv: 'secp256k1' }],
    ['no curve', without(ec.jwk, 'crv')],
    ['the curve X25519', { ...ed.jwk, crv: 'X25519' }],
    ['the curve Ed448', { ...ed.jwk, crv: 'Ed448' }],
    ['a curve of the other type', { ...ed.jwk, crv: 'P-256' }],
    ['the type of another key', { ...ec.jwk, kty: 'OKP' }],
    ['ES256 for an RSA key', { ...rsa.jwk, alg: 'ES256' }],
    ['RS256 for an EC key', { ...ec.jwk, alg: 'RS256' }],
    ['EdDSA for an EC key', { ...ec.jwk, alg: 'EdDSA' }],
    ['ES384 for P-256', { ...ec.jwk, alg: 'ES384' }],
    ['RS512', { ...rsa.jwk, alg: 'RS512' }],
    ['an algorithm for encryption', { ...rsa.jwk, alg: 'RSA-OAEP-256' }],
    ['HS256 for an RSA key', { ...rsa.jwk, alg: 'HS256' }],
    ['none', { ...ec.jwk, alg: 'none' }],
    ['an alg that is no text', { ...ec.jwk, alg: ['ES256'] }],
    ['alg null', { ...ec.jwk, alg: null }],
    ['alg __proto__', { ...ec.jwk, alg: '__proto__' }],
  ])('rejects a key with %s [RFC 7517 §4.4, RFC 8725 §3.1(b)]', (_name, jwk) => {
    expect(whyNot(jwk)).toBe('its type, curve and algorithm are not on offer, or do not agree')
  })
})

describe('coordinates', () => {
  const x = bytesOf(ec.jwk, 'x')

  it.each<readonly [string, JsonObject]>([
    ['no x', without(ec.jwk, 'x')],
    ['no y', without(ec.jwk, 'y')],
    ['x with a leading zero', { ...ec.jwk, x: encodeBase64url(Buffer.concat([Buffer.alloc(1), x])) }],
    ['x one byte short', { ...ec.jwk, x: encodeBase64url(x.subarray(1)) }],
    ['x in padded base64url', { ...ec.jwk, x: `${ec.jwk['x']}=` }],
    ['x as a number', { ...ec.jwk, x: 1 }],
    ['no x on Ed25519', without(ed.jwk, 'x')],
    ['31 bytes on Ed25519', { ...ed.jwk, x: encodeBase64url(bytesOf(ed.jwk, 'x').subarray(1)) }],
  ])('are whole: %s is rejected [RFC 7518 §6.2.1.2, RFC 8037 §2]', (_name, jwk) => {
    expect(whyNot(jwk)).toBe('a coordinate is not 32 bytes of canonical base64url')
  })

  it('are a point of the curve [RFC 8725 §3.4]', () => {
    const y = bytesOf(ec.jwk, 'y')
    y[31] = (y[31] ?? 0) ^ 1
    expect(whyNot({ ...ec.jwk, y: encodeBase64url(y) })).toBe('it is not a valid key')
    const zero = encodeBase64url(Buffer.alloc(32))
    expect(whyNot({ ...ec.jwk, x: zero, y: zero })).toBe('it is not a valid key')
  })
})

describe('RSA keys', () => {
  it.each([2048, 3072, 4096])('may have %d bits [RFC 7518 §3.3]', (bits) => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: bits })
    expect(whyNot({ ...(publicKey.export({ format: 'jwk' }) as JsonObject), kid: 'key-1' })).toBe('taken')
  })

  it.each<readonly [string, bigint]>([
    ['1024', 1n << 1023n],
    ['2047', 1n << 2046n],
    ['4097', 1n << 4096n],
  ])('may not have %s bits [RFC 7518 §3.3, RFC 8725 §3.5]', (_name, highest) => {
    expect(whyNot({ ...rsa.jwk, n: unsignedNumber(highest + 1n) })).toBe('the modulus is not of 2048 to 4096 bits')
  })

  it('may not have an even modulus', () => {
    expect(whyNot({ ...rsa.jwk, n: unsignedNumber(modulus + 1n) })).toBe('the modulus is even')
  })

  it.each([
    ['1', 'AQ'],
    ['3', 'Aw'],
    ['17', 'EQ'],
    ['65536', 'AQAA'],
    ['65535', '__8'],
    ['65538', 'AQAC'],
    ['2^32 + 1', unsignedNumber((1n << 32n) + 1n)],
  ])('may not have the exponent %s', (_name, e) => {
    expect(whyNot({ ...rsa.jwk, e })).toBe('the exponent is even, below 65537 or above 2^32')
  })

  it('may have any other odd exponent of 32 bits', () => {
    expect(whyNot({ ...rsa.jwk, e: unsignedNumber((1n << 32n) - 1n) })).toBe('taken')
  })

  it.each<readonly [string, JsonObject]>([
    ['no n', without(rsa.jwk, 'n')],
    ['no e', without(rsa.jwk, 'e')],
    ['an empty e', { ...rsa.jwk, e: '' }],
    ['a zero in front of e', { ...rsa.jwk, e: 'AAEAAQ' }],
    [
      'a zero in front of n',
      { ...rsa.jwk, n: encodeBase64url(Buffer.concat([Buffer.alloc(1), bytesOf(rsa.jwk, 'n')])) },
    ],
    ['a padded n', { ...rsa.jwk, n: `${rsa.jwk['n']}==` }],
    ['e as a number', { ...rsa.jwk, e: 65_537 }],
    ['n of a megabyte', { ...rsa.jwk, n: '_'.repeat(1 << 20) }],
  ])('write n and e in one spelling: %s is rejected [RFC 7518 §6.3.1, RFC 7518 §2]', (_name, jwk) => {
    expect(whyNot(jwk)).toBe('n or e is not a canonical Base64urlUInt')
  })

  it('may not come from the generator of CVE-2017-15361', () => {
    const primes = [
      3n,
      5n,
      7n,
      11n,
      13n,
      17n,
      19n,
      23n,
      29n,
      31n,
      37n,
      41n,
      43n,
      47n,
      53n,
      59n,
      61n,
      67n,
      71n,
      73n,
      79n,
      83n,
      89n,
      97n,
      101n,
      103n,
      107n,
      109n,
      113n,
      127n,
      131n,
      137n,
      139n,
      149n,
      151n,
      157n,
      163n,
      167n,
    ]
    const product = primes.reduce((all, prime) => all * prime, 2n)
    // That generator's primes are k·M + 65537^a mod M, so its moduli are powers of 65537 modulo M.
    const power = 65_537n ** 12n % product
    const weak = ((1n << 2047n) / product + 1n) * product + power
    expect(whyNot({ ...rsa.jwk, n: unsignedNumber(weak) })).toBe('the modulus was made by the broken ROCA generator')
    expect(whyNot({ ...rsa.jwk, n: unsignedNumber(weak + 2n) })).toBe('taken')
  })
})

describe('members that a key does not need', () => {
  it('change nothing: key, certificates and unknown ones [RFC 7517 §4]', () => {
    const key = takeKey({ ...ec.jwk, x5c: ['AA'], ext: true, 'x5t#S256': 'AA', n: 'AQAB', crit: ['x'] })
    const text = signCompactJws(segment({ alg: 'ES256' }), '{}', ec.signing)
    expect(() => verifySignature(decodeUnverifiedJws(text), key)).not.toThrow()
  })
})

describe('jwkThumbprint', () => {
  it.each([
    ['EC', ec.jwk],
    ['OKP', ed.jwk],
    ['RSA', rsa.jwk],
  ])('is the one that jose computes for %s [RFC 7638 §3]', async (_name, jwk) => {
    expect(jwkThumbprint(jwk)).toBe(await calculateJwkThumbprint(jwk as Parameters<typeof calculateJwkThumbprint>[0]))
  })

  it('depends on the required members alone, in any order [RFC 7638 §3.2]', () => {
    const reversed = Object.fromEntries(Object.entries(ec.jwk).toReversed())
    expect(jwkThumbprint({ ...reversed, kid: 'other', use: 'enc', extra: 1 })).toBe(jwkThumbprint(ec.jwk))
  })

  it.each<readonly [string, JsonObject]>([
    ['a symmetric key', { kty: 'oct', k: 'AA' }],
    ['no type', {}],
    ['a type that names a member of every object', { kty: 'constructor' }],
    ['a key that lacks a member', without(ec.jwk, 'y')],
    ['a member that is no text', { ...rsa.jwk, e: 65_537 }],
  ])('throws for %s', (_name, jwk) => {
    expect(() => jwkThumbprint(jwk)).toThrow(TypeError)
  })
})
