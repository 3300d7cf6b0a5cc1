import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  decodeUnverifiedIntrospectionAnswer,
  type IntrospectionQuestion,
  type JsonObject,
  type JsonValue,
  sha256Base64url,
  verifyIntrospectionAnswer,
} from '../src/index.ts'
import { now } from './access-token-claims.ts'
import { signed, unsigned } from './raw-jws.ts'
import { refusalOf } from './refusal-of.ts'
import { issuer, makeKeys } from './signing-keys.ts'

const key = makeKeys('ES256', 'first')
const header = { alg: 'ES256', kid: 'first', typ: 'token-introspection+jwt' }
const answer = { active: true, scope: 'read' }
const question: IntrospectionQuestion = {
  issuer,
  audiences: ['notes-api', 'https://notes.example'],
  tokenHash: sha256Base64url('the token'),
  askedAt: now,
  clockToleranceSeconds: 10,
}

type Changes = Readonly<Record<string, JsonValue | undefined>>

const claims = (changes: Changes = {}): string =>
  JSON.stringify({ iss: issuer, aud: 'notes-api', iat: now, token_introspection: answer, ...changes })
const written = (changes: Changes = {}, head: object = header): string => signed(key.signing, head, claims(changes))
const read = (text: string, at = now): JsonObject =>
  verifyIntrospectionAnswer(decodeUnverifiedIntrospectionAnswer(text), key.verification, question, at)
const checkFor = (text: string, at = now): unknown => {
  const { reason, facts } = refusalOf(() => read(text, at))
  expect(reason).toBe('introspection.unavailable')
  return facts['check']
}

describe('a signed introspection answer', () => {
  it('says what the issuer says of the token [RFC 9701 §5(e)]', () => {
    expect(read(written())).toEqual(answer)
  })

  it('is taken as jose makes it', async () => {
    const text = await new SignJWT({ token_introspection: answer })
      .setProtectedHeader(header)
      .setIssuer(issuer)
      .setAudience(['another', 'https://notes.example'])
      .setIssuedAt(now)
      .sign(key.privateKey)
    expect(read(text)).toEqual(answer)
  })

  it('may be longer than a token may be', () => {
    const scope = 'x'.repeat(20_000)
    expect(read(written({ token_introspection: { active: true, scope } }))['scope']).toBe(scope)
    expect(checkFor(written({ token_introspection: { scope: 'x'.repeat(262_144) } }))).toBe(
      'introspection answer: length',
    )
  })

  it.each(['at+jwt', 'JWT', 'client-authentication+jwt', undefined])(
    'is no JWT of type %j, whoever signed it [RFC 9701 §5(a)]',
    (typ) => {
      expect(checkFor(written({}, { ...header, typ }))).toBe('introspection answer: type')
    },
  )

  it.each([
    ['no JWT', '{"active":true}', 'parts'],
    ['without a signature', unsigned(header, claims()), 'signature'],
    ['under alg none', unsigned({ ...header, alg: 'none' }, claims(), new Uint8Array()), 'algorithm'],
    ['of a key without a name', written({}, { ...header, kid: undefined }), 'kid'],
    ['signed by another key', signed(makeKeys('ES256', 'first').signing, header, claims()), 'signature'],
    ['that is no object', signed(key.signing, header, '[]'), 'claims'],
  ])('is not believed %s [RFC 9701 §5(k)]', (_, text, check) => {
    expect(checkFor(text)).toBe(`introspection answer: ${check}`)
  })

  it.each([
    ['iss', 'of another issuer', { iss: 'https://as.example.org' }],
    ['iss', 'of no issuer', { iss: undefined }],
    ['aud', 'for another resource server', { aud: 'archive-api' }],
    ['aud', 'for several others', { aud: ['archive-api', 'https://archive.example'] }],
    ['aud', 'for nobody', { aud: undefined }],
    ['iat', 'without its time', { iat: undefined }],
    ['iat', 'whose time is a text', { iat: String(now) }],
    ['iat', 'from before the question', { iat: now - 11 }],
    ['iat', 'from the future', { iat: now + 11 }],
    ['exp', 'that has ended', { exp: now - 10 }],
    ['exp', 'whose end is a text', { exp: String(now + 60) }],
    ['ath', 'about another token', { ath: sha256Base64url('another token') }],
    ['token_introspection', 'that says nothing', { token_introspection: undefined }],
    ['token_introspection', 'that is a list', { token_introspection: [answer] }],
  ])('is judged by %s: none %s [RFC 9701 §5(b)(c)(d)(e)]', (check, _, changes: Changes) => {
    expect(checkFor(written(changes))).toBe(`introspection answer: ${check}`)
  })

  it('may be off by the tolerance, and no second more', () => {
    for (const iat of [now - 10, now + 10]) expect(read(written({ iat }))).toEqual(answer)
    expect(read(written({ exp: now - 9 }))).toEqual(answer)
    expect(checkFor(written(), now - 11)).toBe('introspection answer: iat')
  })

  it('names the token it is about by hash, or not at all', () => {
    expect(read(written({ ath: question.tokenHash }))).toEqual(answer)
    expect(read(written({ ath: undefined }))).toEqual(answer)
  })
})
