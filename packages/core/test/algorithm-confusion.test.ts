import { createHmac, type KeyObject, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { decodeUnverifiedJws, encodeBase64url, verifySignature } from '../src/index.ts'
import { segment, signed, unsigned } from './raw-jws.ts'
import { refusalOf } from './refusal-of.ts'
import { makeKeys, type TestKeys } from './signing-keys.ts'

const allKeys = [makeKeys('ES256'), makeKeys('EdDSA'), makeKeys('RS256'), makeKeys('PS256')]
const reasonFor = (keys: TestKeys, text: string): string =>
  refusalOf(() => verifySignature(decodeUnverifiedJws(text), keys.verification)).reason
const payload = '{"sub":"admin"}'

/** What an attacker who knows the public key may have taken for a shared secret, in the hope that we do the same. */
function spellingsOf({ publicKey, jwk }: TestKeys): readonly (readonly [string, string | Buffer])[] {
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const der = publicKey.export({ type: 'spki', format: 'der' })
  const numbers = ['x', 'y', 'n'].map((name) => Buffer.from(String(jwk[name] ?? ''), 'base64url'))
  return [
    ['PEM', pem],
    ['PEM without its last newline', pem.trimEnd()],
    ['PEM after a newline', `\n${pem}`],
    ['PEM after a space', ` ${pem}`],
    ['PEM with CRLF', pem.replaceAll('\n', '\r\n')],
    ['PEM without its armour', pem.replaceAll(/-----.*-----|\n/g, '')],
    ['PEM or DER of PKCS #1', pkcs1(publicKey) ?? der.subarray(-65)],
    ['DER', der],
    ['DER in base64', der.toString('base64')],
    ['DER in hex', der.toString('hex')],
    ['JWK', JSON.stringify(jwk)],
    ['JWK set', JSON.stringify({ keys: [jwk] })],
    ['its first number', numbers.find((number) => number.byteLength > 0) ?? ''],
    ['all its numbers', Buffer.concat(numbers)],
    ['nothing', ''],
    ['kid', 'key-1'],
    ['the word undefined', 'undefined'],
    ['the word null', 'null'],
  ]
}

function pkcs1(key: KeyObject): Buffer | undefined {
  return key.asymmetricKeyType === 'rsa' ? Buffer.from(key.export({ type: 'pkcs1', format: 'pem' })) : undefined
}

describe.each(allKeys)('a key bound to $signing.algorithm', (keys) => {
  it.each(['HS256', 'HS384', 'HS512'])(
    'refuses %s with the public key in any spelling as secret [RFC 8725 §2.1, RFC 8725 §3.1(b)]',
    (alg) => {
      const spellings = spellingsOf(keys)
      expect(spellings.length).toBeGreaterThanOrEqual(16)
      for (const [name, secret] of spellings) {
        const input = `${segment({ alg, kid: 'key-1', typ: 'at+jwt' })}.${segment(payload)}`
        const mac = createHmac(`sha${alg.slice(2)}`, secret)
          .update(input)
          .digest()
        expect([name, reasonFor(keys, `${input}.${encodeBase64url(mac)}`)]).toEqual([name, 'token.algorithm'])
      }
    },
  )

  it.each(['none', 'None', 'NONE', 'nOnE', 'nonE', '', ' none', 'none\0'])(
    'refuses alg %j, with a signature and without [RFC 9068 §4(e), RFC 8725 §2.1]',
    (alg) => {
      const header = { alg, kid: 'key-1', typ: 'at+jwt' }
      expect(reasonFor(keys, unsigned(header, payload, new Uint8Array(0)))).toBe('token.algorithm')
      expect(reasonFor(keys, signed(keys.signing, header, payload))).toBe('token.algorithm')
    },
  )

  it('refuses every other name for a signature that is right [RFC 8725 §3.1(c)]', () => {
    const own = keys.signing.algorithm
    const names = [
      'RS256',
      'PS256',
      'ES256',
      'RS384',
      'RS512',
      'PS384',
      'PS512',
      'ES384',
      'ES512',
      'ES256K',
      'Ed448',
      own.toLowerCase(),
      `${own} `,
      ` ${own}`,
      `${own}\0`,
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
    ]
    for (const alg of names.filter((name) => name !== own)) {
      expect([alg, reasonFor(keys, signed(keys.signing, { alg, kid: 'key-1' }, payload))]).toEqual([
        alg,
        'token.algorithm',
      ])
    }
  })

  it('refuses a token that brings its own key, under our kid or its own [RFC 7515 §4.1.3, RFC 8725 §3.10]', () => {
    const theirs = makeKeys(keys.signing.algorithm, 'key-1')
    const x5c = [theirs.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')]
    const offers = [
      { jwk: theirs.jwk },
      { x5c },
      { jku: 'https://evil.example/jwks' },
      { x5u: 'https://evil.example/cert' },
    ]
    for (const offer of offers) {
      for (const kid of ['key-1', 'key-2']) {
        const header = { alg: keys.signing.algorithm, kid, typ: 'at+jwt', ...offer }
        expect(reasonFor(keys, signed(theirs.signing, header, payload))).toBe('token.signature')
      }
    }
  })

  it('shows at most 20 characters of the name it refused', () => {
    const text = unsigned({ alg: 'X'.repeat(500) }, payload)
    const { facts } = refusalOf(() => verifySignature(decodeUnverifiedJws(text), keys.verification))
    expect(facts).toEqual({ check: 'algorithm', expected: keys.signing.algorithm, received: 'X'.repeat(20) })
  })
})

describe('a key of another type under the name of the algorithm', () => {
  it('makes no signature valid', () => {
    const [ec, ed, rsa] = allKeys as [TestKeys, TestKeys, TestKeys]
    const input = Buffer.from(`${segment({ alg: 'ES256' })}.${segment(payload)}`)
    for (const [keys, hash] of [
      [ed, null],
      [rsa, 'sha256'],
    ] as const) {
      const text = `${input}.${encodeBase64url(sign(hash, input, keys.privateKey))}`
      expect(reasonFor(ec, text)).toBe('token.signature')
    }
  })
})
