import { selfSignedCertificate } from '../certificate.ts'
import { type Forge, renamed, unsigned, withHmac, withParts, withSignature } from '../forge.ts'
import { badToken, bearer, each, type GuardVector } from '../guard-vector.ts'

const noneSpellings = ['none', 'None', 'NONE', 'nOnE', 'none ', ' none', '', 'NonE\n']
const foreignNames = ['__proto__', 'constructor', 'toString', 'ES256K', 'RSA1_5', 'dir', 'A128KW', 'ECDH-ES']

/** Every spelling of the public key that a confused verifier might take for a shared secret. */
const secretSpellings: readonly (readonly [string, (forge: Forge) => string | Buffer])[] = [
  ['PEM', pem],
  ['PEM without the last line break', (forge) => pem(forge).trim()],
  ['PEM behind a space', (forge) => ` ${pem(forge)}`],
  ['PEM behind a line break', (forge) => `\n${pem(forge)}`],
  ['PEM in one line', (forge) => pem(forge).replaceAll('\n', '')],
  ['PEM with CRLF', (forge) => pem(forge).replaceAll('\n', '\r\n')],
  ['DER', der],
  ['DER in base64', (forge) => der(forge).toString('base64')],
  ['the JWK', ({ key }) => JSON.stringify(key.jwk)],
  ['the key set', ({ key }) => JSON.stringify({ keys: [key.jwk] })],
  ['the first number of the key', ({ key }) => Buffer.from(String(key.jwk['x'] ?? key.jwk['n']), 'base64url')],
  ['that number in base64url', ({ key }) => String(key.jwk['x'] ?? key.jwk['n'])],
  [
    'all numbers of the key',
    ({ key: { jwk } }) =>
      Buffer.concat(['x', 'y', 'n', 'e'].map((name) => Buffer.from(String(jwk[name] ?? ''), 'base64url'))),
  ],
  ['nothing', () => ''],
  ['the kid', ({ key }) => key.kid],
  ['the word undefined', () => 'undefined'],
  ['the word null', () => 'null'],
]

function pem({ key }: Forge): string {
  return String(key.publicKey.export({ type: 'spki', format: 'pem' }))
}

function der({ key }: Forge): Buffer {
  return key.publicKey.export({ type: 'spki', format: 'der' })
}

