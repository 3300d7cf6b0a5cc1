import { execFileSync } from 'node:child_process'
import { cpus, release, type } from 'node:os'

/** One figure that the project promises, with what each round measured. */
export interface Figure {
  readonly name: string
  readonly limit: number
  readonly unit: '' | '×' | ' µs' | ' ms' | ' s' | ' packages' | ' MB'
  /** Whether the figure has to be at least, or at most, the limit. */
  readonly must: 'reach' | 'not exceed'
  readonly rounds: readonly number[]
}

/** What a bench measured: one table, and the figures that are judged. */
export interface Report {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly figures: readonly Figure[]
  /** What a reader has to know to read the table. */
  readonly notes: readonly string[]
  /** Tables of the same bench about something else; their figures are judged like the others. */
  readonly also?: readonly Report[]
}

/** The figures of a report and of those beside it. */
export function figuresOf({ figures, also = [] }: Report): readonly Figure[] {
  return [...figures, ...also.flatMap(figuresOf)]
}

/** The middle value; of an even number of values the higher one of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Writes a number with as many digits as mean anything. */
export function round(value: number): string {
  if (!Number.isFinite(value)) return '-'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

/** Whether a figure is missed: in most of its rounds, which is two of three. */
export function isMissed({ rounds, limit, must }: Figure): boolean {
  const misses = rounds.filter((value) => !(must === 'reach' ? value >= limit : value <= limit))
  return 2 * misses.length > rounds.length
}

/** The machine that measured, in one line. */
export function machine(): string {
  const [cpu] = cpus()
  const model = (cpu?.model ?? 'unknown CPU').replace(/\s+/g, ' ').trim()
  const date = new Date().toISOString().slice(0, 10)
  return `${model}, ${cpus().length} cores, ${type()} ${release()}, Node ${process.versions.node}, ${date}${commit()}`
}

function commit(): string {
  try {
    const changed = git('status', '--porcelain', '../packages', '../apps') !== ''
    return `, commit ${git('rev-parse', '--short', 'HEAD')}${changed ? ' and changes' : ''}`
  } catch {
    return ''
  }
}

function git(...args: readonly string[]): string {
  const { dirname } = import.meta
  return execFileSync('git', args, { cwd: dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
}

/** The report as a page: the machine, one table, the notes. */
export function formatReport({ title, columns, rows, notes, also = [] }: Report): string {
  const widths = columns.map((column, index) =>
    Math.max(...[column, ...rows.map((row) => row[index] ?? '')].map(length)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, index) => pad(cell, widths[index] ?? 0, index > 0)).join(' | ')} |`
  const rule = `|${widths.map((width, index) => `${'-'.repeat(width + 1)}${index > 0 ? ':' : '-'}`).join('|')}|`
  const page = [`${title}`, machine(), '', line(columns), rule, ...rows.map(line), '', ...notes].join('\n')
  return [page, ...also.map(formatReport)].join('\n\n')
}

function length(text: string): number {
  return [...text].length
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(width - length(text))
  return right ? space + text : text + space
}

/** The verdict in one line: the figures that are missed, or that all hold. */
export function verdict(figures: readonly Figure[]): string {
  const missed = figures.filter(isMissed)
  if (missed.length === 0) return 'all figures hold'
  const named = missed.map(
    ({ name, rounds, limit, unit, must }) =>
      `${name} ${round(median(rounds))}${unit} (${must === 'reach' ? 'at least' : 'at most'} ${limit}${unit})`,
  )
  return `missed: ${named.join(', ')}`
}
