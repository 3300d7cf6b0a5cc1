import { deflateRawSync } from 'node:zlib'
import { type Forge, withSignature } from '../forge.ts'
import { badToken, bearer, each, type GuardVector, good } from '../guard-vector.ts'
import { encodePart, signAnything } from '../signing.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The same bytes with the lowest, unused bit of the last character turned. */
function respelled(text: string): string {
  return text.slice(0, -1) + alphabet.charAt(alphabet.indexOf(text.charAt(text.length - 1)) ^ 1)
}

/** A part whose length leaves unused bits, whatever it was. */
function respellPart(token: string, at: 0 | 1 | 2): string {
  return token
    .split('.')
    .map((part, index) => (index === at ? respelled(part) : part))
    .join('.')
}

/** A good token whose signature has both characters that the two alphabets spell differently. */
function inOldAlphabet({ token }: Forge): string {
  for (let tried = 0; ; tried++) {
    const [header, payload, signature = ''] = token({ tried }).split('.')
    const old = signature.replaceAll('-', '+').replaceAll('_', '/')
    if (old !== signature) return `${header}.${payload}.${old}`
  }
}

const respellings: readonly (readonly [string, (forge: Forge) => string])[] = [
  ['with padding', (forge) => `${forge.good}==`],
  ['with one sign of padding', (forge) => `${forge.good}=`],
  ['with other unused bits', (forge) => respellPart(forge.good, 2)],
  ['with the old alphabet', inOldAlphabet],
  ['with a tilde behind', (forge) => `${forge.good}~`],
  ['with a fourth part', (forge) => `${forge.good}.`],
  ['with a fourth part that says something', (forge) => `${forge.good}.${forge.good.split('.')[1]}`],
  ['with a part in front', (forge) => `.${forge.good}`],
  ['with a part less', (forge) => forge.good.split('.').slice(0, 2).join('.')],
  ['without a header', (forge) => `.${forge.good.split('.').slice(1).join('.')}`],
  ['without dots', (forge) => forge.good.replaceAll('.', '')],
  ['in hexadecimal', (forge) => Buffer.from(forge.good).toString('hex')],
  ['wrapped once more', (forge) => Buffer.from(forge.good).toString('base64url')],
]

/** Texts that say what they should, to a reader that does not look closely; the rest of the token is right. */
const sloppy: readonly (readonly [string, (text: string) => string | Buffer])[] = [
  ['in an array', (text) => `[${text}]`],
  ['as a text', (text) => JSON.stringify(text)],
  ['with another object behind', (text) => `${text}{}`],
  ['with a word behind', (text) => `${text} x`],
  ['with a null byte behind', (text) => `${text}\u0000`],
  ['behind a byte order mark', (text) => `\ufeff${text}`],
  ['with a trailing comma', (text) => text.replace(/\}$/, ',}')],
  ['with a comment', (text) => text.replace('{', '{/* */')],
  ['in single quotes', (text) => text.replaceAll('"', "'")],
  ['without its last bracket', (text) => text.slice(0, -1)],
  ['with a line break in a text', (text) => text.replace('{', '{"a":"\n",')],
  ['with NaN', (text) => text.replace('{', '{"a":NaN,')],
  ['with a leading zero', (text) => text.replace('{', '{"a":01,')],
  ['in UTF-16', (text) => Buffer.from(text, 'utf16le')],
  ['with bytes that are no UTF-8', (text) => withBytes(text, [0xff, 0xfe])],
  ['with an overlong encoding', (text) => withBytes(text, [0xc0, 0xae])],
  ['with half a surrogate pair', (text) => withBytes(text, [0xed, 0xa0, 0x80])],
  ['compressed', (text) => deflateRawSync(text)],
]

