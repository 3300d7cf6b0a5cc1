import { Refusal } from '../src/index.ts'

/** The refusal that an action throws; anything else it does fails the test. */
export function refusalOf(action: () => unknown): Refusal {
  let result: unknown
  try {
    result = action()
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
  throw new Error(`expected a refusal, got ${JSON.stringify(result)}`)
}
