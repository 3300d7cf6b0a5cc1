import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import { CompactSign, compactVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  decodeUnverifiedJws,
  formatOpaqueToken,
  importSharedSecret,
  importVerificationKey,
  isSharedSecretKey,
  isVerificationKey,
  Secret,
  type SharedSecretKey,
  signSharedSecretJws,
  verifySharedSecretJws,
  verifySignature,
} from '../src/index.ts'
import { segment, signed } from './raw-jws.ts'
import { refusalOf } from './refusal-of.ts'
import { issuer, makeKeys } from './signing-keys.ts'

const bound = { kid: 'secret-1', owner: issuer, resource: 'https://api.example.com' }
const bytes = randomBytes(32)
const base64url = (data: Uint8Array | string): string => Buffer.from(data).toString('base64url')

function take(text: string): SharedSecretKey {
  const result = importSharedSecret(new Secret(text), bound)
  if (!isSharedSecretKey(result)) throw new Error(`the secret was rejected: ${result.why}`)
  return result
}
function whyNot(text: string, more: Partial<typeof bound> = {}): string {
  const result = importSharedSecret(new Secret(text), { ...bound, ...more })
  return isSharedSecretKey(result) ? 'taken' : result.why
}

describe('importSharedSecret', () => {
  it('binds a secret to HS256, its kid, the issuer and the resource [RFC 8725 §3.1(a)(d)]', () => {
    const key = take(base64url(bytes))
    expect(key).toMatchObject({ ...bound, algorithm: 'HS256' })
    expect(key.secret.export()).toEqual(bytes)
  })

  it('takes what the authorization server makes', () => {
    expect(take(formatOpaqueToken('sharedSecret', bytes).reveal()).secret.export()).toEqual(bytes)
  })

  it.each([32, 33, 64, 512])('takes %d random bytes [RFC 7518 §3.2]', (length) => {
    expect(whyNot(base64url(randomBytes(length)))).toBe('taken')
  })

  it('takes random bytes that begin like JSON, PEM or DER', () => {
    for (const first of ['{', ' {', '-', '\x30\x3f', '\x04']) {
      const random = randomBytes(65)
      random.write(first, 0, 'latin1')
      expect(whyNot(base64url(random))).toBe('taken')
    }
  })

  it.each([0, 1, 16, 31])('rejects %d bytes, and says how many there are [RFC 8725 §3.5, RFC 7518 §3.2]', (length) => {
    expect(whyNot(base64url(randomBytes(length)))).toBe(`it has ${length} bytes, not 32 or more`)
  })

  it('rejects 513 bytes', () => {
    expect(whyNot(base64url(randomBytes(513)))).toBe('it has more than 512 bytes')
  })

  it.each([
    ['a pass phrase', 'correct horse battery staple, and then some more words', 'it is not canonical base64url'],
    ['base64 with padding', `${Buffer.alloc(32, 251).toString('base64')}`, 'it is not canonical base64url'],
    ['one character over and over', base64url('a'.repeat(40)), 'it is not random'],
    ['digits', base64url('1234567890'.repeat(5)), 'it is not random'],
    ['zeros', base64url(Buffer.alloc(32)), 'it is not random'],
  ])('rejects %s [RFC 8725 §3.5(b)]', (_name, text, why) => {
    expect(whyNot(text)).toBe(why)
  })

  it('rejects other secrets of ours, and a spelling mistake', () => {
    const own = formatOpaqueToken('sharedSecret', bytes).reveal()
    const why = 'it is another kind of secret, or was mistyped'
    expect(whyNot(formatOpaqueToken('clientSecret', bytes).reveal())).toBe(why)
    expect(whyNot(`${own.slice(0, -1)}${own.endsWith('0') ? '1' : '0'}`)).toBe(why)
    expect(whyNot(formatOpaqueToken('sharedSecret', randomBytes(16)).reveal())).toBe(why)
  })

  it.each(['', 'k'.repeat(257)])('rejects the kid %j', (kid) => {
    expect(whyNot(base64url(bytes), { kid })).toBe('its kid is empty or too long')
  })

  it.each(['ec', 'rsa'] as const)('rejects a public key of type %s in every form [RFC 8725 §2.1]', (type) => {
    const { publicKey } =
      type === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 })
    const der = publicKey.export({ type: 'spki', format: 'der' })
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const jwk = JSON.stringify(publicKey.export({ format: 'jwk' }))
    expect([pem, `\n${pem}`, jwk].map((text) => whyNot(text))).toEqual(
      Array(3).fill('it is a key of another kind, as PEM or JWK'),
    )
    const forms = [der, Buffer.from(pem), Buffer.from(jwk)]
    if (type === 'ec') forms.push(der.subarray(-65))
    else forms.push(publicKey.export({ type: 'pkcs1', format: 'der' }))
    expect(forms.map((form) => whyNot(base64url(form)))).toEqual(forms.map(() => 'it is a public key'))
  })

  it('shows nothing of a secret when it is printed', () => {
    const printed = JSON.stringify([take(base64url(bytes)), importSharedSecret(new Secret('short'), bound)])
    expect(printed).not.toContain(base64url(bytes))
    expect(printed).not.toContain('short')
  })
})

