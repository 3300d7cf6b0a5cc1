import { Refusal } from '@arctos/core'
import { type Parameters, required } from '../parameters.ts'

/** Whether the user agreed, by the button of a page that asks. */
export function readDecision(parameters: Parameters): boolean {
  const decision = required(parameters, 'decision')
  if (decision === 'approve') return true
  if (decision === 'deny') return false
  throw new Refusal('request.invalid_parameter', { check: 'decision', expected: 'approve or deny' })
}
