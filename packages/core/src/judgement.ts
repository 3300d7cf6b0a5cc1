import { type Facts, Refusal } from './refusal.ts'
import { type Reason, refusalRow } from './refusals.ts'

/** One step of a decision, as an explanation shows it. */
export interface Step {
  /** What was looked at, in a word or two. */
  readonly check: string
  readonly passed: boolean
  readonly expected: FactValue
  readonly received: FactValue
  /** The clause that asks for the check. */
  readonly spec: string
  /** The row of the table of refusals, when the step failed. */
  readonly reason: Reason | undefined
}

export type FactValue = string | number | boolean | undefined

/**
 * Told the result of every check, in order. The guard's judge throws at the first failure; the one of `explain` writes every
 * step down and lets the later ones run. One code path serves both, so that an explanation cannot differ from the decision.
 */
export type Judge = (check: string, passed: boolean, reason: Reason, expected: FactValue, received: FactValue) => void

/** Throws the refusal of the first check that fails. */
export const strictJudge: Judge = (check, passed, reason, expected, received) => {
  if (!passed) throw new Refusal(reason, { check, expected, received })
}

/** Collects the steps of one decision. */
export function recordingJudge(): { readonly judge: Judge; readonly steps: Step[] } {
  const steps: Step[] = []
  const judge: Judge = (check, passed, reason, expected, received) => {
    steps.push({
      check,
      passed,
      expected,
      received,
      spec: refusalRow(reason).spec,
      reason: passed ? undefined : reason,
    })
  }
  return { judge, steps }
}

/** The step that a refusal stands for, when a check could not go on and threw. */
export function stepOfRefusal(refusal: Refusal): Step {
  const { check, expected, received }: Facts = refusal.facts
  return {
    check: typeof check === 'string' ? check : refusal.reason,
    passed: false,
    expected,
    received,
    spec: refusalRow(refusal.reason).spec,
    reason: refusal.reason,
  }
}
