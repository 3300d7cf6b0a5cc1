import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRecentCache } from '../src/index.ts'

const filled = (size: number, count: number) => {
  const cache = createRecentCache<number, string>(size)
  for (let key = 0; key < count; key++) cache.set(key, `v${key}`)
  return cache
}
const keysHeld = (cache: ReturnType<typeof filled>, upTo: number): number => {
  let count = 0
  for (let key = upTo; key >= 0; key--) if (cache.get(key) !== undefined) count++
  return count
}

describe('recent cache', () => {
  it('gives what was put in, and nothing else', () => {
    const cache = filled(4, 3)
    expect([cache.get(0), cache.get(2), cache.get(3)]).toEqual(['v0', 'v2', undefined])
  })

  it('keeps at least the last `size` entries and at most twice as many', () => {
    const cache = filled(10, 1_000)
    for (let key = 990; key < 1_000; key++) expect(cache.get(key)).toBe(`v${key}`)
    expect(keysHeld(filled(10, 1_000), 1_000)).toBeLessThanOrEqual(20)
  })

  it('keeps an entry that is asked for, however many others come', () => {
    const cache = filled(10, 1)
    for (let key = 1; key < 1_000; key++) {
      cache.set(key, `v${key}`)
      expect(cache.get(0)).toBe('v0')
    }
  })

  it('forgets an entry that nobody asks for', () => {
    expect(filled(10, 21).get(0)).toBeUndefined()
  })

  it('gives the latest value of a key', () => {
    const cache = filled(2, 2)
    cache.set(0, 'new')
    cache.set(5, 'v5')
    expect(cache.get(0)).toBe('new')
  })

  it('forgets a key that is deleted, in whichever generation it was', () => {
    const cache = filled(2, 3)
    for (const key of [0, 2]) cache.delete(key)
    expect([cache.get(0), cache.get(1), cache.get(2)]).toEqual([undefined, 'v1', undefined])
  })

  it('is empty when it is cleared', () => {
    const cache = filled(2, 3)
    cache.clear()
    expect(keysHeld(cache, 3)).toBe(0)
  })

  it('never gives a value other than the last one that was set, whatever is done', () => {
    const step = fc.record({
      verb: fc.constantFrom('get', 'set', 'delete', 'clear'),
      key: fc.nat({ max: 8 }),
      value: fc.nat(),
    })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 60 }), (size, steps) => {
        const cache = createRecentCache<number, number>(size)
        const truth = new Map<number, number>()
        for (const { verb, key, value } of steps) {
          if (verb === 'set') {
            cache.set(key, value)
            truth.set(key, value)
            expect(cache.get(key)).toBe(value)
          } else if (verb === 'delete') {
            cache.delete(key)
            truth.delete(key)
          } else if (verb === 'clear') {
            cache.clear()
            truth.clear()
          }
          const found = cache.get(key)
          if (found !== undefined) expect(found).toBe(truth.get(key))
        }
      }),
      { numRuns: 500 },
    )
  })
})
