import { formatChallenge } from '@arctos/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { demandKey, parseChallenges, readChallenge } from '../src/challenges.ts'

const asObjects = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => ({ scheme, ...Object.fromEntries(parameters) }))

describe('parseChallenges', () => {
  it.each([
    ['Bearer', [{ scheme: 'bearer' }]],
    ['Bearer realm="a"', [{ scheme: 'bearer', realm: 'a' }]],
    ['Bearer realm = a ,error=b', [{ scheme: 'bearer', realm: 'a', error: 'b' }]],
    ['Bearer realm="a, b=\\"c\\""', [{ scheme: 'bearer', realm: 'a, b="c"' }]],
    ['Bearer realm="a", realm="b"', [{ scheme: 'bearer', realm: 'a' }]],
    ['Basic, Bearer a=b', [{ scheme: 'basic' }, { scheme: 'bearer', a: 'b' }]],
    ['Negotiate dG9rZW4=, Bearer a=b', [{ scheme: 'negotiate' }, { scheme: 'bearer', a: 'b' }]],
    [
      'Basic realm="x", Bearer a=b, DPoP c="d"',
      [
        { scheme: 'basic', realm: 'x' },
        { scheme: 'bearer', a: 'b' },
        { scheme: 'dpop', c: 'd' },
      ],
    ],
    [', ,Bearer a=b,,c=d, ', [{ scheme: 'bearer', a: 'b', c: 'd' }]],
    ['', []],
    ['Bearer a="unfinished', [{ scheme: 'bearer' }]],
    ['"quoted" Bearer', []],
  ])('reads %s [RFC 9110 §11.6.1]', (header, expected) => {
    expect(asObjects(header)).toEqual(expected)
  })

  it('reads back whatever core writes', () => {
    const text = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) })
    const names = fc.dictionary(fc.stringMatching(/^[a-z_]{1,12}$/), text, { noNullPrototype: true, minKeys: 1 })
    fc.assert(
      fc.property(names, (parameters) => {
        expect(asObjects(`${formatChallenge('Bearer', parameters)}, DPoP algs="ES256"`)).toEqual([
          { scheme: 'bearer', ...parameters },
          { scheme: 'dpop', algs: 'ES256' },
        ])
      }),
    )
  })

  it.each(['"', '=', 'a ', 'a=', 'a="', '\\', ' ,', 'Bearer a="\\'])(
    'takes no time over a long header of %j',
    (piece) => {
      const before = performance.now()
      parseChallenges(piece.repeat(100_000))
      expect(performance.now() - before).toBeLessThan(500)
    },
  )
})

describe('readChallenge', () => {
  const read = (status: number, challenge?: string) =>
    readChallenge(
      new Response('', { status, headers: challenge === undefined ? {} : { 'www-authenticate': challenge } }),
    )
  const nothing = { scope: [], acrValues: [], maxAgeSeconds: undefined }
  const weak = 'Bearer error="insufficient_user_authentication"'
  const narrow = 'Bearer error="insufficient_scope"'

  it.each([
    [403, `${narrow}, scope="read write"`, { reason: 'insufficient_scope', scope: ['read', 'write'] }],
    [403, `Basic realm="x", ${narrow}, scope="read read"`, { reason: 'insufficient_scope', scope: ['read'] }],
    [403, `DPoP error="insufficient_scope", scope="a", ${narrow}, scope="b"`, { scope: ['b'] }],
    [403, `${narrow}, scope="write", acr_values="gold", max_age="60"`, { scope: ['write'] }],
    [401, `${weak}, max_age="300"`, { reason: 'insufficient_user_authentication', maxAgeSeconds: 300 }],
    [401, `${weak}, max_age=0`, { maxAgeSeconds: 0 }],
    [401, `${weak}, acr_values="gold silver", scope="write"`, { acrValues: ['gold', 'silver'], scope: ['write'] }],
    [401, `${weak}, max_age="60", scope="a \\"b"`, { maxAgeSeconds: 60 }],
  ])('finds in %i with %s what is demanded [RFC 9470 §3, RFC 6750 §3.1]', (status, challenge, expected) => {
    expect(read(status, challenge)).toEqual({ reason: expect.any(String), ...nothing, ...expected })
  })

  it.each([
    [403, undefined],
    [403, narrow],
    [403, `${narrow}, scope=""`],
    [403, `${narrow}, scope="${'a '.repeat(1_000)}${Array.from({ length: 101 }, (_, n) => `s${n}`).join(' ')}"`],
    [403, `${weak}, max_age="60"`],
    [401, `${narrow}, scope="write"`],
    [401, weak],
    [401, `${weak}, scope="write"`],
    [401, 'Bearer error="invalid_token", max_age="60"'],
    [401, 'DPoP error="insufficient_user_authentication", max_age="60"'],
    [200, `${weak}, max_age="60"`],
    [503, `${narrow}, scope="write"`],
    ...['-1', '1.5', '1e9', '1e99', 'soon', '', '0x10', '9999999999'].map((age) => [401, `${weak}, max_age="${age}"`]),
    ...['gold"', 'g\\\\ld'].map((acr) => [401, `${weak}, acr_values="${acr.replace('"', '\\"')}"`]),
  ] as [number, string | undefined][])('finds nothing to ask for in %i with %s', (status, challenge) => {
    expect(read(status, challenge)).toBeUndefined()
  })

  it('leaves the body of the answer to be read', async () => {
    const headers = { 'www-authenticate': `${weak}, max_age="60"` }
    const response = new Response('why', { status: 401, headers })
    readChallenge(response)
    expect(await response.text()).toBe('why')
  })

  it('tells demands from each other by what they are, not by the order of scopes', () => {
    const key = (challenge: string, status = 403) => {
      const demand = read(status, challenge)
      return demand && demandKey('https://api.example.com', demand)
    }
    expect(key(`${narrow}, scope="a b"`)).toBe(key(`${narrow}, scope="b a"`))
    const keys = [
      key(`${narrow}, scope="a b"`),
      key(`${narrow}, scope="a"`),
      key(`${weak}, max_age="60"`, 401),
      key(`${weak}, max_age="61"`, 401),
      key(`${weak}, acr_values="gold", max_age="60"`, 401),
    ]
    expect(new Set(keys).size).toBe(5)
  })
})
