/** A row of bars or of points, with what they mean. */
export interface Chart {
  readonly title: string
  /** Under the first and the last column. */
  readonly from: string
  readonly to: string
  readonly values: readonly number[]
  readonly show: (value: number) => string
  /** What the formula says, where it says one value for all columns. */
  readonly expected?: number | undefined
}

const height = 8
const blocks = ' ▁▂▃▄▅▆▇█'

/** The chart as lines of text. */
export function drawText({ title, from, to, values, show, expected }: Chart): string {
  const most = Math.max(...values, expected ?? 0)
  const rows = Array.from({ length: height }, (_, row) => {
    const floor = height - 1 - row
    const cells = values.map((value) => {
      const eighths = Math.round((value / most) * height * 8) - floor * 8
      const isLine = expected !== undefined && Math.floor((expected / most) * height - 1e-9) === floor
      const cell = blocks[Math.max(0, Math.min(8, eighths))] as string
      return cell === ' ' && isLine ? '·' : cell
    })
    return `${row === 0 ? show(most).padStart(10) : ''.padStart(10)} │${cells.join('')}`
  })
  const gap = Math.max(1, values.length - from.length - to.length)
  return [
    title,
    ...rows,
    `${'0'.padStart(10)} └${'─'.repeat(values.length)}`,
    `${' '.repeat(12)}${from}${' '.repeat(gap)}${to}`,
  ].join('\n')
}

const panel = { width: 640, height: 180, left: 80, top: 40, gap: 60 }

/** The charts under each other as one SVG image. */
export function drawSvg(charts: readonly Chart[]): string {
  const total = charts.length * (panel.height + panel.gap) + panel.top
  const body = charts.map((chart, index) => svgPanel(chart, panel.top + index * (panel.height + panel.gap)))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${panel.width + panel.left + 20}" height="${total}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...body,
    '</svg>',
    '',
  ].join('\n')
}

function svgPanel({ title, from, to, values, show, expected }: Chart, top: number): string {
  const most = Math.max(...values, expected ?? 0)
  const width = panel.width / values.length
  const yOf = (value: number): number => Math.round(10 * (top + panel.height * (1 - value / most))) / 10
  const bars = values.map((value, at) => {
    const x = Math.round(10 * (panel.left + at * width)) / 10
    return `<rect x="${x}" y="${yOf(value)}" width="${Math.round(9 * width) / 10}" height="${Math.round(10 * (top + panel.height - yOf(value))) / 10}" fill="#3b6ea5"/>`
  })
  const bottom = top + panel.height
  const text = (x: number, y: number, words: string, anchor = 'start'): string =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}">${words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`
  const line =
    expected === undefined
      ? []
      : [
          `<line x1="${panel.left}" x2="${panel.left + panel.width}" y1="${yOf(expected)}" y2="${yOf(expected)}" stroke="#c0392b" stroke-dasharray="4 3"/>`,
        ]
  return [
    text(panel.left, top - 12, title),
    ...bars,
    ...line,
    `<line x1="${panel.left}" x2="${panel.left + panel.width}" y1="${bottom}" y2="${bottom}" stroke="black"/>`,
    text(panel.left - 6, top + 10, show(most), 'end'),
    text(panel.left - 6, bottom, '0', 'end'),
    text(panel.left, bottom + 16, from),
    text(panel.left + panel.width, bottom + 16, to, 'end'),
  ].join('\n')
}
