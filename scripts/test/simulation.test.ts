import { describe, expect, it } from 'vitest'
import { drawSvg, drawText } from '../simulation/charts.ts'
import { createHistogram } from '../simulation/histogram.ts'
import { simulate } from '../simulation/run.ts'
import { type Bug, bugs } from '../simulation/setting.ts'
import { chartsOf, summarize } from '../simulation/summary.ts'

const run = (seed: number, realGuards: number, bug?: Bug) =>
  simulate({ seed, guards: 20, hours: bug === undefined ? 2 : 1, realGuards, bug })

/** What each bug makes the simulation say. */
const complaints: Readonly<Record<Bug, RegExp>> = {
  'node answers from memory': /undisturbed, it is accepted \d+ ms after the acknowledgement/,
  'guard begins without a snapshot': /fresh as of \d+ ms without what was acknowledged/,
  'age counts from the answer': /fresh as of \d+ ms without what was acknowledged/,
}

describe('the simulation of revocation', () => {
  it('finds no token accepted later than promised, by the real code as by its model', async () => {
    const outcome = await run(3, 3)
    expect(outcome.violations).toEqual([])
    expect(outcome.lags.count).toBeGreaterThan(1_000)
    expect(outcome.probes).toBeGreaterThan(outcome.letIn)
    expect(summarize(outcome)).toContain('lag, nothing out of order')
    const charts = chartsOf(outcome)
    expect(charts.map((chart) => drawText(chart).split('\n').length)).toEqual(charts.map(() => 11))
    expect(drawSvg(charts)).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
  })

  it.each(bugs)('finds out a feed in which %s', async (bug) => {
    const { violations } = await run(3, 0, bug)
    expect(violations.some((violation) => complaints[bug].test(violation))).toBe(true)
  })

  it('finds out a model that is not the real code', async () => {
    const { violations } = await run(3, 1, 'age counts from the answer')
    expect(violations.join('\n')).not.toMatch(/real: /)
    const other = await run(3, 1, 'guard begins without a snapshot')
    expect(other.violations.join('\n')).toMatch(/guard 0: the model says .*, the real code /)
  })

  it('repeats itself for a seed', async () => {
    const figures = async (seed: number) => {
      const { lags, up, down, polls } = await run(seed, 0)
      return [lags.count, lags.mean, up, down, polls]
    }
    expect(await figures(5)).toEqual(await figures(5))
    expect(await figures(5)).not.toEqual(await figures(6))
  })
})

describe('the histogram', () => {
  it('tells quantiles to 2.5 %, and what lies between two bounds', () => {
    const histogram = createHistogram()
    for (let value = 1; value <= 1_000; value += 1) histogram.add(value)
    for (const share of [0.1, 0.5, 0.99]) {
      expect(Math.abs(histogram.quantile(share) / (1_000 * share) - 1)).toBeLessThan(0.03)
    }
    expect([histogram.count, histogram.mean, histogram.greatest, histogram.quantile(1)]).toEqual([
      1_000, 500.5, 1_000, 1_000,
    ])
    expect(Math.abs(histogram.between(100, 300) / 200 - 1)).toBeLessThan(0.1)
  })
})
