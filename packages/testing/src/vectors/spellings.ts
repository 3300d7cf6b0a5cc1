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

/** Payloads that are no claims, each signed by the right key. */
const payloads: readonly (readonly [string, string | Buffer])[] = [
  ['an array', '[]'],
  ['an array of claims', '[{"iss":"a"}]'],
  ['null', 'null'],
  ['a number', '1'],
  ['a text', '"a"'],
  ['true', 'true'],
  ['nothing', ''],
  ['a blank', ' '],
  ['two objects', '{}{}'],
  ['trailing bytes', '{} x'],
  ['a trailing null byte', '{}\u0000'],
  ['a byte order mark', '\ufeff{}'],
  ['a repeated member', '{"iss":"a","iss":"b"}'],
  ['a member repeated by an escape', '{"iss":"a","\\u0069ss":"b"}'],
  ['a number that is not finite', '{"exp":1e999}'],
  ['NaN', '{"exp":NaN}'],
  ['a comment', '{/* */}'],
  ['a trailing comma', '{"exp":1,}'],
  ['single quotes', "{'exp':1}"],
  ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe])],
  ['an overlong encoding', Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc0, 0xae]), Buffer.from('"}')])],
  ['UTF-16', Buffer.from('{}', 'utf16le')],
  ['17 levels', `{"a":${'['.repeat(17)}${']'.repeat(17)}}`],
  ['2,000 levels', `${'{"a":'.repeat(800)}1${'}'.repeat(800)}`],
  ['compressed claims', deflateRawSync('{"iss":"a"}')],
]

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
    ['{"alg":"ES256","alg":"none"}', '[]', 'null', '1', '"x"', '', '{}', '{"alg":"ES256"} x', '\ufeff{"alg":"ES256"}'],
    (head, number): GuardVector => ({
      id: `header-kind-${number}`,
      title: `refuses the header ${JSON.stringify(head)} [RFC 7515 §5.2, RFC 7515 §4]`,
      route: 'read',
      request: bearer((forge) => signAnything(head, JSON.stringify(forge.claims()), forge.key)),
      expected: badToken('token.malformed'),
    }),
  ),
  ...each(
    payloads,
    ([name, payload], number): GuardVector => ({
      id: `payload-${number}`,
      title: `refuses a token with ${name} for claims [RFC 7519 §7.2]`,
      route: 'read',
      request: bearer((forge) => signAnything(forge.header(), payload, forge.key)),
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
    title: 'derives no key from a password that a token names [RFC 8725 §3.1, RFC 7518 §4.8.1.2]',
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
