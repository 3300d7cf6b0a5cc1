import type { GuardMetrics, Labels } from './metrics.ts'

/**
 * The part of a meter of `@opentelemetry/api` that a guard uses: `metrics.getMeter('…')` is one. Nothing of OpenTelemetry is
 * imported here, so whoever has none pays nothing.
 */
export interface Meter {
  createObservableCounter(name: string, options: InstrumentOptions): Observable
  createObservableGauge(name: string, options: InstrumentOptions): Observable
  createHistogram(name: string, options: InstrumentOptions): Recorder
}

interface InstrumentOptions {
  readonly description: string
  readonly unit: string
  readonly advice?: { explicitBucketBoundaries?: number[] }
}

interface Observable {
  addCallback(callback: (result: { observe(value: number, attributes: Labels): void }) => void): void
}

interface Recorder {
  record(value: number, attributes: Labels): void
}

/** Shows what a guard counts to a meter. `constant` attributes are put on every figure. */
export function showToMeter(meter: Meter, metrics: GuardMetrics, constant: Labels): void {
  for (const { name, kind, unit, help, read } of metrics.figures) {
    const options = { description: help, unit: unit === '' ? '1' : unit }
    const instrument =
      kind === 'counter' ? meter.createObservableCounter(name, options) : meter.createObservableGauge(name, options)
    instrument.addCallback((result) => {
      for (const { labels, value } of read()) result.observe(value, { ...constant, ...labels })
    })
  }
  const { name, help, bounds } = metrics.introspections
  const advice = { explicitBucketBoundaries: [...bounds] }
  const histogram = meter.createHistogram(name, { description: help, unit: 's', advice })
  metrics.onIntrospection = (outcome, seconds) => histogram.record(seconds, { ...constant, outcome })
}
