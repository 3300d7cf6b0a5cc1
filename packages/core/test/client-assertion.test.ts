import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  type ClientAssertion,
  decodeUnverifiedClientAssertion,
  encodeHeader,
  type JsonValue,
  type Refusal,
  signCompactJws,
  verifyClientAssertion,
} from '../src/index.ts'
import { now } from './access-token-claims.ts'
import { signed, unsigned } from './raw-jws.ts'
import { refusalOf } from './refusal-of.ts'
import { issuer, makeKeys } from './signing-keys.ts'

const first = makeKeys('ES256', 'first')
const second = makeKeys('ES256', 'second')
const rsa = makeKeys('PS256', 'rsa')
const registered = [first.verification, second.verification]
const header = { alg: 'ES256', kid: 'first', typ: 'client-authentication+jwt' }

type Changes = Readonly<Record<string, JsonValue | undefined>>
const claims = (changes: Changes): string =>
  JSON.stringify({ iss: 'client-1', sub: 'client-1', aud: issuer, iat: now, exp: now + 60, jti: 'id-1', ...changes })
const assertion = (changes: Changes = {}, head: object = header): string => signed(first.signing, head, claims(changes))

const verifyText = (text: string, keys = registered, at = now): ClientAssertion =>
  verifyClientAssertion(decodeUnverifiedClientAssertion(text), keys, issuer, at)
const refusalFor = (changes: Changes, at = now): Refusal =>
  refusalOf(() => verifyText(assertion(changes), registered, at))
const checkFor = (changes: Changes, at = now): unknown => {
  const { reason, facts } = refusalFor(changes, at)
  expect(reason).toBe('client.assertion_invalid')
  return facts['check']
}

describe('client assertion', () => {
  it('proves its client, and leaves its id to be spent until it is past [RFC 7523 §3]', () => {
    const unverified = decodeUnverifiedClientAssertion(assertion())
    expect(unverified.clientId).toBe('client-1')
    expect(verifyClientAssertion(unverified, registered, issuer, now)).toEqual({ jti: 'id-1', expiresAt: now + 70 })
  })

  it('is taken as jose makes it [RFC 7523 §3]', async () => {
    const text = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: 'first' })
      .setIssuer('client-1')
      .setSubject('client-1')
      .setAudience(issuer)
      .setIssuedAt(now)
      .setExpirationTime(now + 60)
      .setJti('id-2')
      .sign(first.privateKey)
    expect(verifyText(text).jti).toBe('id-2')
  })

  it.each(['client-authentication+jwt', 'application/client-authentication+jwt', 'JWT', 'jwt', undefined])(
    'may have typ %j [RFC 10070]',
    (typ) => {
      expect(verifyText(assertion({}, { ...header, typ })).jti).toBe('id-1')
    },
  )

  it.each(['at+jwt', 'dpop+jwt', 'token-introspection+jwt', ''])(
    'may not have typ %j, for no kind passes for another [RFC 8725 §3.11]',
    (typ) => {
      const refusal = refusalOf(() => decodeUnverifiedClientAssertion(assertion({}, { ...header, typ })))
      expect([refusal.reason, refusal.facts['check']]).toEqual(['client.assertion_invalid', 'type'])
    },
  )

  it.each([
    ['no text', ''],
    ['no JWS', 'not.a-token'],
    ['a JWS of no JSON', unsigned(header, 'text')],
    ['a list', unsigned(header, '[]')],
    ['a repeated claim', unsigned(header, '{"iss":"a","sub":"a","sub":"a"}')],
    ['more than 8192 characters', unsigned(header, { iss: 'a', sub: 'a', pad: 'x'.repeat(9_000) })],
    ['a critical extension', unsigned({ ...header, crit: ['exp'] }, { iss: 'a', sub: 'a' })],
  ])('that is %s fails as client authentication, not as an access token [RFC 7523 §3.2]', (_name, text) => {
    expect(refusalOf(() => decodeUnverifiedClientAssertion(text)).reason).toBe('client.assertion_invalid')
  })

  it.each<readonly [string, Changes]>([
    ['no sub', { sub: undefined }],
    ['no iss', { iss: undefined }],
    ['neither', { iss: undefined, sub: undefined }],
    ['two different ones', { iss: 'client-2' }],
    ['lists', { iss: ['client-1'], sub: ['client-1'] }],
    ['numbers', { iss: 1, sub: 1 }],
  ])('with %s as iss and sub names no client [RFC 7523 §3]', (_name, changes) => {
    const refusal = refusalOf(() => decodeUnverifiedClientAssertion(assertion(changes)))
    expect([refusal.reason, refusal.facts['check']]).toEqual(['client.assertion_invalid', 'iss and sub'])
  })
})

describe('audience of an assertion', () => {
  it.each<readonly [string, JsonValue | undefined]>([
    ['the token endpoint', `${issuer}/token`],
    ['the issuer with a slash', `${issuer}/`],
    ['the issuer in capitals', issuer.toUpperCase()],
    ['the issuer in a list', [issuer]],
    ['the issuer in a list with others', [issuer, `${issuer}/token`]],
    ['the issuer in an object', { [issuer]: issuer }],
    ['another issuer', 'https://other.example'],
    ['the beginning of the issuer', issuer.slice(0, -1)],
    ['empty', ''],
    ['an empty list', []],
    ['null', null],
    ['absent', undefined],
    ['a number', 1],
    ['true', true],
  ])('is refused when it is %s: only the issuer as one text passes [RFC 10070]', (_name, aud) => {
    expect(refusalFor({ aud }).reason).toBe('client.assertion_audience')
  })

  it('is told back only in part', () => {
    expect(refusalFor({ aud: 'x'.repeat(5_000) }).facts['received']).toHaveLength(120)
    expect(refusalFor({ aud: [issuer] }).facts['received']).toBe('a list')
  })
})

