import type { Facts } from './refusal.ts'
import { type Reason, refusalRow } from './refusals.ts'

/** A refusal told to someone who may know: the failed check, both sides of it, the clause, and what to do. */
export interface Explanation {
  readonly reason: Reason
  readonly status: number
  readonly error: string
  readonly check: string
  readonly expected: string | number | boolean | undefined
  readonly received: string | number | boolean | undefined
  readonly spec: string
  readonly fix: string
}

/** Puts a refusal's chosen facts beside its row of the table. */
export function explainRefusal(reason: Reason, facts: Facts): Explanation {
  const row = refusalRow(reason)
  return {
    reason,
    status: row.status,
    error: row.code,
    check: typeof facts['check'] === 'string' ? facts['check'] : reason,
    expected: facts['expected'],
    received: facts['received'],
    spec: row.spec,
    fix: row.fix,
  }
}

/** The explanation as lines for a terminal. Control characters of what was received are replaced, so that it cannot draw there. */
export function formatExplanation(explanation: Explanation): readonly string[] {
  const { reason, status, error, check, expected, received, spec, fix } = explanation
  const lines = [`${status} ${error === '' ? 'no credentials' : error}  (${reason}, ${spec})`]
  lines.push(`  check     ${printable(check)}`)
  if (expected !== undefined) lines.push(`  expected  ${printable(expected)}`)
  if (received !== undefined) lines.push(`  received  ${printable(received)}`)
  lines.push(`  fix       ${fix}`)
  return lines
}

function printable(value: string | number | boolean): string {
  return String(value).replace(/[^\x20-\x7e]/g, '?')
}
