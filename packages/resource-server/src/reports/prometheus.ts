import type { Figure, GuardMetrics, Histogram, Labels } from './metrics.ts'

/** Writes what a guard counted in the text format of Prometheus 0.0.4. `constant` labels are put on every line. */
export function formatPrometheus({ figures, introspections }: GuardMetrics, constant: Labels): string {
  return [...figures.map((figure) => formatFigure(figure, constant)), formatHistogram(introspections, constant)].join(
    '',
  )
}

function formatFigure({ name, kind, unit, help, read }: Figure, constant: Labels): string {
  const full = `${plainName(name)}${unit === 's' ? '_seconds' : ''}${kind === 'counter' ? '_total' : ''}`
  const lines = read().map(({ labels, value }) => formatLine(full, { ...constant, ...labels }, value))
  return heading(full, kind, help) + lines.join('')
}

function formatHistogram({ name, help, bounds, read }: Histogram, constant: Labels): string {
  const full = `${plainName(name)}_seconds`
  const lines = read().flatMap(({ labels: own, counts, sum }) => {
    const labels = { ...constant, ...own }
    let count = 0
    const buckets = counts.map((of, index) => {
      count += of
      return formatLine(`${full}_bucket`, { ...labels, le: String(bounds[index] ?? '+Inf') }, count)
    })
    return [...buckets, formatLine(`${full}_sum`, labels, sum), formatLine(`${full}_count`, labels, count)]
  })
  return heading(full, 'histogram', help) + lines.join('')
}

function plainName(name: string): string {
  return name.replaceAll('.', '_')
}

function heading(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
}

function formatLine(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
  return `${name}{${pairs.join(',')}} ${value}\n`
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
