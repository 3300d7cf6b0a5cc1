import { badToken, bearer, each, type GuardVector, good, scopeLacking } from '../guard-vector.ts'

/** The same letters as they stand between Chinese ones: equal to many after normalisation, and to nobody before. */
function wide(word: string): string {
  return word.replaceAll(/[!-~]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0))
}

/** What kind of token it is, what it may do, and for whom: type, scope, key binding. */
export const tokenTypeVectors: readonly GuardVector[] = [
  ...each(
    ['application/at+jwt', 'AT+JWT', 'application/AT+JWT'],
    (typ, number): GuardVector => ({
      id: `typ-access-${number}`,
      title: `takes the type written ${typ} [RFC 9068 §4(a), RFC 7515 §4.1.9]`,
      route: 'read',
      request: bearer(({ token }) => token({}, { typ })),
      expected: good,
    }),
  ),
  {
    id: 'typ-jwt',
    title: 'refuses a JWT of no special type [RFC 9068 §4(a)]',
    row: 2,
    route: 'read',
    request: bearer(({ token }) => token({}, { typ: 'JWT' })),
    expected: badToken('token.type'),
  },
  {
    id: 'typ-missing',
    title: 'refuses a token without a type [RFC 9068 §4(a)]',
    row: 2,
    route: 'read',
    request: bearer(({ token }) => token({}, { typ: undefined })),
    expected: badToken('token.type'),
  },
  {
    id: 'id-token',
    title: 'refuses an ID token [RFC 9068 §4(a), RFC 8725 §3.11]',
    row: 3,
    route: 'read',
    request: bearer(({ token }) =>
      token({ nonce: 'n', client_id: undefined, jti: undefined, scope: undefined }, { typ: 'JWT' }),
    ),
    expected: badToken('token.type'),
  },
  ...each(
    [
      'id+jwt',
      'dpop+jwt',
      'logout+jwt',
      'client-authentication+jwt',
      'token-introspection+jwt',
      'secevent+jwt',
      'oauth-authz-req+jwt',
      'rt+jwt',
      'at+jwt ',
      ' at+jwt',
      'at+jwt;v=1',
      'at',
      'text/at+jwt',
      'application/application/at+jwt',
      '',
    ],
    (typ, number): GuardVector => ({
      id: `typ-other-${number}`,
      title: `refuses a token of the type ${JSON.stringify(typ)} [RFC 9068 §4(a), RFC 8725 §3.11]`,
      route: 'read',
      request: bearer(({ token }) => token({}, { typ })),
      expected: badToken('token.type'),
    }),
  ),
  ...each(
    [null, 1, ['at+jwt'], {}],
    (typ, number): GuardVector => ({
      id: `typ-kind-${number}`,
      title: `refuses a type that is ${JSON.stringify(typ)} [RFC 7515 §4.1.9]`,
      route: 'read',
      request: bearer(({ token }) => token({}, { typ })),
      expected: badToken('token.malformed'),
    }),
  ),
  {
    id: 'scope-lacking',
    title: 'asks for the scope that is lacking [RFC 6750 §3.1(c), RFC 6749 §7(c), RFC 9068 §4(o)]',
    row: 17,
    route: 'write',
    request: bearer((forge) => forge.good),
    expected: scopeLacking,
  },
  {
    id: 'scope-missing',
    title: 'asks for the scope of a token that has none [RFC 6750 §3.1(c)]',
    row: 17,
    route: 'read',
    request: bearer(({ token }) => token({ scope: undefined })),
    expected: scopeLacking,
  },
  {
    id: 'scope-held',
    title: 'lets a token in that holds the scope [RFC 6749 §7(c)]',
    route: 'write',
    request: bearer(({ token, scopes }) => token({ scope: `${scopes.read} ${scopes.write}` })),
    expected: good,
  },
  ...each(
    [
      (word: string) => (word === word.toUpperCase() ? word.toLowerCase() : word.toUpperCase()),
      (word: string) => `${word}only`,
      (word: string) => `${word}:all`,
      (word: string) => `a${word}`,
      (word: string) => `${word},${word}x`,
      (word: string) => `${word}\t`,
      (word: string) => `"${word}"`,
      () => '*',
      () => 'admin',
      (word: string) => word.slice(0, -1) + wide(word.slice(-1)),
      wide,
      (word: string) => `${word}\u200b`,
      (word: string) => `${'a'.repeat(3_000)}${word}`,
    ],
    (spell, number): GuardVector => ({
      id: `scope-word-${number}`,
      title: `looks for whole scope words: ${JSON.stringify(spell('read')).slice(0, 40)} [RFC 6749 §3.3, RFC 6749 §7(c)]`,
      route: 'read',
      request: bearer(({ token, scopes }) => token({ scope: spell(scopes.read) })),
      expected: scopeLacking,
    }),
  ),
  {
    id: 'scope-many',
    title: 'finds its scope among hundreds [RFC 6749 §3.3]',
    route: 'read',
    request: bearer(({ token, scopes }) => token({ scope: `${'x '.repeat(1_000)}${scopes.read}` })),
    expected: good,
  },
  {
    id: 'scope-other-names',
    title: 'reads the scope from no other claim [RFC 9068 §2.2.3]',
    route: 'write',
    request: bearer(({ token, scopes: { write } }) =>
      token({ scp: [write], scopes: [write], permissions: [write], roles: [write], authorities: [`SCOPE_${write}`] }),
    ),
    expected: scopeLacking,
  },
  {
    id: 'bound-to-key',
    title: 'refuses a token bound to a key without proof of it [RFC 9449 §7.1]',
    row: 18,
    route: 'read',
    request: bearer(({ token }) => token({ cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } })),
    expected: badToken('token.sender_constrained'),
  },
  {
    id: 'bound-to-certificate',
    title: 'refuses a token bound to a certificate [RFC 8705 §3]',
    row: 18,
    route: 'read',
    request: bearer(({ token }) => token({ cnf: { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' } })),
    expected: badToken('token.sender_constrained'),
  },
  ...each(
    [{ jwk: { kty: 'EC' } }, { kid: 'k' }, {}, 'bound', ['bound'], true],
    (cnf, number): GuardVector => ({
      id: `bound-otherwise-${number}`,
      // Members that nobody understands may be ignored.
      ...(number > 2 ? { beyond: true } : {}),
      title: `refuses a token with the confirmation ${JSON.stringify(cnf)} [RFC 7800 §3.1]`,
      route: 'read',
      request: bearer(({ token }) => token({ cnf })),
      expected: badToken('token.sender_constrained'),
    }),
  ),
]
