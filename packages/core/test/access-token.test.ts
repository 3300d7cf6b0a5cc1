import { describe, expect, it } from 'vitest'
import { checkAccessTokenClaims, type JsonValue, parseClaims, type Reason } from '../src/index.ts'
import { claimsWith, expected, goodClaims, now } from './access-token-claims.ts'
import { refusalOf } from './refusal-of.ts'

type Changes = Readonly<Record<string, JsonValue | undefined>>
const read = (changes: Changes, at = now) => checkAccessTokenClaims(claimsWith(changes), expected, at)
const reasonFor = (changes: Changes, at = now): Reason => refusalOf(() => read(changes, at)).reason
const factsFor = (changes: Changes, at = now) => refusalOf(() => read(changes, at)).facts

describe('parseClaims', () => {
  it('reads one JSON object', () => {
    expect(parseClaims(Buffer.from(JSON.stringify(goodClaims)))).toEqual(goodClaims)
  })

  it.each([
    ['a list', '[{}]'],
    ['a text', '"claims"'],
    ['null', 'null'],
    ['nothing', ''],
    ['form fields', 'sub=user-1'],
    ['a repeated claim', '{"sub":"user-1","sub":"admin"}'],
    ['a repeated claim in another spelling', '{"sub":"user-1","\\u0073ub":"admin"}'],
    ['an infinite number', '{"exp":1e999}'],
    ['17 levels', `${'{"a":'.repeat(17)}1${'}'.repeat(17)}`],
    ['a byte order mark', '\ufeff{}'],
  ])('refuses %s [RFC 7519 §7.2, RFC 7519 §4]', (_name, text) => {
    expect(refusalOf(() => parseClaims(Buffer.from(text))).reason).toBe('token.malformed')
  })

  it('refuses bytes that are not UTF-8 [RFC 7519 §7.2]', () => {
    expect(refusalOf(() => parseClaims(Buffer.from('{"sub":"\xff"}', 'latin1'))).reason).toBe('token.malformed')
  })
})

describe('checkAccessTokenClaims', () => {
  it('reads a good token', () => {
    expect(read({ grant_id: 'grant-1', tenant: 'a' })).toEqual({
      issuer: 'https://as.example.com',
      subject: 'user-1',
      clientId: 'client-1',
      audience: ['https://api.example.com'],
      scopes: ['read', 'write'],
      jti: 'token-1',
      issuedAt: now - 60,
      expiresAt: now + 240,
      grantId: 'grant-1',
      acr: undefined,
      authenticatedAt: undefined,
      authorizationDetails: [],
      actors: [],
      claims: claimsWith({ grant_id: 'grant-1', tenant: 'a' }),
    })
  })

  it('names the check, what was expected and what came', () => {
    expect(factsFor({ iss: 'https://evil.example' })).toEqual({
      check: 'issuer',
      expected: 'https://as.example.com',
      received: 'https://evil.example',
    })
  })

  it('shows at most 120 characters of what the sender wrote', () => {
    expect(factsFor({ iss: 'x'.repeat(5_000) })['received']).toHaveLength(120)
    expect(factsFor({ aud: ['x'.repeat(5_000)] })['received']).toHaveLength(120)
  })
})

describe('issuer', () => {
  it.each([
    ['absent', undefined],
    ['another', 'https://evil.example'],
    ['the right one with a slash', 'https://as.example.com/'],
    ['the right one in capitals', 'HTTPS://as.example.com'],
    ['the beginning of the right one', 'https://as.example.co'],
    ['the right one and more', 'https://as.example.com.evil.example'],
    ['a list of the right one', ['https://as.example.com']],
    ['an object', { value: 'https://as.example.com' }],
    ['null', null],
    ['empty', ''],
  ])('that is %s is refused: it must be equal [RFC 9068 §4(b)]', (_name, iss) => {
    expect(reasonFor({ iss })).toBe('token.issuer')
  })
})