/** What strict readers refuse, although a parser may take it. */
const ambiguous: readonly (readonly [string, (text: string) => string])[] = [
  ['with a repeated member', (text) => text.replace('{', '{"a":1,"a":2,')],
  ['with a member repeated by an escape', (text) => text.replace('{', '{"a":1,"\\u0061":2,')],
  ['with a number that is not finite', (text) => text.replace('{', '{"a":1e999,')],
  ['with 17 levels', (text) => text.replace('{', `{"a":${'['.repeat(17)}${']'.repeat(17)},`)],
]

function withBytes(text: string, bytes: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('",'), Buffer.from(text.slice(1))])
}

/** A token has one spelling, and a bound. */
export const spellingVectors: readonly GuardVector[] = [
  ...each(
    ['garbage', 'a.b.c', '..', 'null', 'e30.e30.', 'AAAA.AAAA.AAAA', 'undefined', '0', 'true'],
    (text, number): GuardVector => ({
      id: `garbage-${number}`,
      title: `refuses what is no token of ours: ${text} [RFC 9068 §4(h)(i)]`,
      ...(number === 1 ? { row: 7 } : {}),
      route: 'read',
      request: bearer(() => text),
      expected: badToken('token.malformed'),
    }),
  ),
  ...each(
    respellings,
    ([name, spell], number): GuardVector => ({
      id: `respelled-${number}`,
      title: `refuses a good token ${name} [RFC 7515 §2, RFC 7519 §7.2]`,
      route: 'read',
      request: bearer(spell),
      expected: badToken('token.malformed'),
    }),
  ),
  ...each(
    ['A', 'AAAA'],
    (more, number): GuardVector => ({
      id: `lengthened-${number}`,
      title: `refuses a good token with ${more} behind [RFC 7515 §5.2, RFC 9068 §4(d)]`,
      route: 'read',
      request: bearer((forge) => forge.good + more),
      expected: badToken('token.signature'),
    }),
  ),
  {
    id: 'respelled-header',
    title: 'refuses a token whose header is written in another way [RFC 7515 §5.2]',
    route: 'read',
    request: bearer((forge) => {
      const [, payload, signature] = forge.good.split('.')
      return `${encodePart(JSON.stringify(forge.header(), undefined, 1))}.${payload}.${signature}`
    }),
    expected: badToken('token.signature'),
  },
  ...each(
    ['[]', 'null', '1', '"a"', 'true', '', ' ', '{}'],
    (text, number): GuardVector => ({
      id: `header-kind-${number}`,
      title: `refuses the header ${JSON.stringify(text)} [RFC 7515 §5.2, RFC 7515 §4]`,
      route: 'read',
      request: bearer((forge) => signAnything(text, JSON.stringify(forge.claims()), forge.key)),
      expected: badToken('token.malformed'),
    }),
  ),
  {
    id: 'header-alg-twice',
    title: 'refuses a header that ends with the algorithm none [RFC 7515 §4]',
    route: 'read',
    request: bearer((forge) => {
      const text = JSON.stringify(forge.header()).replace(/\}$/, ',"alg":"none"}')
      return signAnything(text, JSON.stringify(forge.claims()), forge.key)
    }),
    expected: badToken('token.malformed'),
  },
  ...each(
    ['[]', 'null', '1', '"a"', 'true', '', ' '],
    (text, number): GuardVector => ({
      id: `claims-kind-${number}`,
      title: `refuses the claims ${JSON.stringify(text)} [RFC 7519 §7.2]`,
      route: 'read',
      request: bearer((forge) => signAnything(forge.header(), text, forge.key)),
      expected: badToken('token.malformed'),
    }),
  ),
  {
    id: 'claims-empty',
    title: 'refuses claims that say nothing [RFC 9068 §4(b)(i)]',
    route: 'read',
    request: bearer((forge) => signAnything(forge.header(), '{}', forge.key)),
    expected: badToken('token.issuer'),
  },
  ...each(
    sloppy,
    ([name, spell], number): GuardVector => ({
      id: `header-text-${number}`,
      title: `refuses a good header ${name} [RFC 7515 §5.2]`,
      route: 'read',
      request: bearer((forge) =>
        signAnything(spell(JSON.stringify(forge.header())), JSON.stringify(forge.claims()), forge.key),
      ),
      expected: badToken('token.malformed'),
    }),
  ),
  ...each(
    sloppy,
    ([name, spell], number): GuardVector => ({
      id: `claims-text-${number}`,
      title: `refuses good claims ${name} [RFC 7519 §7.2]`,
      route: 'read',
      request: bearer((forge) => signAnything(forge.header(), spell(JSON.stringify(forge.claims())), forge.key)),
      expected: badToken('token.malformed'),
    }),
  ),
  ...each(
    ambiguous,
    ([name, spell], number): GuardVector => ({
      id: `claims-ambiguous-${number}`,
      title: `refuses good claims ${name} [RFC 7519 §4, RFC 8725 §2.6]`,
      beyond: true,
      route: 'read',
      request: bearer((forge) => signAnything(forge.header(), spell(JSON.stringify(forge.claims())), forge.key)),
      expected: badToken('token.malformed'),
    }),
  ),
  {
    id: 'bomb-dots',
    title: 'refuses 7,000 dots [RFC 7515 §7.1]',
    route: 'read',
    request: bearer(() => '.'.repeat(7_000)),
    expected: badToken('token.malformed'),
  },
  {
    id: 'bomb-iterations',
    title: 'derives no key from a password that a token names [RFC 8725 §3.1(b), RFC 7518 §4.8.1.2]',
    route: 'read',
    request: bearer((forge) =>
      forge.token({}, { alg: 'PBES2-HS512+A256KW', enc: 'A256GCM', p2c: 2 ** 31 - 1, p2s: 'AAAAAAAAAAAAAAAAAAAAAA' }),
    ),
    expected: badToken('token.algorithm'),
  },
  {
    id: 'bomb-jwe',
    title: 'decrypts nothing: an encrypted token is refused [RFC 9068 §4(d)]',
    route: 'read',
    request: bearer(() => {
      const head = {
        alg: 'PBES2-HS512+A256KW',
        enc: 'A256GCM',
        p2c: 2 ** 31 - 1,
        p2s: 'AAAA',
        typ: 'at+jwt',
        zip: 'DEF',
      }
      return `${encodePart(head)}.AAAA.AAAA.AAAA.AAAA`
    }),
    expected: badToken('token.malformed'),
  },
  {
    id: 'bomb-compressed',
    title: 'inflates nothing that a token brings [RFC 8725 §3.6]',
    route: 'read',
    request: bearer((forge) =>
      signAnything(forge.header({ zip: 'DEF' }), deflateRawSync(Buffer.alloc(1_000_000, 0x20)), forge.key),
    ),
    expected: badToken('token.malformed'),
  },
  {
    id: 'bomb-header',
    title: 'refuses a header of a thousand levels [RFC 7515 §5.2]',
    route: 'read',
    request: bearer((forge) => signAnything(`${'{"a":'.repeat(800)}1${'}'.repeat(800)}`, '{}', forge.key)),
    expected: badToken('token.malformed'),
  },
  {
    id: 'length-usual',
    title: 'takes a good token of 8,000 characters [RFC 6750 §2.1(a)]',
    route: 'read',
    request: bearer((forge) => longToken(forge, 8_000)),
    expected: { ...good, otherwise: [413, 431] },
  },
  {
    id: 'length-huge',
    title: 'refuses a token of 15 KB [RFC 6750 §3.1(b), RFC 6585 §5]',
    route: 'read',
    request: bearer((forge) => withSignature(forge.good, 'A'.repeat(15_000 - forge.good.length))),
    expected: { ...badToken('token.malformed'), otherwise: [413, 431] },
  },
]

/** A good token, filled up to at most this length: three bytes make four characters. */
function longToken({ token }: Forge, length: number): string {
  const free = length - token({ filling: '' }).length
  return token({ filling: 'x'.repeat(Math.floor(free * 0.75) - 3) })
}