/** A token is verified by a key of its issuer, and by nothing that it says about itself. */
export const signatureVectors: readonly GuardVector[] = [
  {
    id: 'signature-altered',
    title: 'refuses an altered token [RFC 6750 §5.2(b), RFC 9068 §4(d)]',
    row: 7,
    route: 'read',
    request: bearer((forge) => withParts(forge.good, { payload: forge.claims({ sub: 'admin' }) })),
    expected: badToken('token.signature'),
  },
  {
    id: 'signature-altered-header',
    title: 'refuses a token with an altered header [RFC 6750 §5.2(b), RFC 9068 §4(d)]',
    route: 'read',
    request: bearer((forge) => withParts(forge.good, { header: forge.header({ cty: 'JWT' }) })),
    expected: badToken('token.signature'),
  },
  {
    id: 'signature-of-stranger',
    title: 'refuses a signature of another key under a known kid [RFC 9068 §4(f)]',
    row: 7,
    route: 'read',
    request: bearer(({ token, stranger, key }) => token({}, {}, renamed(stranger, key.kid))),
    expected: badToken('token.signature'),
  },
  {
    id: 'signature-of-another-token',
    title: 'refuses the signature of another token [RFC 9068 §4(d)]',
    route: 'read',
    request: bearer(({ token, good }) => withSignature(token({ sub: 'admin' }), good.split('.')[2] ?? '')),
    expected: badToken('token.signature'),
  },
  {
    id: 'signature-in-der',
    title: 'refuses a signature wrapped in DER [RFC 7518 §3.4, RFC 9068 §4(d)]',
    route: 'read',
    request: bearer(({ good }) => {
      const raw = Buffer.from(good.split('.')[2] ?? '', 'base64url')
      const integers = [raw.subarray(0, 32), raw.subarray(32, 64)].map((half) =>
        Buffer.concat([Buffer.from([2, 33, 0]), half]),
      )
      return withSignature(good, Buffer.concat([Buffer.from([0x30, 70]), ...integers]).toString('base64url'))
    }),
    expected: badToken('token.signature'),
  },
  ...each(
    [0, 1, 32, 63, 64, 65, 70, 96, 132, 256].flatMap((length) => [0, 1, 0xff].map((byte) => ({ length, byte }))),
    ({ length, byte }, number): GuardVector => ({
      id: `signature-constant-${number}`,
      title: `refuses a signature of ${length} bytes that are all ${byte} [RFC 9068 §4(d), RFC 8725 §3.3]`,
      route: 'read',
      request: bearer(({ good }) => withSignature(good, Buffer.alloc(length, byte).toString('base64url'))),
      expected: badToken('token.signature'),
    }),
  ),
  {
    id: 'signature-group-order',
    title: 'refuses a signature whose numbers are the order of the curve [RFC 9068 §4(d), RFC 8725 §3.3]',
    route: 'read',
    request: bearer(({ good }) => {
      const order = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
      return withSignature(good, Buffer.from(order + order, 'hex').toString('base64url'))
    }),
    expected: badToken('token.signature'),
  },
  ...each(
    noneSpellings,
    (alg, number): GuardVector => ({
      id: `alg-none-${number}`,
      title: `refuses the algorithm ${JSON.stringify(alg)}, unsigned [RFC 9068 §4(e), RFC 8725 §3.2]`,
      ...(number === 1 ? { row: 15 } : {}),
      route: 'read',
      request: bearer((forge) => unsigned(forge.header({ alg }), forge.claims())),
      expected: badToken('token.algorithm'),
    }),
  ),
  ...each(
    [...noneSpellings, ...foreignNames],
    (alg, number): GuardVector => ({
      id: `alg-unknown-${number}`,
      title: `refuses the algorithm ${JSON.stringify(alg)} over a good signature [RFC 9068 §4(e), RFC 8725 §3.1(b)]`,
      route: 'read',
      request: bearer(({ token }) => token({}, { alg })),
      expected: badToken('token.algorithm'),
    }),
  ),
  ...each(
    [null, [], {}, 0, true, ['ES256'], undefined],
    (alg, number): GuardVector => ({
      id: `alg-kind-${number}`,
      title: `refuses an algorithm that is ${JSON.stringify(alg) ?? 'missing'} [RFC 7515 §4.1.1]`,
      route: 'read',
      request: bearer(({ token }) => token({}, { alg })),
      expected: badToken('token.malformed'),
    }),
  ),
  ...each(
    ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'],
    (alg, number): GuardVector => ({
      id: `alg-of-another-key-${number}`,
      title: `refuses a signature by the key of another algorithm that claims to be ${alg} [RFC 8725 §3.1(d)]`,
      route: 'read',
      // For the key's own algorithm the signature has to be wrong, too.
      request: bearer(({ token, key }) => withSignature(token({}, { alg }), 'AAAA'.repeat(key.jwk['n'] ? 22 : 85))),
      expected: { status: 401, challenge: 'code', error: 'invalid_token' },
    }),
  ),
  ...each(
    ['HS256', 'HS384', 'HS512'].flatMap((alg) => secretSpellings.map((spelling) => ({ alg, spelling }))),
    ({ alg, spelling: [name, secret] }, number): GuardVector => ({
      id: `hmac-${number}`,
      title: `refuses ${alg} under a secret that anyone can know: ${name} [RFC 8725 §2.1, RFC 9068 §4(d)]`,
      ...(number === 1 ? { row: 15 } : {}),
      route: 'read',
      request: bearer((forge) => withHmac(forge.header({ alg }), forge.claims(), secret(forge))),
      expected: badToken('token.algorithm'),
    }),
  ),
  {
    id: 'kid-unknown',
    title: 'refuses a key that the issuer does not publish [RFC 9068 §4(f)]',
    row: 9,
    route: 'read',
    request: bearer(({ token, stranger }) => token({}, {}, stranger)),
    expected: badToken('token.key_unknown'),
  },
  {
    id: 'kid-missing',
    title: 'refuses a token without kid [RFC 9068 §4(f)]',
    beyond: true,
    route: 'read',
    request: bearer(({ token }) => token({}, { kid: undefined })),
    expected: badToken('token.key_unknown'),
  },
  ...each(
    [
      '../../../../etc/passwd',
      '/dev/null',
      "' OR 1=1 --",
      "x' UNION SELECT 'AAAA",
      'a\u0000b',
      '__proto__',
      'constructor',
      'hasOwnProperty',
      'http://127.0.0.1:1/jwks',
      '$(id)',
      '*',
      '',
      ' ',
      '0',
      'undefined',
      '\ud83d\udd11',
      'x'.repeat(4_000),
    ],
    (kid, number): GuardVector => ({
      id: `kid-injected-${number}`,
      title: `finds no key under the kid ${JSON.stringify(kid).slice(0, 30)} [RFC 8725 §3.10]`,
      route: 'read',
      request: bearer(({ token }) => token({}, { kid })),
      expected: badToken('token.key_unknown'),
    }),
  ),
  ...each(
    [null, 0, ['a'], {}, true],
    (kid, number): GuardVector => ({
      id: `kid-kind-${number}`,
      title: `refuses a kid that is ${JSON.stringify(kid)} [RFC 7515 §4.1.4]`,
      route: 'read',
      request: bearer(({ token }) => token({}, { kid })),
      expected: badToken('token.malformed'),
    }),
  ),
  ...each(
    ['jwk', 'x5c', 'jku', 'x5u'].flatMap((member) => [true, false].map((isOurKid) => ({ member, isOurKid }))),
    ({ member, isOurKid }, number): GuardVector => ({
      id: `embedded-${number}`,
      title: `trusts no key that a token brings or names: ${member}, ${isOurKid ? 'our kid' : 'its own kid'} [RFC 8725 §3.10, RFC 9068 §4(f)]`,
      route: 'read',
      request: bearer(({ token, stranger, key, trapUrl }) => {
        const brought = {
          jwk: stranger.jwk,
          x5c: [selfSignedCertificate(stranger)],
          jku: trapUrl(`embedded-${number}`),
          x5u: trapUrl(`embedded-${number}`),
        }[member]
        return token({}, { [member]: brought }, isOurKid ? renamed(stranger, key.kid) : stranger)
      }),
      expected: badToken(isOurKid ? 'token.signature' : 'token.key_unknown'),
    }),
  ),
  {
    id: 'crit-unknown',
    title: 'refuses an extension that it does not know [RFC 7515 §4.1.11]',
    row: 16,
    route: 'read',
    request: bearer(({ token }) =>
      token({}, { crit: ['http://example.com/unknown'], 'http://example.com/unknown': true }),
    ),
    expected: badToken('token.malformed'),
  },
  ...each(
    [['exp'], [], ['alg'], ['kid', 'kid'], 'exp', '', null, {}, 0, [null], [[]]],
    (crit, number): GuardVector => ({
      id: `crit-${number}`,
      title: `refuses the crit ${JSON.stringify(crit)} [RFC 7515 §4.1.11]`,
      route: 'read',
      request: bearer(({ token }) => token({}, { crit, exp: 1 })),
      expected: badToken('token.malformed'),
    }),
  ),
  {
    id: 'crit-b64',
    title: 'refuses a payload that is declared unencoded [RFC 7797 §3, RFC 7515 §4.1.11]',
    route: 'read',
    request: bearer(({ token }) => token({}, { b64: false, crit: ['b64'] })),
    expected: badToken('token.malformed'),
  },
]