describe('audience', () => {
  const audience = 'https://api.example.com'

  it.each([
    ['one text', audience],
    ['a list of one', [audience]],
    ['a list with others before it', ['https://a.example', 'https://b.example', audience]],
    ['a list with others after it', [audience, 'https://b.example']],
  ])('may be %s [RFC 7519 §4.1.3]', (_name, aud) => {
    expect(read({ aud }).audience).toContain(audience)
  })

  it.each([
    ['absent', undefined],
    ['null', null],
    ['empty', ''],
    ['an empty list', []],
    ['another resource', 'https://other.example'],
    ['a list of other resources', ['https://a.example', 'https://b.example']],
    ['the right one with a slash', `${audience}/`],
    ['the right one with a path', `${audience}/notes`],
    ['the right one in capitals', 'https://API.example.com'],
    ['the beginning of the right one', 'https://api.example.co'],
    ['all in one text', `${audience} https://b.example`],
    ['a list in a list', [[audience]]],
    ['a list with a number', [audience, 1]],
    ['a list with null', [audience, null]],
    ['an object with the right name', { [audience]: true }],
    ['a number', 1],
    ['true', true],
  ])('is refused when it is %s [RFC 9068 §4(c)]', (_name, aud) => {
    expect(reasonFor({ aud })).toBe('token.audience')
  })
})

describe('expiry', () => {
  it('is tolerated until the last second of the tolerance [RFC 7519 §4.1.4]', () => {
    expect(read({ exp: now }, now - 1).expiresAt).toBe(now)
    expect(read({ exp: now }, now + 9).expiresAt).toBe(now)
  })

  it('is final when the tolerance is used up [RFC 9068 §4(g), RFC 6749 §7(b)]', () => {
    expect(reasonFor({ exp: now }, now + 10)).toBe('token.expired')
    expect(reasonFor({ exp: now }, now + 11)).toBe('token.expired')
    expect(factsFor({ exp: now }, now + 10)).toEqual({ check: 'expiry', expected: now + 10, received: now })
  })

  it('is exact where no tolerance is given [RFC 7519 §4.1.4]', () => {
    const exact = { ...expected, clockToleranceSeconds: 0 }
    const claims = claimsWith({ exp: now, iat: now - 1 })
    expect(checkAccessTokenClaims(claims, exact, now - 1).expiresAt).toBe(now)
    expect(refusalOf(() => checkAccessTokenClaims(claims, exact, now)).reason).toBe('token.expired')
  })

  it('may have a fraction [RFC 7519 §2]', () => {
    expect(read({ exp: now - 9.5 }).expiresAt).toBe(now - 9.5)
    expect(reasonFor({ exp: now - 10.5 })).toBe('token.expired')
  })

  it.each([
    ['absent', undefined],
    ['a text', String(now + 240)],
    ['the text NaN', 'NaN'],
    ['null', null],
    ['negative', -1],
    ['1e300', 1e300],
    ['in the year 10000', 253_402_300_800],
    ['in milliseconds', (now + 240) * 1000],
    ['a list', [now + 240]],
    ['true', true],
  ])('is refused when it is %s [RFC 9068 §4(g), RFC 7519 §4.1.4]', (_name, exp) => {
    expect(reasonFor({ exp })).toBe('token.claim_invalid')
  })

  it('may be as late as the year 9999', () => {
    expect(read({ exp: 253_402_300_799 }).expiresAt).toBe(253_402_300_799)
  })

  it('of zero is long past', () => {
    expect(reasonFor({ exp: 0 })).toBe('token.expired')
  })
})

describe('issue time', () => {
  it('may lie ahead by the tolerance [RFC 7519 §4.1.6]', () => {
    expect(read({ iat: now + 10 }).issuedAt).toBe(now + 10)
  })

  it('may not lie ahead any further [RFC 7519 §4.1.6]', () => {
    expect(reasonFor({ iat: now + 11 })).toBe('token.issued_in_future')
    expect(factsFor({ iat: now + 11 })).toEqual({ check: 'issue time', expected: now, received: now + 11 })
  })

  it.each([
    ['absent', undefined],
    ['a text', String(now)],
    ['null', null],
    ['negative', -1],
    ['1e300', 1e300],
  ])('is refused when it is %s [RFC 7519 §4.1.6]', (_name, iat) => {
    expect(reasonFor({ iat })).toBe('token.claim_invalid')
  })

  it('is joined by nbf where that is present, with the same tolerance [RFC 7519 §4.1.5]', () => {
    expect(read({ nbf: now + 10 }).issuedAt).toBe(now - 60)
    expect(reasonFor({ nbf: now + 11 })).toBe('token.issued_in_future')
  })

  it.each([
    ['a text', String(now)],
    ['null', null],
    ['negative', -1],
    ['1e300', 1e300],
    ['a list', [now]],
  ])('is not replaced by an nbf that is %s [RFC 7519 §4.1.5]', (_name, nbf) => {
    expect(reasonFor({ nbf })).toBe('token.claim_invalid')
  })
})

