import type { Chart } from './charts.ts'
import { formulas } from './formulas.ts'
import type { Outcome } from './run.ts'
import { fleet, rates, receiver } from './setting.ts'

/** Lines for the terminal: what happened, and what the formulas say of it. */
export function summarize(outcome: Outcome): string {
  const { setting, lags, undisturbed, ready } = outcome
  const expected = formulas()
  const guardDays = (setting.guards * setting.hours) / 24
  const seconds = setting.hours * 3_600
  const last = outcome.memory.filter(({ at }) => at > fleet.longestTokenLifeSeconds * 1_000 + 120_000)
  const mean = (of: (each: Outcome['memory'][number]) => number): number =>
    last.reduce((sum, each) => sum + of(each), 0) / last.length
  const quantiles = [0.5, 0.9, 0.99, 0.999].map((share) => ms(lags.quantile(share)))
  const rows: readonly (readonly [string, string, string])[] = [
    ['lag, nothing out of order, mean', ms(undisturbed.mean), ms(expected.lagMs)],
    ['lag, nothing out of order, greatest', ms(undisturbed.greatest), `below ${ms(receiver.freshMs)}`],
    ['last acceptance, strict route, greatest', ms(outcome.worstStrict), `below ${ms(receiver.staleAfterMs)}`],
    ['last acceptance, lenient route, greatest', ms(outcome.worstLenient), `below ${ms(receiver.unavailableAfterMs)}`],
    [
      'polls of a guard, an hour',
      (outcome.polls / setting.guards / setting.hours).toFixed(0),
      expected.pollsAnHour.toFixed(0),
    ],
    ['from a guard, a day', megabytes(outcome.up / guardDays), megabytes(expected.upADay)],
    ['to a guard, a day', megabytes(outcome.down / guardDays), megabytes(expected.downADay)],
    [
      `at the issuer, ${setting.guards} guards`,
      `${megabytes((outcome.up + outcome.down) / seconds)}/s`,
      `${megabytes(expected.publisherBytes(setting.guards))}/s`,
    ],
    [
      'entries at a guard',
      last.length === 0 ? '-' : mean(({ entries }) => entries).toFixed(0),
      expected.entries.toFixed(0),
    ],
    [
      'bytes of its table',
      last.length === 0 ? '-' : mean(({ bytes }) => bytes).toFixed(0),
      expected.tableBytes.map((each) => each.toFixed(0)).join(' to '),
    ],
  ]
  const share = setting.guards / fleet.guards
  return [
    `${setting.guards} guards, ${setting.hours} h, seed ${setting.seed}: ${(fleet.tokensADay * share).toExponential(1)} tokens a day, one in ${1 / fleet.takenBackShare} taken back`,
    `${outcome.entries} entries, ${lags.count} times in force; ${outcome.crashes} crashes of nodes, ${outcome.failovers} failovers, ${outcome.epochs} new epochs, ${outcome.resyncs} synchronisations`,
    `lag of all: p50 ${quantiles[0]}, p90 ${quantiles[1]}, p99 ${quantiles[2]}, p99.9 ${quantiles[3]}, greatest ${ms(lags.greatest)}`,
    `ready after a start: p50 ${ms(ready.quantile(0.5))}, p99 ${ms(ready.quantile(0.99))}; stale ${(100 * outcome.staleShare).toFixed(2)} % of the time`,
    `${setting.realGuards} guards ran the real code, as the model says to the last digit; ${outcome.probes} requests with tokens taken back, ${outcome.letIn} let in`,
    '',
    `${''.padEnd(42)}${'simulated'.padStart(16)}${'formula'.padStart(20)}`,
    ...rows.map(([name, found, said]) => `${name.padEnd(42)}${found.padStart(16)}${said.padStart(20)}`),
  ].join('\n')
}

/** Bounds of the bars of the lag, in ms. */
const bounds = Array.from({ length: 49 }, (_, at) => 10 ** (at / 8))

export function chartsOf(outcome: Outcome): readonly Chart[] {
  const { setting, lags, traffic, memory } = outcome
  const expected = formulas()
  const partSeconds = (setting.hours * 3_600) / traffic.length
  return [
    {
      title:
        'How long until a revocation is in force, share of all (columns: 1 ms to 1,000 s, eight to a power of ten)',
      from: '1 ms',
      to: '1,000 s',
      values: bounds.slice(1).map((to, at) => lags.between(bounds[at] as number, to) / lags.count),
      show: (value) => `${(100 * value).toFixed(1)} %`,
    },
    {
      title: `Bandwidth at the issuer, both ways, for ${setting.guards} guards (dotted: the formula)`,
      from: '0 h',
      to: `${setting.hours} h`,
      values: [...traffic].map((bytes) => bytes / partSeconds),
      show: (value) => `${megabytes(value)}/s`,
      expected: expected.publisherBytes(setting.guards),
    },
    {
      title: `Entries at a guard, mean of ${setting.realGuards} (dotted: the formula, ${(rates.own + rates.everywhere) * 1_000} a second × how long they are held)`,
      from: '0 h',
      to: `${setting.hours} h`,
      values: memory.map(({ entries }) => entries),
      show: (value) => value.toFixed(0),
      expected: expected.entries,
    },
  ]
}

function ms(value: number): string {
  return value >= 1_000 ? `${(value / 1_000).toFixed(3)} s` : `${value.toFixed(1)} ms`
}

function megabytes(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(2)} MB` : `${(bytes / 1e3).toFixed(1)} kB`
}
