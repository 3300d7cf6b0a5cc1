import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  freezeClaims,
  type JsonObject,
  parseJsonObject,
  parseJsonObjectText,
  readNumber,
  readString,
  readStrings,
} from '../src/index.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Trees of JSON with names and texts that hold what a scanner could trip over: quotes, backslashes, colons, braces. */
const trickyText = fc.oneof(
  fc.string({ unit: fc.constantFrom('"', '\\', ':', '{', '}', ',', 'a', 'é', '\n', '\u0000', '\ud83d\ude00') }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('__proto__', 'constructor', 'toString', '1', '0', ''),
)
const { tree } = fc.letrec<{ tree: unknown; object: Record<string, unknown> }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(trickyText, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie('tree'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.dictionary(trickyText, tie('tree'), { maxKeys: 4 }),
}))
const members = fc.array(fc.tuple(trickyText, tree), { minLength: 1, maxLength: 4 })

/** Writes JSON from lists of members, so that a name can stand twice. A `Map`-like entry list is an object. */
function write(value: unknown, space: string): string {
  if (Array.isArray(value)) return `[${value.map((each) => write(each, space)).join(`${space},`)}]`
  if (typeof value === 'object' && value !== null) return writeMembers(Object.entries(value), space)
  return JSON.stringify(value)
}

function writeMembers(entries: readonly (readonly [string, unknown])[], space: string): string {
  const texts = entries.map(([name, value]) => `${JSON.stringify(name)}${space}:${space}${write(value, space)}`)
  return `{${space}${texts.join(`,${space}`)}${space}}`
}

