import type { World } from './world.ts'

/** Runs one step, and hands on what came of it. A step that fails ends its scenario. */
export type Step<Name extends string> = <Result>(name: Name, act: () => Promise<Result>) => Promise<Result>

/** One program and what it is to do, in this order. */
export interface Scenario<Name extends string = string> {
  /** Its name on npm. */
  readonly program: string
  readonly steps: readonly Name[]
  readonly run: (world: World, step: Step<Name>) => Promise<void>
}

/** Only for the types: steps are checked against their list. */
export function defineScenario<const Name extends string>(scenario: Scenario<Name>): Scenario {
  return scenario as unknown as Scenario
}

export interface StepResult {
  readonly program: string
  readonly step: string
  readonly outcome: 'ok' | 'failed' | 'skipped'
  readonly problem?: string
}

/** Runs a scenario. What comes after a failed step is skipped; a failure outside of the steps counts as one more. */
export async function runScenario({ program, steps, run }: Scenario, world: World): Promise<readonly StepResult[]> {
  const results: StepResult[] = []
  const step: Step<string> = async (name, act) => {
    try {
      const result = await act()
      results.push({ program, step: name, outcome: 'ok' })
      return result
    } catch (error) {
      results.push({ program, step: name, outcome: 'failed', problem: describe(error) })
      throw new StepFailed()
    }
  }
  try {
    await run(world, step)
  } catch (error) {
    if (!(error instanceof StepFailed)) {
      results.push({ program, step: '(outside of the steps)', outcome: 'failed', problem: describe(error) })
    }
  }
  const done = new Set(results.map((result) => result.step))
  const missed = steps
    .filter((name) => !done.has(name))
    .map((name) => ({ program, step: name, outcome: 'skipped' as const }))
  return [...results, ...missed]
}

class StepFailed extends Error {}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  const because = cause === undefined ? '' : ` <- ${cause instanceof Error ? describe(cause) : JSON.stringify(cause)}`
  return `${error.name}: ${error.message}${because}`
}

/** Fails a step with a sentence. */
export function check(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new Error(sentence)
}

/** Fails a step in which something succeeded that must not. */
export async function checkRefused(act: () => unknown, sentence: string): Promise<void> {
  try {
    await act()
  } catch {
    return
  }
  throw new Error(sentence)
}
