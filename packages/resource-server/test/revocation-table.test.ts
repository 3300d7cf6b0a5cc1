import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashName, type NameHash } from '../src/verification/name-hash.ts'
import { absent, createRevocationTable, type RevocationTable } from '../src/verification/revocation-table.ts'

const start = 1_800_000_000

/** A hash whose first word is one of a few, so that entries crowd and segments cannot be split by it. */
function crowded(firstWords: number): NameHash {
  return (words, name, second = '') => {
    const number = Number(name.slice(1))
    words[0] = number % firstWords === 0 ? 0x7fff_ffff : -0x8000_0000 + (number % firstWords)
    words[1] = Math.imul(number, 0x9e37_79b1)
    words[2] = second.length
  }
}

/** Sweeps a whole round; the greatest time that was forgotten. */
function sweepAll(table: RevocationTable, before: number): number {
  for (let last = 0; ; ) {
    const { forgotten, isLast } = table.sweep(before)
    last = Math.max(last, forgotten)
    if (isLast) return last
  }
}

function forgetAll(model: Map<string, number>, before: number): number {
  const gone = [...model].filter(([, time]) => time <= before)
  for (const [name] of gone) model.delete(name)
  return Math.max(0, ...gone.map(([, time]) => time))
}

/** Numbers that look random and are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const name = fc.nat(400).map((number) => `n${number}`)
const time = fc.integer({ min: start, max: start + 50 })
const step = fc.oneof(
  { weight: 20, arbitrary: fc.record({ what: fc.constant('raise' as const), name, time }) },
  { weight: 10, arbitrary: fc.record({ what: fc.constant('find' as const), name, time }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('sweep' as const), name, time }) },
)

describe('a table of revocations', () => {
  it.each([
    ['the hash of this process', undefined],
    ['seven first words', crowded(7)],
    ['one first word', crowded(1)],
  ])('does what a map does, with %s', (_name, hash) => {
    const steps = fc.array(step, { maxLength: 1_200, size: 'max' })
    const property = fc.property(steps, (each) => {
      const table = createRevocationTable(hash)
      const model = new Map<string, number>()
      for (const { what, name, time } of each) {
        if (what === 'find') expect(table.find(name)).toBe(model.get(name) ?? absent)
        else if (what === 'sweep') expect(sweepAll(table, time)).toBe(forgetAll(model, time))
        else {
          const known = model.get(name)
          expect(table.raise(time, name)).toBe(known === undefined ? 'new' : known < time ? 'later' : 'same')
          model.set(name, Math.max(time, known ?? 0))
        }
      }
      expect(table.size).toBe(model.size)
      for (const [name, time] of model) expect(table.find(name)).toBe(time)
    })
    fc.assert(property, { seed: 5, numRuns: 25 })
  })

  it('holds, splits, shrinks and forgets hundreds of thousands, at 35 bytes each at the most', () => {
    const table = createRevocationTable()
    const count = 300_000
    const timeOf = (number: number): number => start + (number % 10)
    for (let number = 0; number < count; number += 1) {
      table.raise(timeOf(number), `n${number}`)
      if (number >= 100_000 && number % 1_000 === 0) expect(table.bytes / table.size).toBeLessThan(35)
    }
    const wrong = (from: number): number[] => {
      const found: number[] = []
      for (let number = 0; number < count; number += 1) {
        const expected = number % 10 < from ? absent : timeOf(number)
        if (table.find(`n${number}`) !== expected || table.find(`o${number}`) !== absent) found.push(number)
      }
      return found
    }
    expect([table.size, wrong(0)]).toEqual([count, []])
    expect(sweepAll(table, start + 2)).toBe(start + 2)
    expect([table.size, wrong(3)]).toEqual([(count * 7) / 10, []])
    expect(table.bytes / table.size).toBeLessThan(35)
    expect(sweepAll(table, start + 6)).toBe(start + 6)
    expect([table.size, wrong(7)]).toEqual([(count * 3) / 10, []])
    expect(sweepAll(table, start + 20)).toBe(start + 9)
    expect([table.size, table.bytes]).toEqual([0, createRevocationTable().bytes])
  })

  it('is swept while it grows, and misses nothing that was there before', () => {
    const table = createRevocationTable()
    const random = numbers(7)
    const model = new Map<string, number>()
    for (let round = 0; round < 200; round += 1) {
      for (let each = 0; each < 1_000; each += 1) {
        const [name, time] = [`n${random(400_000)}`, start + random(300)]
        table.raise(time, name)
        model.set(name, Math.max(time, model.get(name) ?? 0))
      }
      table.sweep(start - 1)
    }
    expect(table.size).toBe(model.size)
    expect([...model].filter(([name, time]) => table.find(name) !== time)).toEqual([])
  })

  it.each([
    [0, 0],
    [0.1, 1],
    [start + 0.5, start + 1],
    [2 ** 32 - 2, 2 ** 32 - 2],
    [2 ** 32 - 1, Number.POSITIVE_INFINITY],
    [2 ** 32, Number.POSITIVE_INFINITY],
    [Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY],
  ])('never takes the time %d for an earlier one', (time, found) => {
    const table = createRevocationTable()
    expect(table.raise(time, 'n')).toBe('new')
    expect(table.find('n')).toBe(found)
    sweepAll(table, Number.isFinite(found) ? found - 1 : Number.MAX_VALUE)
    expect(table.find('n')).toBe(found)
    sweepAll(table, Number.MAX_VALUE)
    expect(table.size).toBe(Number.isFinite(found) ? 0 : 1)
  })

  it('takes two names of one hash for one, which can only refuse more', () => {
    const table = createRevocationTable((words) => words.fill(1))
    expect([table.raise(start, 'one'), table.raise(start + 5, 'two'), table.raise(start, 'two')]).toEqual([
      'new',
      'later',
      'same',
    ])
    expect([table.size, table.find('one'), table.find('three')]).toEqual([1, start + 5, start + 5])
  })
})

describe('the hash of names', () => {
  const wordsOf = (name: string, second?: string): string => {
    const words = new Int32Array(3)
    hashName(words, name, second)
    return words.join()
  }

  it('says the same of the same name, however the text came about', () => {
    const name = 'user_1234567890abcdef'
    const parsed = JSON.parse(`["${name}"]`)[0]
    expect(new Set([name, parsed, [...name].join(''), `x${name}`.slice(1)].map((each) => wordsOf(each))).size).toBe(1)
    expect(wordsOf('ä€😀')).toBe(wordsOf(Buffer.from('ä€😀').toString()))
  })

  it('tells names and pairs apart that share almost everything', () => {
    const base = 'abcdefghijklmnopqrstuv'
    const singles = [
      ...Array.from({ length: base.length + 1 }, (_, length) => base.slice(0, length)),
      ...Array.from(base, (_, at) => `${base.slice(0, at)}X${base.slice(at + 1)}`),
      ...[
        '\0',
        '\0\0',
        '\0\0\0',
        '\0\0\0\0',
        'é',
        'é\0',
        '\u01e9',
        '\u01e9\0',
        'é\u0001',
        '€',
        '\u20ac\0',
        '\ud83d',
        '\ude00',
      ],
    ]
    const pairs = [
      ['ab', 'c'],
      ['a', 'bc'],
      ['abc', ''],
      ['', 'abc'],
      ['c', 'ab'],
    ] as const
    const all = [...singles.map((each) => wordsOf(each)), ...pairs.map(([one, two]) => wordsOf(one, two))]
    expect(new Set(all).size).toBe(all.length)
  })

  it('spreads names in a row over all bits of its words', () => {
    const ones = new Array<number>(96).fill(0)
    const words = new Int32Array(3)
    const count = 20_000
    for (let number = 0; number < count; number += 1) {
      hashName(words, `user_${number}`)
      for (let bit = 0; bit < 96; bit += 1)
        ones[bit] = (ones[bit] as number) + (((words[bit >> 5] as number) >>> (bit & 31)) & 1)
    }
    // Eleven standard deviations: a fair bit is not out of these bounds once in 10^27 runs.
    expect(ones.filter((each) => Math.abs(each - count / 2) > 800)).toEqual([])
  })
})
