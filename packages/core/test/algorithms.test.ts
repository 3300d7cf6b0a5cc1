import { constants, type KeyObject, sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { CompactSign, compactVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  type Algorithm,
  decodeUnverifiedJws,
  encodeBase64url,
  encodeHeader,
  isAlgorithm,
  signCompactJws,
  signCompactJwsAsync,
  verifySignature,
} from '../src/index.ts'
import { unsigned } from './raw-jws.ts'
import { refusalOf } from './refusal-of.ts'
import { makeKeys, type TestKeys } from './signing-keys.ts'

const algorithms = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'] as const
const keysOf = Object.fromEntries(algorithms.map((name) => [name, makeKeys(name)])) as Record<Algorithm, TestKeys>

const mint = (algorithm: Algorithm, payload = '{"sub":"user-1"}'): string => {
  const { signing } = keysOf[algorithm]
  return signCompactJws(encodeHeader(signing, 'at+jwt'), payload, signing)
}
const verifyWith = (algorithm: Algorithm, text: string): void =>
  verifySignature(decodeUnverifiedJws(text), keysOf[algorithm].verification)
const reasonFor = (algorithm: Algorithm, text: string): string => refusalOf(() => verifyWith(algorithm, text)).reason

/** The token with another signature in the place of its own. */
const resign = (text: string, signature: Uint8Array): string =>
  `${text.slice(0, text.lastIndexOf('.'))}.${encodeBase64url(signature)}`
const signatureOf = (text: string): Buffer => Buffer.from(decodeUnverifiedJws(text).signature)
const inputOf = (text: string): Buffer => Buffer.from(text.slice(0, text.lastIndexOf('.')))

describe.each(algorithms)('%s', (algorithm) => {
  const keys = keysOf[algorithm]

  it('verifies what it signs, and says algorithm, kid and type in the header [RFC 7515 §5.1]', () => {
    const text = mint(algorithm)
    expect(decodeUnverifiedJws(text).header.members).toEqual({ alg: algorithm, kid: 'key-1', typ: 'at+jwt' })
    expect(() => verifyWith(algorithm, text)).not.toThrow()
  })

  it('verifies what it signs in the thread pool', async () => {
    const text = await signCompactJwsAsync(encodeHeader(keys.signing, 'at+jwt'), '{}', keys.signing)
    expect(() => verifyWith(algorithm, text)).not.toThrow()
  })

  it('signs what jose accepts [RFC 7518 §3.1]', async () => {
    const { payload } = await compactVerify(mint(algorithm, 'text – with “UTF-8”'), keys.publicKey)
    expect(Buffer.from(payload).toString()).toBe('text – with “UTF-8”')
  })

  it('accepts what jose signs [RFC 7518 §3.1, RFC 9068 §2.1(e)]', async () => {
    const signer = new CompactSign(Buffer.from('{"sub":"user-1"}')).setProtectedHeader({
      alg: algorithm,
      typ: 'at+jwt',
    })
    const text = await signer.sign(keys.privateKey)
    expect(() => verifyWith(algorithm, text)).not.toThrow()
  })

  it('refuses a changed payload, header or signature [RFC 6750 §5.2(b), RFC 9068 §4(d)]', () => {
    const text = mint(algorithm)
    const [head = '', , signature = ''] = text.split('.')
    const changed = signatureOf(text)
    changed[10] = (changed[10] ?? 0) ^ 1
    expect(reasonFor(algorithm, `${head}.${encodeBase64url('{"sub":"user-2"}')}.${signature}`)).toBe('token.signature')
    expect(
      reasonFor(algorithm, resign(unsigned({ alg: algorithm, kid: 'key-2' }, '{"sub":"user-1"}'), signatureOf(text))),
    ).toBe('token.signature')
    expect(reasonFor(algorithm, resign(text, changed))).toBe('token.signature')
  })

  it('refuses a signature by another key of the same algorithm [RFC 9068 §4(f)]', () => {
    const { signing } = makeKeys(algorithm)
    expect(reasonFor(algorithm, signCompactJws(encodeHeader(signing, 'at+jwt'), '{}', signing))).toBe('token.signature')
  })

  it('refuses a signature of any other length', () => {
    const text = mint(algorithm)
    const whole = signatureOf(text)
    const lengths = [
      Buffer.alloc(0),
      whole.subarray(0, 1),
      whole.subarray(0, -1),
      whole.subarray(1),
      Buffer.concat([whole, Buffer.alloc(1)]),
      Buffer.concat([Buffer.alloc(1), whole]),
      Buffer.concat([whole, whole]),
    ]
    for (const signature of lengths) expect(reasonFor(algorithm, resign(text, signature))).toBe('token.signature')
  })

  it('refuses a signature of zeros and one of ones', () => {
    const text = mint(algorithm)
    for (const byte of [0, 1, 0xff]) {
      expect(reasonFor(algorithm, resign(text, signatureOf(text).fill(byte)))).toBe('token.signature')
    }
  })

  it('says in its facts which key was expected, and nothing of the signature', () => {
    const { facts } = refusalOf(() => verifyWith(algorithm, resign(mint(algorithm), Buffer.alloc(64, 1))))
    expect(facts).toEqual({ check: 'signature', expected: 'made by key key-1', received: 'another signature' })
  })
})

describe('ES256 signatures', () => {
  const { signing, publicKey, privateKey } = keysOf.ES256
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  const zero = Buffer.alloc(32)
  const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])])

  it.each([
    ['r and s of zero', zero, zero],
    ['r of zero', zero, one],
    ['s of zero', one, zero],
    ['r and s of one', one, one],
    ['r and s of the order', order, order],
    ['r of the order', order, one],
    ['s of the order', one, order],
    ['r and s beyond the order', Buffer.alloc(32, 0xff), Buffer.alloc(32, 0xff)],
  ])('refuses the psychic signature with %s [RFC 7518 §3.4, RFC 8725 §3.3]', (_name, r, s) => {
    expect(reasonFor('ES256', resign(mint('ES256'), Buffer.concat([r, s])))).toBe('token.signature')
  })

  it('refuses DER, which other protocols use, also when it happens to have 64 bytes [RFC 7518 §3.4]', () => {
    const text = mint('ES256')
    const der = sign('sha256', inputOf(text), privateKey)
    const ofSameLength = Buffer.concat([Buffer.from([0x30, 0x3e, 0x02, 0x1d]), Buffer.alloc(60, 1)])
    expect(reasonFor('ES256', resign(text, der))).toBe('token.signature')
    expect(reasonFor('ES256', resign(text, der.subarray(0, 64)))).toBe('token.signature')
    expect(reasonFor('ES256', resign(text, ofSameLength))).toBe('token.signature')
  })

  it('carry leading zeros of r and s both ways, as the platform itself writes them [RFC 7518 §3.4]', () => {
    const plain = { dsaEncoding: 'ieee-p1363' } as const
    const seen = { r: 0, s: 0 }
    // One signature in 256 has such an r; the limit only bounds a run that would otherwise never end.
    for (let count = 0; count < 50_000 && (count < 500 || seen.r < 2 || seen.s < 2); count++) {
      const text = signCompactJws('e30', `${count}`, signing)
      const ours = Buffer.from(text.slice(text.lastIndexOf('.') + 1), 'base64url')
      const theirs = sign('sha256', inputOf(text), { key: privateKey, ...plain })
      expect(verify('sha256', inputOf(text), { key: publicKey, ...plain }, ours)).toBe(true)
      const jws = { ...decodeUnverifiedJws(mintHeader(text)), signingInput: inputOf(text), signature: theirs }
      expect(() => verifySignature(jws, keysOf.ES256.verification)).not.toThrow()
      if (ours[0] === 0 || theirs[0] === 0) seen.r++
      if (ours[32] === 0 || theirs[32] === 0) seen.s++
    }
    expect(Math.min(seen.r, seen.s)).toBeGreaterThanOrEqual(2)
  })

  it('are never accepted when r and s are drawn at random, and never make the verifier fail', () => {
    const half = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc
        .uint8Array({ minLength: 1, maxLength: 31 })
        .map((bytes) => Buffer.concat([Buffer.alloc(32 - bytes.length), bytes])),
      fc.constantFrom(zero, one, order),
    )
    const text = mint('ES256')
    fc.assert(
      fc.property(half, half, (r, s) => {
        expect(reasonFor('ES256', resign(text, Buffer.concat([r, s])))).toBe('token.signature')
      }),
      { numRuns: 300 },
    )
  })
})

