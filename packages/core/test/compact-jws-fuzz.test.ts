import fc from 'fast-check'
import { compactVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { decodeUnverifiedJws, encodeBase64url, Refusal, type UnverifiedJws, verifySignature } from '../src/index.ts'
import { signed } from './raw-jws.ts'
import { makeKeys, type TestKeys } from './signing-keys.ts'

const allKeys = [makeKeys('ES256'), makeKeys('EdDSA'), makeKeys('RS256')]

type Change = (text: string) => string
const position = fc.nat({ max: 2_000 })
const character = fc.oneof(
  fc.constantFrom(...'AZaz09-_.=+/ \n\t\0{}":,'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
)
const splice = (text: string, at: number, remove: number, insert: string): string => {
  const start = at % (text.length + 1)
  return text.slice(0, start) + insert + text.slice(start + remove)
}
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(position, character).map(
    ([at, unit]): Change =>
      (text) =>
        splice(text, at, 1, unit),
  ),
  fc.tuple(position, character).map(
    ([at, unit]): Change =>
      (text) =>
        splice(text, at, 0, unit),
  ),
  position.map(
    (at): Change =>
      (text) =>
        splice(text, at, 1, ''),
  ),
  position.map(
    (at): Change =>
      (text) =>
        text.slice(0, at % (text.length + 1)),
  ),
  position.map(
    (at): Change =>
      (text) =>
        text.slice(at % (text.length + 1)),
  ),
  // One bit of the bytes that a part stands for, written canonically again.
  fc.tuple(fc.nat({ max: 2 }), position, fc.nat({ max: 7 })).map(
    ([part, at, bit]): Change =>
      (text) => {
        const parts = text.split('.')
        const bytes = Buffer.from(parts[part] ?? '', 'base64url')
        if (bytes.byteLength > 0) bytes[at % bytes.byteLength] = (bytes[at % bytes.byteLength] ?? 0) ^ (1 << bit)
        parts[part] = bytes.toString('base64url')
        return parts.join('.')
      },
  ),
  fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })).map(
    ([from, to]): Change =>
      (text) => {
        const parts = text.split('.')
        parts[to] = parts[from] ?? ''
        return parts.join('.')
      },
  ),
)

/** The decoded token, or `undefined` for a refusal of the right kind; any other throw fails the test. */
function decode(text: string): UnverifiedJws | undefined {
  try {
    return decodeUnverifiedJws(text)
  } catch (error) {
    if (error instanceof Refusal && error.reason === 'token.malformed') return undefined
    throw error
  }
}

function verifies(jws: UnverifiedJws, keys: TestKeys): boolean {
  try {
    verifySignature(jws, keys.verification)
    return true
  } catch (error) {
    if (error instanceof Refusal) return false
    throw error
  }
}

function encodeAgain({ header, payload, signature, signingInput }: UnverifiedJws, text: string): string {
  const [head = ''] = text.split('.')
  expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual(header.members)
  const input = `${Buffer.from(head, 'base64url').toString('base64url')}.${encodeBase64url(payload)}`
  expect(signingInput.toString('latin1')).toBe(input)
  return `${input}.${encodeBase64url(signature)}`
}

const goodTokens = allKeys.map((keys) =>
  signed(
    keys.signing,
    { alg: keys.signing.algorithm, kid: 'key-1', typ: 'at+jwt' },
    '{"iss":"https://as.example.com"}',
  ),
)

describe('decoder and verifier against changed tokens', () => {
  it('only ever refuses, gives every token one spelling, and takes no changed one [RFC 6750 §5.2(b)]', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 }), fc.array(change, { minLength: 1, maxLength: 4 }), (which, changes) => {
        const [good, keys] = [goodTokens[which] ?? '', allKeys[which] as TestKeys]
        const text = changes.reduce((each, apply) => apply(each), good)
        const jws = decode(text)
        if (jws === undefined) return
        expect(encodeAgain(jws, text)).toBe(text)
        expect(verifies(jws, keys)).toBe(text === good)
      }),
      { numRuns: 5_000 },
    )
  })

  it('only ever refuses arbitrary texts', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc.constantFrom('.', '..', 'eyJhbGciOiJFUzI1NiJ9'),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const text = pieces.join('')
        const jws = decode(text)
        if (jws !== undefined) expect(encodeAgain(jws, text)).toBe(text)
      }),
      { numRuns: 3_000 },
    )
  })
})

function mostly<Good, Bad>(good: fc.Arbitrary<Good>, bad: fc.Arbitrary<Bad>): fc.Arbitrary<Good | Bad> {
  return fc.oneof({ arbitrary: good, weight: 9 }, { arbitrary: bad, weight: 1 })
}

describe('verifier against jose', () => {
  const oddHeader = fc.record(
    {
      alg: fc.constantFrom('ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256', 'none', 'HS256', 'es256', 1, null),
      kid: mostly(fc.string(), fc.constantFrom(1, null, {})),
      typ: mostly(fc.constantFrom('at+jwt', 'JWT', ''), fc.constantFrom(1, null)),
      crit: mostly(fc.constant(undefined), fc.constantFrom([], ['b64'], ['exp'], 'b64', null, true)),
      b64: fc.boolean(),
      jwk: fc.constantFrom({ kty: 'oct', k: 'AA' }, 'text', null),
      jku: fc.webUrl(),
      x5c: fc.constantFrom([], ['AA'], 'AA'),
      zip: fc.constantFrom('DEF', null),
      cty: fc.constantFrom('JWT', 1),
      exp: fc.double(),
    },
    { requiredKeys: [] },
  )

  it('accepts nothing that jose refuses, whatever the header says', async () => {
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 2 }),
        oddHeader,
        fc.string(),
        fc.boolean(),
        async (which, odd, payload, isRight) => {
          const keys = allKeys[which] as TestKeys
          // Half of the headers name the right algorithm, or hardly any token would get as far as its signature.
          const header = isRight ? { ...odd, alg: keys.signing.algorithm } : odd
          const text = signed(keys.signing, header, payload)
          const jws = decode(text)
          if (jws === undefined || !verifies(jws, keys)) return
          accepted++
          const oracle = await compactVerify(text, keys.publicKey)
          expect(Buffer.from(oracle.payload)).toEqual(jws.payload)
          expect(oracle.protectedHeader).toEqual(jws.header.members)
        },
      ),
      { numRuns: 400 },
    )
    expect(accepted).toBeGreaterThan(20)
  })
})