describe('identifiers', () => {
  it.each([
    ['sub', 'subject'],
    ['client_id', 'client'],
    ['jti', 'token id'],
  ])('%s must be a text of 1 to 512 characters [RFC 7519 §2]', (name, check) => {
    for (const value of [undefined, null, '', 7, ['user-1'], { id: 1 }, true, 'x'.repeat(513)]) {
      const { reason, facts } = refusalOf(() => read({ [name]: value }))
      expect([reason, facts['check'], facts['expected']]).toEqual(['token.claim_invalid', check, name])
    }
    expect(read({ [name]: 'x'.repeat(512) }).claims[name]).toHaveLength(512)
  })
})

describe('sender constraint', () => {
  it.each([[{ jkt: 'AA' }], [{ 'x5t#S256': 'AA' }], [{}], [null], ['jkt'], [false]])(
    'cnf %j is refused: a bound token is no bearer token [RFC 9449 §7.1, RFC 8705 §3]',
    (cnf) => {
      expect(reasonFor({ cnf })).toBe('token.sender_constrained')
    },
  )
})

describe('scope', () => {
  it.each<readonly [string, Changes, readonly string[]]>([
    ['several words', { scope: 'read write admin' }, ['read', 'write', 'admin']],
    ['one word', { scope: 'read' }, ['read']],
    ['an empty text', { scope: '' }, []],
    ['nothing at all', { scope: undefined }, []],
    ['a list under the name scp', { scope: undefined, scp: ['read', 'write'] }, ['read', 'write']],
    ['a text under the name scp', { scope: undefined, scp: 'read' }, ['read']],
    ['scope, when scp is there too', { scope: 'read', scp: ['admin'] }, ['read']],
  ])('is read from %s [RFC 8693 §4.2]', (_name, changes, words) => {
    expect(read(changes).scopes).toEqual(words)
  })

  it.each<readonly [string, Changes]>([
    ['a list', { scope: ['read'] }],
    ['null', { scope: null }],
    ['a number', { scope: 1 }],
    ['an object', { scope: { read: true } }],
    ['a number under the name scp', { scope: undefined, scp: 1 }],
    ['a mixed list under the name scp', { scope: undefined, scp: ['read', 1] }],
  ])('is refused when it is %s [RFC 8693 §4.2]', (_name, changes) => {
    expect(reasonFor(changes)).toBe('token.claim_invalid')
  })
})

describe('a resource that takes tokens of typ JWT', () => {
  const untyped = { ...expected, allowUntyped: true }

  it.each(['nonce', 'at_hash', 'c_hash'])(
    'refuses claims with %s, for they are an ID token [RFC 8725 §3.12]',
    (name) => {
      for (const value of ['abc', '', null]) {
        const claims = claimsWith({ [name]: value })
        expect(refusalOf(() => checkAccessTokenClaims(claims, untyped, now)).reason).toBe('token.type')
      }
      expect(read({ [name]: 'abc' }).subject).toBe('user-1')
    },
  )

  it('refuses the claims of an ID token, which lack client_id and jti [RFC 8725 §3.12]', () => {
    const { iss, sub, aud, iat, exp } = goodClaims
    const idToken = { iss, sub, aud, iat, exp, azp: 'client-1', email: 'user-1@example.com' } as typeof goodClaims
    expect(refusalOf(() => checkAccessTokenClaims(idToken, untyped, now)).facts['check']).toBe('client')
  })

  it('takes an access token', () => {
    expect(checkAccessTokenClaims(goodClaims, untyped, now).subject).toBe('user-1')
  })
})
