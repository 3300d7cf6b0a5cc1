// Makes docs/refusals.md from the one table of refusals, and finds the rows that no test produces.
import { readTests } from './test-texts.ts'

/** The part of a row that the page shows. */
export interface RefusalText {
  readonly code: string
  readonly status: number
  readonly sentence: string
  readonly spec: string
  readonly fix: string
  readonly readers: string
}

/** A page and what is wrong with what it shows. */
export interface RefusalsPage {
  readonly page: string
  /** A sentence for each reason that no test names in quotes. */
  readonly problems: readonly string[]
}

/** Renders the table in its own order. `root` is where the tests are looked for. */
export function makeRefusalsPage(root: string, refusals: Readonly<Record<string, RefusalText>>): RefusalsPage {
  const tested = new Set(readTests(root).flatMap(({ texts }) => texts))
  const page = [
    '<!-- Made by scripts/docs.ts from packages/core/src/refusals.ts. Do not edit. -->',
    '# Every refusal',
    '',
    'Whatever Arctos says no to is one of these. On the wire go the status, the code and the sentence; the reason, what was',
    'expected and received, and what to do are in the explanation: `arctos explain RECEIPT`. Cases that an attacker could',
    'tell apart share all that goes on the wire. Some explanations are for the operator alone, because they would tell a',
    'client about users, other clients or thresholds.',
    '',
    '| reason | status | code | sentence | clause | what to do | who may read it |',
    '|---|---|---|---|---|---|---|',
    ...Object.entries(refusals).map(([reason, row]) => renderRow(reason, row)),
    '',
  ].join('\n')
  const problems = Object.keys(refusals)
    .filter((reason) => !tested.has(reason))
    .map((reason) => `no test produces the refusal ${reason}`)
  return { page, problems }
}

function renderRow(reason: string, row: RefusalText): string {
  const code = row.code === '' ? 'none' : `\`${row.code}\``
  const readers = row.readers === 'owner' ? 'the client itself, the operator' : 'the operator'
  const cells = [
    `\`${reason}\``,
    row.status,
    code,
    row.sentence === '' ? 'none' : row.sentence,
    row.spec,
    row.fix,
    readers,
  ]
  return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
}