describe('times of an assertion', () => {
  it('end with exp and a tolerance of 10 s [RFC 7523 §3]', () => {
    expect(verifyText(assertion({ exp: now }), registered, now + 9).jti).toBe('id-1')
    expect(checkFor({ exp: now }, now + 10)).toBe('exp')
  })

  it('lie at most 300 s and the tolerance ahead [RFC 7523 §3]', () => {
    expect(verifyText(assertion({ exp: now + 310 })).jti).toBe('id-1')
    expect(checkFor({ exp: now + 311 })).toBe('exp')
  })

  it('keep the id spent for as long as the assertion could be used again [RFC 7523 §3]', () => {
    for (const exp of [now, now + 0.2, now + 0.999, now + 60]) {
      const { expiresAt } = verifyText(assertion({ exp }))
      expect(checkFor({ exp }, expiresAt)).toBe('exp')
      expect(Number.isInteger(expiresAt)).toBe(true)
    }
  })

  it.each([undefined, null, String(now + 60), -1, 0, 1e300, [now + 60], true])('refuse exp %j [RFC 7523 §3]', (exp) => {
    expect(checkFor({ exp })).toBe('exp')
  })

  it.each(['iat', 'nbf'])('refuse %s ahead of the clock by more than 10 s [RFC 7523 §3]', (name) => {
    expect(verifyText(assertion({ [name]: now + 10 })).jti).toBe('id-1')
    expect(checkFor({ [name]: now + 11 })).toBe(name)
  })

  it.each(['iat', 'nbf'])('refuse %s that is no number, and do without it', (name) => {
    for (const value of [null, String(now), [now], {}, false]) expect(checkFor({ [name]: value })).toBe(name)
    expect(verifyText(assertion({ [name]: undefined })).jti).toBe('id-1')
  })
})

describe('id of an assertion', () => {
  it.each([undefined, null, '', 1, ['id-1'], 'x'.repeat(257)])('may not be %j [RFC 7523 §3]', (jti) => {
    expect(checkFor({ jti })).toBe('jti')
  })

  it('may have 256 characters', () => {
    expect(verifyText(assertion({ jti: 'x'.repeat(256) })).jti).toHaveLength(256)
  })
})

describe('key of an assertion', () => {
  const kidless = { alg: 'ES256', typ: 'JWT' }

  it('is the registered one that kid names [RFC 7515 §4.1.4]', () => {
    expect(verifyText(signed(second.signing, { ...header, kid: 'second' }, claims({}))).jti).toBe('id-1')
  })

  it('is none when kid names none, and the claim is not asked', () => {
    const refusal = refusalOf(() => verifyText(assertion({}, { ...header, kid: 'third' })))
    expect([refusal.reason, refusal.facts['check']]).toEqual(['client.assertion_invalid', 'kid'])
  })

  it('is not another registered one [RFC 7515 §5.2]', () => {
    const refusal = refusalOf(() => verifyText(assertion({}, { ...header, kid: 'second' })))
    expect([refusal.reason, refusal.facts['check']]).toEqual(['client.assertion_invalid', 'signature'])
  })

  it('may be any registered one where kid is absent, of whatever algorithm [RFC 7515 §4.1.4]', () => {
    const keys = [rsa.verification, ...registered]
    expect(verifyText(signed(second.signing, kidless, claims({})), keys).jti).toBe('id-1')
    expect(verifyText(signed(rsa.signing, { alg: 'PS256' }, claims({})), [...registered, rsa.verification]).jti).toBe(
      'id-1',
    )
  })

  it('must be a registered one also where kid is absent', () => {
    const stranger = makeKeys('ES256', 'first')
    const refusal = refusalOf(() => verifyText(signed(stranger.signing, kidless, claims({}))))
    expect([refusal.reason, refusal.facts['check']]).toEqual(['client.assertion_invalid', 'signature'])
  })

  it('is none for a client that registered none', () => {
    expect(refusalOf(() => verifyText(assertion(), [])).facts['check']).toBe('kid')
    expect(refusalOf(() => verifyText(assertion({}, kidless), [])).facts['check']).toBe('kid')
  })

  it.each(['none', 'HS256', 'PS256'])('does not serve alg %s [RFC 8725 §3.1(b)]', (alg) => {
    const refusal = refusalOf(() => verifyText(assertion({}, { ...header, alg })))
    expect([refusal.reason, refusal.facts['check']]).toEqual(['client.assertion_invalid', 'algorithm'])
  })

  it('decides before any claim does: a forged assertion learns nothing of them', () => {
    const forged = unsigned(header, claims({ aud: 'https://other.example', exp: 0, jti: '' }))
    expect(refusalOf(() => verifyText(forged)).facts['check']).toBe('signature')
  })

  it('signs an access token that does not pass as assertion [RFC 8725 §3.11]', () => {
    const text = signCompactJws(encodeHeader(first.signing, 'at+jwt'), claims({}), first.signing)
    expect(refusalOf(() => verifyText(text)).reason).toBe('client.assertion_invalid')
  })
})
