import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Guard, guardOf, present, verdict } from './guard.ts'
import { type Issuer, makeKey, signAnything, startIssuer } from './issuer.ts'
import { unsigned, withHmac } from './vectors.ts'

let issuer: Issuer
let guard: Guard

beforeAll(async () => {
  issuer = await startIssuer()
  guard = guardOf(issuer)
  await guard.reload()
})
afterAll(() => issuer.close())

const header = (members: Record<string, unknown> = {}) => ({
  alg: 'ES256',
  kid: issuer.key.kid,
  typ: 'at+jwt',
  ...members,
})

async function statusOf(authorization: string): Promise<number> {
  const decision = await guard.authorize({ method: 'GET', url: '/', headers: { authorization } }, { scope: 'read' })
  return decision.ok ? 200 : decision.status
}

/** Every spelling of the public key that a confused verifier might take for a shared secret. */
function spellingsOfPublicKey(): (string | Buffer)[] {
  const { publicKey, jwk, kid } = issuer.key
  const pem = String(publicKey.export({ type: 'spki', format: 'pem' }))
  const der = publicKey.export({ type: 'spki', format: 'der' })
  const x = Buffer.from(String(jwk['x']), 'base64url')
  const y = Buffer.from(String(jwk['y']), 'base64url')
  const texts = [pem, pem.trim(), ` ${pem}`, `\n${pem}`, pem.replaceAll('\n', ''), pem.replaceAll('\n', '\r\n')]
  const sets = [JSON.stringify(jwk), JSON.stringify({ keys: [jwk] }), der.toString('base64')]
  return [...texts, ...sets, der, x, Buffer.concat([x, y]), '', kid, 'undefined', 'null']
}

describe('a token is never verified by what it says about itself', () => {
  it.each(['HS256', 'HS384', 'HS512'])(
    'refuses %s under every spelling of the public key [RFC 8725 §2.1]',
    async (alg) => {
      for (const secret of spellingsOfPublicKey()) {
        expect(await verdict(guard, withHmac(header({ alg }), issuer.claims(), secret))).toBe('token.algorithm')
      }
    },
  )

  it.each(['none', 'None', 'NONE', 'nOnE', '', ' none', 'none ', '__proto__', 'constructor', 'toString'])(
    'refuses the algorithm %j, signed or not [RFC 9068 §4(e)]',
    async (alg) => {
      expect(await verdict(guard, unsigned(header({ alg }), issuer.claims()))).toBe('token.algorithm')
      expect(await verdict(guard, issuer.token({}, { alg }))).toBe('token.algorithm')
    },
  )

  it.each([[null], [[]], [{}], [0], [['ES256']]])('refuses the algorithm %j [RFC 7515 §4.1.1]', async (alg) => {
    expect(await verdict(guard, issuer.token({}, { alg }))).toBe('token.malformed')
  })

  it('refuses another algorithm on offer than the one of the key [RFC 8725 §3.1]', async () => {
    expect(await verdict(guard, issuer.token({}, { alg: 'RS256' }))).toBe('token.algorithm')
    expect(await verdict(guard, issuer.token({}, { alg: 'EdDSA' }))).toBe('token.algorithm')
  })

  it.each([
    '../../../../etc/passwd',
    "' OR 1=1 --",
    'a\u0000b',
    '__proto__',
    'constructor',
    'http://127.0.0.1:1/jwks',
    '',
    'x'.repeat(4_000),
  ])('finds no key under the kid %j [RFC 8725 §3.10]', async (kid) => {
    expect(await verdict(guard, issuer.token({}, { kid }))).toBe('token.key_unknown')
  })

  it.each([[null], [0], [['a']], [{}]])('refuses the kid %j [RFC 7515 §4.1.4]', async (kid) => {
    expect(await verdict(guard, issuer.token({}, { kid }))).toBe('token.malformed')
  })

  it.each([[['exp']], [[]], [['alg']], ['exp'], [null], [{}]])('refuses crit %j [RFC 7515 §4.1.11]', async (crit) => {
    expect(await verdict(guard, issuer.token({}, { crit }))).toBe('token.malformed')
  })

  it('refuses signatures that fit everything under a broken verifier [RFC 9068 §4(d)]', async () => {
    const [head, payload] = issuer.token().split('.')
    for (const length of [0, 32, 63, 64, 65, 96, 132]) {
      for (const byte of [0, 1, 0xff]) {
        const signature = Buffer.alloc(length, byte).toString('base64url')
        expect(await verdict(guard, `${head}.${payload}.${signature}`)).toBe('token.signature')
      }
    }
  })
})

