import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatScope, isScopeWord, missingScopes, parseScope } from '../src/index.ts'
import { refusalOf } from './refusal-of.ts'

const checkFor = (text: string): unknown => {
  const { reason, facts } = refusalOf(() => parseScope(text))
  expect(reason).toBe('scope.malformed')
  return facts['check']
}
const allowed = Array.from({ length: 0x7f }, (_, code) => String.fromCharCode(code)).filter(
  (character) => character > ' ' && character !== '"' && character !== '\\',
)

describe('parseScope', () => {
  it('reads words separated by single spaces [RFC 6749 §3.3(d)]', () => {
    expect(parseScope('read')).toEqual(['read'])
    expect(parseScope('read write https://api.example.com/.default')).toEqual([
      'read',
      'write',
      'https://api.example.com/.default',
    ])
  })

  it('takes a repeated word once, where it stood first [RFC 6749 §3.3(d)]', () => {
    expect(parseScope('b a b a c')).toEqual(['b', 'a', 'c'])
  })

  it('tells words of another case apart [RFC 6749 §3.3(d)]', () => {
    expect(parseScope('read READ Read')).toEqual(['read', 'READ', 'Read'])
  })

  it('takes every character of the grammar, and no other below U+0100 [RFC 6749 §3.3(d)]', () => {
    expect(parseScope(allowed.join(''))).toEqual([allowed.join('')])
    for (let code = 0; code < 0x100; code++) {
      const character = String.fromCharCode(code)
      if (character === ' ') continue
      expect([code, isScopeWord(`a${character}b`)]).toEqual([code, allowed.includes(character)])
    }
  })

  it.each([
    '',
    ' ',
    ' read',
    'read ',
    'read  write',
    'read\twrite',
    'read\n',
    'read\u00a0write',
    'rëad',
    'read,write"',
    'a\\b',
    '\0',
  ])('refuses %j [RFC 6749 §3.3(d)]', (text) => {
    expect(checkFor(text)).toBe('characters')
  })

  it('takes 100 words and refuses 101', () => {
    const words = Array.from({ length: 101 }, (_, index) => `w${index}`)
    expect(parseScope(words.slice(1).join(' '))).toHaveLength(100)
    expect(checkFor(words.join(' '))).toBe('words')
  })

  it('takes 2000 characters and refuses 2001', () => {
    expect(parseScope('x'.repeat(2_000))[0]).toHaveLength(2_000)
    expect(checkFor('x'.repeat(2_001))).toBe('length')
  })

  it('reads what formatScope writes [RFC 6749 §3.3(d)]', () => {
    const word = fc.string({ unit: fc.constantFrom(...allowed), minLength: 1, maxLength: 10 })
    fc.assert(
      fc.property(fc.uniqueArray(word, { minLength: 1, maxLength: 20 }), (words) => {
        expect(parseScope(formatScope(words))).toEqual(words)
      }),
    )
  })
})

describe('missingScopes', () => {
  it('gives the wanted words that are not held, in their order', () => {
    expect(missingScopes(['c', 'a', 'b'], ['a'])).toEqual(['c', 'b'])
    expect(missingScopes(['a'], ['b', 'a'])).toEqual([])
    expect(missingScopes([], [])).toEqual([])
  })

  it('compares whole words, with their case', () => {
    expect(missingScopes(['read'], ['readwrite', 'READ', 'rea'])).toEqual(['read'])
  })

  it('gives the same for few words and for many', () => {
    const words = (count: number, step: number) => Array.from({ length: count }, (_, index) => `w${index * step}`)
    for (const count of [1, 3, 16, 17, 200]) {
      const [wanted, held] = [words(count, 3), words(count, 2)]
      expect(missingScopes(wanted, held)).toEqual(wanted.filter((word) => !held.includes(word)))
    }
  })

  it('looks at each of 1,000 held words a few times, not 1,000 times', () => {
    const words = Array.from({ length: 1_000 }, (_, index) => `w${index}`)
    let looks = 0
    const held = new Proxy(words, {
      get(target, name) {
        if (typeof name === 'string' && /^\d+$/.test(name)) looks++
        return Reflect.get(target, name)
      },
    })
    expect(missingScopes([...words].reverse(), held)).toEqual([])
    expect(looks).toBeLessThan(5_000)
  })
})
