// Several processes, one session, one moment: all tokens have ended, and everybody calls.
import type { Place } from './places.ts'
import type { Outcome } from './worker.ts'
import { startWorker } from './workers.ts'
import { programId, type World } from './world.ts'

export interface Races {
  readonly runs: number
  /** Calls in each run, over all processes. */
  readonly calls: number
  /** Accepted calls of each run. */
  readonly accepted: readonly number[]
  /** Refresh requests of each run. */
  readonly refreshes: readonly number[]
  /** Runs after which nobody could call any more, so that a new login was needed. */
  readonly lost: number
  readonly error: string | undefined
}

export interface RaceOptions {
  readonly world: World
  readonly place: Place
  readonly library?: string
  readonly processes?: number
  readonly callsEach?: number
  readonly runs: number
  /** Puts a session into the place. */
  readonly logIn: () => Promise<unknown>
  /** Prepares a run, after all tokens have ended. */
  readonly prepare?: () => Promise<unknown>
  /** Whether the session can still be used, asked by a process that was not part of the run. */
  readonly isUsable: () => Promise<boolean>
}

export async function race(options: RaceOptions): Promise<Races> {
  const { world, place, library = 'arctos', processes = 5, callsEach = 4, runs, logIn, prepare, isUsable } = options
  const { issuer, resource } = world
  const task = { issuer, resource, clientId: programId, library, place }
  await logIn()
  const workers = await Promise.all(Array.from({ length: processes }, () => startWorker(task)))
  const accepted: number[] = []
  const refreshes: number[] = []
  let lost = 0
  let error: string | undefined
  try {
    for (let number = 0; number < runs; number++) {
      world.expireTokens()
      await prepare?.()
      const before = world.tokenRequests()
      // In every second run our processes go on with what they have in memory; peers do better when they begin afresh.
      const run = { calls: callsEach, shiftMs: world.shiftMs(), afresh: library !== 'arctos' || number % 2 === 0 }
      const outcomes = await Promise.all(workers.map((worker) => worker.run(run)))
      refreshes.push(world.tokenRequests() - before)
      accepted.push(outcomes.reduce((sum, outcome) => sum + acceptedOf(outcome), 0))
      error ??= outcomes.flatMap((outcome) => outcome?.errors ?? ['the process ended'])[0]
      world.expireTokens()
      await prepare?.()
      if (await isUsable()) continue
      lost++
      await logIn()
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
  }
  return { runs, calls: processes * callsEach, accepted, refreshes, lost, error }
}

function acceptedOf(outcome: Outcome | undefined): number {
  return outcome?.statuses.filter((status) => status === 200).length ?? 0
}
