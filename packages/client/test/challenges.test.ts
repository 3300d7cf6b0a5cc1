import { formatChallenge } from '@arctos/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseChallenges } from '../src/challenges.ts'

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
