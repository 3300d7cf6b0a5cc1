import { describe, expect, it } from 'vitest'
import { createCircuitBreaker } from '../src/introspection/circuit-breaker.ts'
import { createSeats } from '../src/introspection/seats.ts'

function start() {
  let now = 0
  const breaker = createCircuitBreaker(() => now)
  const fail = (times: number): void => {
    for (let count = 0; count < times; count++) breaker.begin()(false)
  }
  const pass = (ms: number): void => {
    now += ms
  }
  return { ...breaker, fail, pass }
}

describe('a circuit breaker', () => {
  it('opens at the fifth failure in a row, for a second', () => {
    const { pauseMs, fail, pass } = start()
    fail(4)
    expect(pauseMs()).toBe(0)
    fail(1)
    expect(pauseMs()).toBe(1_000)
    pass(999)
    expect(pauseMs()).toBe(1)
  })

  it('counts failures in a row only', () => {
    const { pauseMs, begin, fail } = start()
    fail(4)
    begin()(true)
    fail(4)
    expect(pauseMs()).toBe(0)
  })

  it('then lets one through, and all others after an answer', () => {
    const { pauseMs, begin, fail, pass } = start()
    fail(5)
    pass(1_000)
    expect(pauseMs()).toBe(0)
    const end = begin()
    expect(pauseMs()).toBe(1_000)
    end(true)
    expect(pauseMs()).toBe(0)
    fail(4)
    expect(pauseMs()).toBe(0)
  })

  it('waits twice as long after each trial that fails, ten seconds at most, and begins anew after an answer', () => {
    const { pauseMs, begin, fail, pass } = start()
    fail(5)
    const pauses = [1, 2, 3, 4, 5, 6].map(() => {
      const pause = pauseMs()
      pass(pause)
      fail(1)
      return pause
    })
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
    pass(10_000)
    begin()(true)
    fail(5)
    expect(pauseMs()).toBe(1_000)
  })

  it('takes failures of questions from before the pause for old news, and an answer to one for good news', () => {
    const { pauseMs, begin, fail, pass } = start()
    const [late, later, latest] = [begin(), begin(), begin()]
    fail(5)
    pass(500)
    late(false)
    expect(pauseMs()).toBe(500)
    pass(500)
    const trial = begin()
    later(false)
    expect(pauseMs()).toBe(1_000)
    latest(true)
    expect(pauseMs()).toBe(0)
    trial(true)
    expect(pauseMs()).toBe(0)
  })
})

describe('seats', () => {
  const options = { count: 1, waitingLimit: 2, patienceMs: 100 }

  it('are given in order, and refused to one too many', async () => {
    const seats = createSeats({ ...options, elapsed: () => 0 })
    const given: string[] = []
    await seats.take()
    const waiting = ['first', 'second'].map(async (name) => {
      if (await seats.take()) given.push(name)
      seats.free()
    })
    expect(await seats.take()).toBe(false)
    seats.free()
    await Promise.all(waiting)
    expect(given).toEqual(['first', 'second'])
    expect(await seats.take()).toBe(true)
  })

  it('are not given to those who have waited too long', async () => {
    let now = 0
    const seats = createSeats({ ...options, elapsed: () => now })
    await seats.take()
    const first = seats.take()
    now += 101
    const second = seats.take()
    seats.free()
    expect([await first, await second]).toEqual([false, true])
    seats.free()
    expect(await seats.take()).toBe(true)
  })
})
