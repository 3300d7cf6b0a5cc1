import { strictJudge } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { backoffMs, retryAfterMs } from '../src/feed/backoff.ts'
import { createFeedGate } from '../src/feed/feed-gate.ts'
import { createFreshness } from '../src/feed/freshness.ts'
import { createOrder } from '../src/feed/order.ts'
import { defaultRule } from '../src/feed/rule.ts'
import { createFeedMetrics } from '../src/reports/feed-metrics.ts'
import { createRevocationState } from '../src/verification/revocation-state.ts'

describe('the order of a feed', () => {
  const begun = (head = 10) => {
    const order = createOrder()
    order.reset(1, head)
    const note = (seq: number, prev: number, epoch = 1) => order.note({ epoch, seq, prev })
    return { order, note }
  }

  it('goes on with what comes next, whatever numbers others have between', () => {
    const { order, note } = begun()
    expect([note(15, 8), note(16, 15), note(20, 16)]).toEqual(['next', 'next', 'next'])
    expect([order.position, order.hasGap]).toEqual([20, false])
  })

  it('knows what it had', () => {
    const { order, note } = begun()
    expect([note(10, 9), note(11, 10), note(11, 10), note(14, 13), note(14, 13)]).toEqual([
      'duplicate',
      'next',
      'duplicate',
      'early',
      'duplicate',
    ])
    expect(order.position).toBe(11)
  })

  it('has a gap until what is missing came, in whatever order', () => {
    const { order, note } = begun()
    expect([note(14, 13), note(13, 12), order.hasGap]).toEqual(['early', 'early', true])
    expect([note(12, 10), order.position, order.hasGap]).toEqual(['next', 14, false])
  })

  it('forgets gaps when it begins anew, also further back', () => {
    const { order, note } = begun()
    note(14, 13)
    order.reset(2, 3)
    expect([order.epoch, order.position, order.hasGap, note(4, 3, 2)]).toEqual([2, 3, false, 'next'])
  })

  it('takes no place in another epoch, or before the first', () => {
    const { order, note } = begun()
    expect([note(11, 10, 2), createOrder().note({ epoch: 1, seq: 1, prev: 0 })]).toEqual([
      'another epoch',
      'another epoch',
    ])
    expect(order.position).toBe(10)
  })
})

describe('after failures', () => {
  it('waits twice as long each time, five seconds at most, and a random part of it', () => {
    expect([1, 2, 3, 6, 7, 100].map((failures) => backoffMs(failures, 1))).toEqual([100, 200, 400, 3_200, 5_000, 5_000])
    expect([backoffMs(1, 0), backoffMs(100, 0)]).toEqual([50, 2_500])
  })

  it('waits for as long as it was asked to, up to a minute [RFC 9110 §10.2.3]', () => {
    expect([backoffMs(1, 0, 7_000), backoffMs(1, 1, 7_000)]).toEqual([7_000, 7_700])
    expect([backoffMs(1, 0, 3_600_000), backoffMs(100, 0, 1_000)]).toEqual([60_000, 2_500])
    const asked = (value: string) => retryAfterMs(new Headers({ 'retry-after': value }))
    expect([asked('7'), asked('soon'), asked('-1'), retryAfterMs(new Headers())]).toEqual([
      7_000,
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('how old knowledge is', () => {
  const clocks = () => {
    const times = { now: 1_000_000, elapsed: 500 }
    const freshness = createFreshness({
      now: () => times.now,
      elapsed: () => times.elapsed,
      pause: () => new Promise((resolve) => setImmediate(resolve)),
    })
    const pass = (ms: number) => {
      times.now += ms
      times.elapsed += ms
    }
    return { times, freshness, pass }
  }

  it('counts from when the question was sent, by either clock', () => {
    const { freshness, pass } = clocks()
    pass(2_000)
    freshness.confirm(500)
    expect([freshness.knownAt, freshness.knownAtTime]).toEqual([500, 1_000_000])
    freshness.confirm(400)
    expect(freshness.knownAt).toBe(500)
  })

  it('gains nothing by a clock that is set back', () => {
    const { times, freshness, pass } = clocks()
    freshness.confirm(500)
    times.now -= 60_000
    pass(3_000)
    freshness.align()
    expect([times.now - freshness.knownAtTime, times.elapsed - freshness.knownAt]).toEqual([3_000, 3_000])
  })

  it('is in doubt until a later question was answered', () => {
    const { freshness, pass } = clocks()
    freshness.confirm(500)
    pass(10)
    freshness.doubt()
    freshness.confirm(500)
    expect([freshness.knownAt, freshness.confirmedAt]).toEqual([Number.NEGATIVE_INFINITY, 500])
    freshness.confirm(510)
    expect(freshness.knownAt).toBe(510)
  })

  it('is worth waiting for, for a while', async () => {
    const { freshness } = clocks()
    const ever = Number.NEGATIVE_INFINITY
    expect(await freshness.wait(3_000, ever)).toBe(false)
    const waiting = freshness.wait(3_000, ever)
    const later = freshness.wait(3_000, 500)
    freshness.confirm(ever)
    freshness.confirm(500)
    expect([await waiting, await freshness.wait(3_000, ever)]).toEqual([true, true])
    freshness.confirm(501)
    expect(await later).toBe(true)
  })

  it('is in doubt once after a sleep, in which the clock that never steps stood still', async () => {
    const { times, freshness } = clocks()
    const metrics = createFeedMetrics()
    const rule = { ...defaultRule, whenStale: 'refuse' as const }
    const feed = { rule, freshness, metrics, position: 1, epoch: 1, problem: 'cut', hurry() {} }
    const revocations = createRevocationState({
      onlyIssuer: 'https://as.example.com',
      longestTokenLifeSeconds: 3_600,
      clockToleranceSeconds: 10,
    })
    const feeds = new Map([['https://as.example.com', feed]])
    const gate = createFeedGate({ feeds, revocations, elapsed: () => times.elapsed, ask: undefined, write: () => {} })
    const access = { issuer: 'https://as.example.com', issuedAt: 1, actors: [], claims: {} }
    const judged = async (): Promise<string> => {
      const check = { now: Math.floor(times.now / 1_000), judge: strictJudge }
      return await Promise.resolve()
        .then(() => gate(access as never, check as never))
        .then(
          () => 'good',
          (error: { readonly reason: string }) => error.reason,
        )
    }
    freshness.confirm(500)
    expect(await judged()).toBe('good')
    times.now += 300_000
    times.elapsed += 1
    expect(await judged()).toBe('revocation.stale')
    // What was asked before the sleep was noticed says nothing; what is asked after it does, while others go on asking.
    freshness.confirm(500)
    expect(await judged()).toBe('revocation.stale')
    freshness.confirm(501)
    expect(await judged()).toBe('good')
  })
})
