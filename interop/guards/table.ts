import type { Conformance, ConformanceResult, GuardVector } from '@arctos/testing'

export interface Column {
  readonly name: string
  readonly versions: string
  readonly setup: string
  readonly outcome: Conformance
  /** Exceptions that would have ended the process. */
  readonly uncaught: number
}

function cellOfCount(count: number): string {
  return count === 0 ? '0' : `✗ ${count}`
}

/** One row a case of the comparison, one column a guard; below it how many of all vectors each answers right. */
export function formatComparison(columns: readonly Column[], vectors: readonly GuardVector[], when: string): string {
  const letters = columns.map((_, index) => String.fromCharCode(65 + index))
  const rows = vectors
    .filter(({ row }) => row !== undefined)
    .sort((a, b) => (a.row ?? 0) - (b.row ?? 0))
    .map((vector) => [
      titleOf(vector),
      rightAnswer(vector),
      ...columns.map(({ outcome }) => cellOf(outcome.results.find((each) => each.vector === vector))),
    ])
  const count = (of: (outcome: Conformance) => readonly ConformanceResult[]) =>
    columns.map(({ outcome }) => {
      const results = of(outcome)
      return `${results.filter(({ passed }) => passed).length} / ${results.length}`
    })
  const inTable = (outcome: Conformance) => outcome.results.filter(({ vector }) => vector.row !== undefined)
  const lines = [
    ...columns.map(({ name, versions, setup }, index) => `- **${letters[index]}** ${name}: ${versions}. ${setup}`),
    '',
    line(['request', 'right answer', ...letters]),
    line(['---', '---', ...letters.map(() => '---')]),
    ...rows.map(line),
    line(['**these cases**', '', ...count(inTable)]),
    line(['**all vectors**', '', ...count((outcome) => outcome.results)]),
    line(['requests that would have ended the process', '0', ...columns.map(({ uncaught }) => cellOfCount(uncaught))]),
  ]
  return [`Asked on ${when}, with Node ${process.versions.node}. Wrong answers are marked ✗.`, '', ...lines].join('\n')
}

function titleOf({ title }: GuardVector): string {
  return title.replace(/ \[[^[\]]*\]$/, '')
}

function rightAnswer({ expected }: GuardVector): string {
  const { status, challenge, error = '' } = expected
  return [String(status), { none: '', bare: 'bare', code: error }[challenge], status === 503 ? 'Retry-After' : '']
    .filter(Boolean)
    .join(' ')
}

function cellOf(result: ConformanceResult | undefined): string {
  if (result === undefined) return '·'
  const shown = result.received
    .replace('let in', '200')
    .replace('bare challenge', 'bare')
    .replace('with Retry-After', 'Retry-After')
  return result.passed ? shown : `✗ ${shown}`
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