describe('tokens under a shared secret', () => {
  const key = take(base64url(bytes))
  const payload = '{"sub":"ada"}'
  const token = signSharedSecretJws('at+jwt', payload, key)

  it('are what another library makes and takes', async () => {
    const theirs = await new CompactSign(Buffer.from(payload))
      .setProtectedHeader({ alg: 'HS256', kid: 'secret-1', typ: 'at+jwt' })
      .sign(bytes)
    expect(token).toBe(theirs)
    expect((await compactVerify(token, bytes)).protectedHeader).toEqual({
      alg: 'HS256',
      kid: 'secret-1',
      typ: 'at+jwt',
    })
  })

  it('pass under the secret, and under no other [RFC 7515 §5.2]', () => {
    expect(() => verifySharedSecretJws(decodeUnverifiedJws(token), key)).not.toThrow()
    const other = take(base64url(randomBytes(32)))
    expect(refusalOf(() => verifySharedSecretJws(decodeUnverifiedJws(token), other)).reason).toBe('token.signature')
  })

  it.each([0, 31, 33, 64])('are refused with a signature of %d bytes', (length) => {
    const input = token.slice(0, token.lastIndexOf('.'))
    const mac = createHmac('sha256', bytes).update(input).digest()
    const text = `${input}.${base64url(Buffer.concat([mac, mac]).subarray(0, length))}`
    expect(refusalOf(() => verifySharedSecretJws(decodeUnverifiedJws(text), key)).reason).toBe('token.signature')
  })

  it.each(['HS384', 'HS512', 'hs256', 'ES256', 'none', ''])(
    'are refused under the name %j, whoever made the signature [RFC 8725 §3.1(b)(c)]',
    (alg) => {
      const input = `${segment({ alg, kid: 'secret-1' })}.${segment(payload)}`
      const mac = createHmac('sha256', bytes).update(input).digest()
      const jws = decodeUnverifiedJws(`${input}.${base64url(mac)}`)
      expect(refusalOf(() => verifySharedSecretJws(jws, key)).reason).toBe('token.algorithm')
    },
  )

  it('and those under ES256 with the same kid do not pass for each other [RFC 8725 §2.1]', () => {
    const keys = makeKeys('ES256', 'secret-1')
    const asymmetric = signed(keys.signing, { alg: 'ES256', kid: 'secret-1' }, payload)
    const attempts = [
      () => verifySignature(decodeUnverifiedJws(token), keys.verification),
      () => verifySharedSecretJws(decodeUnverifiedJws(asymmetric), key),
    ]
    expect(attempts.map((attempt) => refusalOf(attempt).reason)).toEqual(Array(2).fill('token.algorithm'))
  })
})

it('no JWK becomes a shared secret or a key for HS256 [RFC 8725 §3.1(d)]', () => {
  const k = base64url(bytes)
  const jwks = [
    { kty: 'oct', k, kid: 'secret-1', alg: 'HS256', use: 'sig' },
    { kty: 'oct', k, kid: 'secret-1' },
    { ...makeKeys('RS256').jwk, alg: 'HS256' },
    { ...makeKeys('EdDSA').jwk, k },
  ]
  expect(jwks.map((jwk) => isVerificationKey(importVerificationKey(jwk, issuer)))).toEqual(Array(4).fill(false))
})