describe('a token has one spelling', () => {
  const respellings: Readonly<Record<string, (token: string) => string>> = {
    'with padding': (token) => `${token}==`,
    'with other unused bits': (token) => token.slice(0, -1) + (token.endsWith('A') ? 'B' : flipLast(token)),
    'with another alphabet': (token) => token.replaceAll('-', '+').replaceAll('_', '/').concat('/'),
    'with a fourth part': (token) => `${token}.`,
    'with a part in front': (token) => `.${token}`,
    'with a part less': (token) => token.split('.').slice(0, 2).join('.'),
    'with 7,000 dots': () => '.'.repeat(7_000),
    'beyond 8 KB': (token) => token + 'A'.repeat(8_193 - token.length),
  }
  it.each(Object.keys(respellings))('is refused %s [RFC 7515 §2]', async (name) => {
    expect(await statusOf(`Bearer ${respellings[name]?.(issuer.token())}`)).toBe(401)
  })

  it.each([' ', '\t', '\n', '\u00a0'])('is refused with %j inside [RFC 6750 §2.1(c)]', async (blank) => {
    const token = issuer.token()
    expect(await statusOf(`Bearer ${token.slice(0, 40)}${blank}${token.slice(40)}`)).toBe(400)
    expect(await statusOf(`Bearer ${token}${blank}`)).toBe(400)
  })

  it.each([
    ['an array', '[]'],
    ['null', 'null'],
    ['a number', '1'],
    ['two objects', '{}{}'],
    ['trailing bytes', '{} x'],
    ['a repeated member', '{"iss":"a","iss":"b"}'],
    ['a number that is not finite', '{"exp":1e999}'],
    ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe])],
    ['17 levels', `{"a":${'['.repeat(17)}${']'.repeat(17)}}`],
  ])('is refused with %s for claims [RFC 7519 §7.2]', async (_name, payload) => {
    expect(await verdict(guard, signAnything(header(), payload, issuer.key))).toBe('token.malformed')
  })
})

describe('every claim is what it has to be', () => {
  const audiences = [
    '',
    ' ',
    '*',
    'https://api.example.com ',
    'HTTPS://api.example.com',
    'https://api.example.com:443',
    'https://api.example.com.evil.example',
    'https://api.example.co',
    ['https://api.example.com', 1],
    [],
    [[]],
    {},
    1,
    true,
    null,
    [['https://api.example.com']],
    'https://api.example.com,https://other.example.com',
    'https://api.example.com https://other.example.com',
    'https%3A%2F%2Fapi.example.com',
    'https://api.example.com#',
    'https://api.example.com?',
    'https://user@api.example.com',
  ]
  it.each(audiences.map((audience) => [audience]))('refuses the audience %j [RFC 9068 §4(c)]', async (aud) => {
    expect(await verdict(guard, issuer.token({ aud }))).toBe('token.audience')
  })

  it('refuses every other spelling of the issuer [RFC 9068 §4(b)]', async () => {
    const { issuer: right } = issuer
    const wrong = [
      `${right}/`,
      right.toUpperCase(),
      ` ${right}`,
      `${right}?`,
      `${right}#`,
      [right],
      { right },
      1,
      true,
      null,
      '',
    ]
    for (const iss of wrong) expect(await verdict(guard, issuer.token({ iss }))).toBe('token.issuer')
  })

  it.each([
    ['exp', '1e12'],
    ['exp', -1],
    ['exp', 1e300],
    ['iat', 'now'],
    ['nbf', 'now'],
    ['sub', ''],
    ['sub', 7],
    ['jti', undefined],
    ['jti', 'x'.repeat(513)],
    ['client_id', null],
    ['scope', 7],
    ['scope', ['read']],
  ])('refuses %s %j [RFC 9068 §4(i)]', async (name, value) => {
    expect(await verdict(guard, issuer.token({ [name]: value }))).toBe('token.claim_invalid')
  })

  it('looks for whole scope words [RFC 6749 §3.3]', async () => {
    for (const scope of ['', 'READ', 'readonly', 'read:all', 'aread', 'write', 'read,write']) {
      expect(await verdict(guard, issuer.token({ scope }))).toBe('token.scope')
    }
    expect(await verdict(guard, issuer.token({ scope: `${'x '.repeat(1_000)}read` }))).toBe('good')
  })
})