/** Gives a text whose header is empty one that can be decoded; payload and signature stay. */
function mintHeader(text: string): string {
  return `${encodeBase64url('{"alg":"ES256"}')}${text.slice(text.indexOf('.'))}`
}

describe('RSA signatures', () => {
  const { privateKey } = keysOf.PS256
  const text = mint('PS256')
  const pss = (key: KeyObject, saltLength: number): Buffer =>
    sign('sha256', inputOf(text), { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })

  it('need a salt of 32 bytes under PS256 [RFC 7518 §3.5]', () => {
    expect(() => verifyWith('PS256', resign(text, pss(privateKey, 32)))).not.toThrow()
    for (const saltLength of [0, 20, 31, 33, 64]) {
      expect(reasonFor('PS256', resign(text, pss(privateKey, saltLength)))).toBe('token.signature')
    }
  })

  it('of one padding do not pass for the other [RFC 8725 §3.1(d)]', () => {
    const { verification, signing } = keysOf.RS256
    const bound = { ...verification, algorithm: 'PS256' } as const
    const asPss = signCompactJws(encodeHeader({ ...signing, algorithm: 'PS256' }, 'at+jwt'), '{}', signing)
    expect(refusalOf(() => verifySignature(decodeUnverifiedJws(asPss), bound)).reason).toBe('token.signature')
  })

  it('need SHA-256', () => {
    const own = mint('RS256')
    const digest = sign('sha512', inputOf(own), keysOf.RS256.privateKey)
    expect(reasonFor('RS256', resign(own, digest))).toBe('token.signature')
  })
})

describe('names of algorithms', () => {
  it('call one algorithm EdDSA or Ed25519, whichever the key was bound under [RFC 8037 §3.1, RFC 9864 §2.2]', () => {
    const { signing, verification } = keysOf.EdDSA
    for (const [signer, verifier] of [
      ['EdDSA', 'Ed25519'],
      ['Ed25519', 'EdDSA'],
    ] as const) {
      const text = signCompactJws(encodeHeader({ ...signing, algorithm: signer }, 'at+jwt'), '{}', signing)
      expect(() => verifySignature(decodeUnverifiedJws(text), { ...verification, algorithm: verifier })).not.toThrow()
    }
  })

  it('are these five, spelled exactly so', () => {
    const others = [
      '',
      'none',
      'HS256',
      'RS384',
      'ES384',
      'Ed448',
      'es256',
      'ES256 ',
      '__proto__',
      'constructor',
      'toString',
    ]
    expect(algorithms.every(isAlgorithm)).toBe(true)
    expect(others.filter(isAlgorithm)).toEqual([])
  })
})