/** Every character of a name as an escape: another spelling of the same name. */
function escapeAll(name: string): string {
  return `"${[...name.split('')].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
}

const nest = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

describe('parseJsonObject', () => {
  it('agrees with JSON.parse wherever no name is repeated [RFC 8259 §4]', () => {
    const space = fc.constantFrom('', ' ', '\n\t', '\r\n')
    fc.assert(
      fc.property(fc.dictionary(trickyText, tree, { maxKeys: 4 }), space, (value, between) => {
        const text = write(value, between)
        expect(parseJsonObjectText(text)).toEqual(JSON.parse(text))
      }),
      { numRuns: 500 },
    )
  })

  it('never accepts what JSON.parse refuses, nor reads it differently', () => {
    const pieces = ['{', '}', '[', ']', '"', ':', ',', '\\', 'a', '1', 'null', ' ', '\u00a0', '"a":', '{"b":1}', '\\"']
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...pieces), maxLength: 14 }), (inside) => {
        const text = `{"a":${inside}}`
        const value = parseJsonObjectText(text)
        if (value !== undefined) expect(value).toEqual(JSON.parse(text))
      }),
      { numRuns: 3000 },
    )
  })

  it('refuses a repeated name wherever it stands and however it is spelled [RFC 7519 §4, RFC 7515 §4]', () => {
    const wrap = fc.constantFrom(
      (text: string) => text,
      (text: string) => `{"a":${text}}`,
      (text: string) => `{"a":[1,{"b":${text}}],"c":":"}`,
      (text: string) => `{"a":{"x":"\\"}"},"d":${text}}`,
    )
    fc.assert(
      fc.property(members, fc.nat(), tree, fc.boolean(), wrap, (entries, at, value, isEscaped, around) => {
        const unique = Object.entries(Object.fromEntries(entries.map(([name, each]) => [name, each])))
        const name = unique[at % unique.length]?.[0] ?? ''
        const spelled = isEscaped && name !== '' ? escapeAll(name) : JSON.stringify(name)
        const once = writeMembers(unique, '')
        const twice = `${once.slice(0, -1)},${spelled}:${write(value, '')}}`
        expect(parseJsonObjectText(around(once))).toBeDefined()
        expect(parseJsonObjectText(around(twice))).toBeUndefined()
      }),
      { numRuns: 500 },
    )
  })

  it('refuses a name repeated inside a value that the repetition hides [RFC 7519 §4]', () => {
    expect(parseJsonObjectText('{"a":{"b":1,"b":2},"a":1}')).toBeUndefined()
    expect(parseJsonObjectText('{"a":{"b":1},"a":{"b":1}}')).toBeUndefined()
  })

  it('takes a name twice in two different objects', () => {
    expect(parseJsonObjectText('{"a":{"a":1},"b":[{"a":1},{"a":1}]}')).toBeDefined()
  })

  it.each(['1e999', '-1e999', '1e309'])('refuses the number %s, which would become infinite', (number) => {
    expect(parseJsonObjectText(`{"exp":${number}}`)).toBeUndefined()
    expect(parseJsonObjectText(`{"a":[{"b":${number}}]}`)).toBeUndefined()
  })

  it('takes the largest finite number', () => {
    expect(parseJsonObjectText('{"a":1.7976931348623157e308}')).toEqual({ a: Number.MAX_VALUE })
  })

  it('takes 16 levels', () => {
    expect(parseJsonObjectText(nest(16))).toBeDefined()
    expect(parseJsonObjectText(`{"a":${'['.repeat(15)}${']'.repeat(15)}}`)).toBeDefined()
  })

  it('refuses 17 levels, of objects or arrays', () => {
    expect(parseJsonObjectText(nest(17))).toBeUndefined()
    expect(parseJsonObjectText(`{"a":${'['.repeat(16)}${']'.repeat(16)}}`)).toBeUndefined()
  })

  it('survives nesting far beyond any stack', () => {
    expect(parseJsonObjectText(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)).toBeUndefined()
  })

  it.each([
    '[]',
    '"a"',
    '1',
    'null',
    'true',
    '',
    ' ',
    '{',
    '{}{}',
    '{"a":1,}',
    "{'a':1}",
    '{"a":01}',
    '{"a":NaN}',
    '// {}',
  ])('refuses %j, which is no JSON object [RFC 7519 §7.2]', (text) => {
    expect(parseJsonObjectText(text)).toBeUndefined()
  })

  it('keeps __proto__ an ordinary member', () => {
    const value = parseJsonObjectText('{"__proto__":{"alg":"none"}}')
    expect(value).toBeDefined()
    expect((value as JsonObject)['alg']).toBeUndefined()
    expect(parseJsonObjectText('{"__proto__":1,"__proto__":2}')).toBeUndefined()
  })

  it.each([
    ['a lone continuation byte', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a code point beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
    ['a cut-off sequence', [0xe2, 0x82]],
  ])('refuses %s inside a text: UTF-8 must be valid [RFC 7519 §7.2, RFC 8725 §3.7]', (_name, bytes) => {
    expect(parseJsonObject(Buffer.concat([bytesOf('{"a":"'), Buffer.from(bytes), bytesOf('"}')]))).toBeUndefined()
  })

  it('refuses a byte order mark [RFC 8259 §8.1]', () => {
    expect(parseJsonObject(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytesOf('{"a":1}')]))).toBeUndefined()
    expect(parseJsonObject(bytesOf('{"a":1}'))).toEqual({ a: 1 })
  })

  it('reads only the window of a view into a larger buffer', () => {
    expect(parseJsonObject(bytesOf('xx{"a":1}xx').subarray(2, 9))).toEqual({ a: 1 })
  })
})

describe('readers of members', () => {
  const object: JsonObject = {
    text: 'a',
    number: 1,
    list: ['a', 'b'],
    none: [],
    mixed: ['a', 1],
    nested: [['a']],
    nothing: null,
  }

  it('reads a text only where one is', () => {
    expect(readString(object, 'text')).toBe('a')
    for (const name of ['number', 'list', 'nothing', 'absent']) expect(readString(object, name)).toBeUndefined()
  })

  it('reads a number only where one is', () => {
    expect(readNumber(object, 'number')).toBe(1)
    for (const name of ['text', 'list', 'nothing', 'absent']) expect(readNumber(object, name)).toBeUndefined()
  })

  it('reads one text or a list of texts as a list [RFC 7519 §4.1.3]', () => {
    expect(readStrings(object, 'text')).toEqual(['a'])
    expect(readStrings(object, 'list')).toEqual(['a', 'b'])
    for (const name of ['none', 'mixed', 'nested', 'number', 'nothing', 'absent']) {
      expect(readStrings(object, name)).toBeUndefined()
    }
  })

  it('freezes claims all the way down', () => {
    const claims = freezeClaims({ a: { b: [{ c: 1 }, [['d']]] }, e: 'f' })
    const isFrozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))
    expect(isFrozen(claims)).toBe(true)
  })
})
