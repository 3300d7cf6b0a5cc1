import { Secret } from '@arctos/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { drivers } from './support/shared-stores.ts'

const minute = 60_000
const words = ['zero', 'one', 'two', 'three'].map((word) => new Secret(word))
const [zero, one, two] = words as [Secret, Secret, Secret]

describe.each(Object.entries(drivers))('the store: %s', (_, makeCell) => {
  it('is empty at first, and then holds what was put into it, for everyone who opens it', async () => {
    const open = await makeCell()
    const store = await open()
    expect(await store.read()).toBeUndefined()
    expect(await store.compareAndSwap(undefined, zero)).toBe(true)
    expect((await store.read())?.reveal()).toBe('zero')
    expect((await (await open()).read())?.reveal()).toBe('zero')
  })

  it('swaps only what is expected', async () => {
    const open = await makeCell()
    const [store, other] = [await open(), await open()]
    expect(await store.compareAndSwap(one, zero)).toBe(false)
    expect(await store.compareAndSwap(undefined, zero)).toBe(true)
    expect(await other.compareAndSwap(undefined, one)).toBe(false)
    expect(await other.compareAndSwap(new Secret('zero'), one)).toBe(true)
    expect(await store.compareAndSwap(zero, two)).toBe(false)
    expect((await store.read())?.reveal()).toBe('one')
  })

  it('lets exactly one of many swap, round after round', async () => {
    const open = await makeCell()
    const stores = await Promise.all(Array.from({ length: 5 }, open))
    let held: Secret | undefined
    for (let round = 0; round < 12; round++) {
      const expected = held
      const swaps = stores.flatMap((store, index) =>
        ['a', 'b'].map(async (suffix) => {
          const next = new Secret(`${round} ${index}${suffix}`)
          return (await store.compareAndSwap(expected, next)) ? next : undefined
        }),
      )
      const winners = (await Promise.all(swaps)).filter((winner) => winner !== undefined)
      expect(winners).toHaveLength(1)
      held = winners[0]
      expect((await stores[0]?.read())?.reveal()).toBe(held?.reveal())
    }
  })

  it('keeps what is written in its own characters, and at length', async () => {
    const store = await (await makeCell())()
    const text = new Secret(`${'é\u0001"\\\n'.repeat(4_000)}\u{1f511}`)
    expect(await store.compareAndSwap(undefined, text)).toBe(true)
    expect((await store.read())?.reveal()).toBe(text.reveal())
    expect(await store.compareAndSwap(text, zero)).toBe(true)
  })

  it('leases to one owner at a time, who may renew', async () => {
    const open = await makeCell()
    const [store, other] = [await open(), await open()]
    expect(await store.lease('a', minute)).toBe(true)
    expect(await other.lease('b', minute)).toBe(false)
    expect(await store.lease('a', minute)).toBe(true)
    expect(await other.lease('b', minute)).toBe(false)
  })

  it('leases to one of many who ask at once', async () => {
    const open = await makeCell()
    const stores = await Promise.all(Array.from({ length: 5 }, open))
    const asked = await Promise.all(stores.map((store, index) => store.lease(`owner ${index}`, minute)))
    expect(asked.filter((taken) => taken)).toHaveLength(1)
  })

  it("lets only the owner give a lease back, and a lease is no part of the cell's value", async () => {
    const open = await makeCell()
    const [store, other] = [await open(), await open()]
    await store.compareAndSwap(undefined, zero)
    await store.lease('a', minute)
    await other.lease('b', 0)
    expect(await other.lease('b', minute)).toBe(false)
    await store.lease('a', 0)
    expect(await other.lease('b', minute)).toBe(true)
    expect((await store.read())?.reveal()).toBe('zero')
    expect(await store.compareAndSwap(zero, one)).toBe(true)
  })

  it('ends a lease by itself', async () => {
    const open = await makeCell()
    const [store, other] = [await open(), await open()]
    await store.lease('a', 40)
    await expect.poll(() => other.lease('b', minute), { timeout: 5_000 }).toBe(true)
    expect(await store.lease('a', minute)).toBe(false)
  })

  it('tells who watches of a change that another made, until they stop', async () => {
    const open = await makeCell()
    const [store, other] = [await open(), await open()]
    await store.compareAndSwap(undefined, zero)
    let rings = 0
    const stop = store.watch(() => rings++)
    onTestFinished(stop)
    await other.compareAndSwap(zero, one)
    await expect.poll(() => rings, { timeout: 5_000 }).toBeGreaterThan(0)
    stop()
    const before = rings
    await other.compareAndSwap(one, two)
    await other.lease('a', minute)
    await new Promise((resolve) => setImmediate(resolve))
    expect(rings).toBe(before)
  })

  it('tells who watches of a lease that is given back', async () => {
    const open = await makeCell()
    const [store, other] = [await open(), await open()]
    await other.lease('a', minute)
    let rings = 0
    onTestFinished(store.watch(() => rings++))
    await other.lease('a', 0)
    await expect.poll(() => rings, { timeout: 5_000 }).toBeGreaterThan(0)
  })
})