describe('one guard never speaks for another', () => {
  it('refuses a token at the second of two guards with other audiences', async () => {
    const other = guardOf(issuer, { resource: 'https://other.example.com' })
    const token = issuer.token()
    expect([await verdict(guard, token), await verdict(other, token)]).toEqual(['good', 'token.audience'])
  })

  it('finds keys by issuer and kid: one issuer cannot sign for another [RFC 8725 §3.8]', async () => {
    const second = await startIssuer()
    const twin = makeKey('ES256', issuer.key.kid)
    second.published = [twin.jwk]
    const both = guardOf(issuer, { authorizationServers: [issuer.issuer, second.issuer] })
    expect(await verdict(both, second.token({}, {}, twin))).toBe('good')
    expect(await verdict(both, issuer.token())).toBe('good')
    expect(await verdict(both, issuer.token({}, {}, twin))).toBe('token.signature')
    expect(await verdict(both, second.token({}, {}, issuer.key))).toBe('token.signature')
    await second.close()
  })

  it('decides alike whatever forwarding headers say [RFC 9068 §4(c)]', async () => {
    const headers = {
      authorization: `Bearer ${issuer.token()}`,
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
    }
    const decision = await guard.authorize({ method: 'GET', url: '/', headers: { ...headers, authorization: [] } }, {})
    expect((await guard.authorize({ method: 'GET', url: '/', headers }, {})).ok).toBe(true)
    expect(decision.ok || decision.challenge).toBe(
      'Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"',
    )
  })
})

describe('the switch for untyped tokens', () => {
  it('takes a JWT of no special type, but no ID token [RFC 9068 §4(a)]', async () => {
    const lenient = guardOf(issuer, { typ: 'JWT' })
    expect(await verdict(lenient, issuer.token({}, { typ: 'JWT' }))).toBe('good')
    expect(await verdict(lenient, issuer.token())).toBe('good')
    expect(await verdict(lenient, issuer.token({ nonce: 'n' }, { typ: 'JWT' }))).toBe('token.type')
    expect(await verdict(lenient, issuer.token({ jti: undefined }, { typ: 'JWT' }))).toBe('token.claim_invalid')
    expect(await verdict(lenient, issuer.token({}, { typ: 'logout+jwt' }))).toBe('token.type')
  })
})

it('answers every refused token alike on the wire [RFC 6750 §3.1(b)]', async () => {
  const tokens = ['garbage', issuer.token({ exp: 1 }), issuer.token({ aud: 'x' }), issuer.token({}, {}, makeKey())]
  const decisions = await Promise.all(tokens.map((token) => present(guard, token)))
  const answers = decisions.map((decision) => (decision.ok ? '' : `${decision.challenge} ${decision.response.body}`))
  expect(new Set(answers).size).toBe(1)
})

/** The last character with its lowest, unused bit turned. */
function flipLast(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet.charAt(alphabet.indexOf(text.charAt(text.length - 1)) ^ 1)
}
