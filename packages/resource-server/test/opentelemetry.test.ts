import { type Meter, metrics } from '@opentelemetry/api'
import { type DataPoint, type Histogram, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { guardOf, verdicts } from './guard.ts'
import { type Issuer, resource, sendJson, startIssuer } from './issuer.ts'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())
afterEach(() => metrics.disable())

class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** What the SDK collects from a meter, by name. */
function startSdk(): { readonly meter: Meter; readonly read: () => Promise<ReadonlyMap<string, Collected>> } {
  const reader = new Reader()
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  return {
    meter: metrics.getMeter('notes-api'),
    async read() {
      const { resourceMetrics, errors } = await reader.collect()
      expect(errors).toEqual([])
      const found = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
      return new Map(
        found.map(({ descriptor, dataPoints }) => [
          descriptor.name,
          { unit: descriptor.unit, points: dataPoints as readonly DataPoint<number | Histogram>[] },
        ]),
      )
    },
  }
}

interface Collected {
  readonly unit: string
  readonly points: readonly DataPoint<number | Histogram>[]
}

function valuesOf(collected: Collected | undefined): unknown {
  return collected?.points.map(({ attributes, value }) => [attributes, value])
}

describe('a meter of OpenTelemetry', () => {
  it('is shown requests by result and reason, and what is known of the keys', async () => {
    const { meter, read } = startSdk()
    const guard = guardOf(issuer, { meter })
    await verdicts(guard, [issuer.token(), issuer.token(), issuer.token({ exp: 1 })])
    const collected = await read()
    expect(valuesOf(collected.get('arctos.guard.requests'))).toEqual([
      [{ resource, result: 'allowed' }, 2],
      [{ resource, result: 'refused', reason: 'token.expired' }, 1],
    ])
    expect(valuesOf(collected.get('arctos.guard.key_loads'))).toContainEqual([{ resource, issuer: issuer.issuer }, 1])
    const age = collected.get('arctos.guard.key_age')
    expect([age?.unit, age?.points.map(({ attributes }) => attributes)]).toEqual([
      's',
      [{ resource, issuer: issuer.issuer }],
    ])
  })

  it('is shown how long introspections take', async () => {
    const { meter, read } = startSdk()
    issuer.answers.set('/introspect', (_, response) => sendJson(response, { active: false }))
    const guard = guardOf(issuer, { meter, introspection: { clientId: 'rs', clientSecret: 'a-secret-of-the-guard' } })
    await verdicts(guard, ['opaque-1', 'opaque-2'])
    const duration = (await read()).get('arctos.guard.introspection')
    expect(duration?.unit).toBe('s')
    const [point] = duration?.points ?? []
    expect(point?.attributes).toEqual({ resource, outcome: 'inactive' })
    const value = point?.value as Histogram | undefined
    expect([value?.buckets.boundaries.length, value?.buckets.boundaries[0], value?.count]).toEqual([11, 0.001, 2])
  })

  it('is shown the figures of the text, under the same names', async () => {
    const { meter, read } = startSdk()
    const guard = guardOf(issuer, { meter })
    await guard.reload()
    const names = [...(await read()).keys()].map((name) => name.replaceAll('.', '_'))
    expect(names.length).toBeGreaterThan(4)
    const text = guard.metrics()
    expect(names.filter((name) => !text.includes(`# TYPE ${name}`))).toEqual([])
  })

  it('without an SDK takes everything and keeps nothing', async () => {
    const guard = guardOf(issuer, { meter: metrics.getMeter('notes-api') })
    expect(await verdicts(guard, [issuer.token()])).toEqual({ good: 1 })
  })
})
