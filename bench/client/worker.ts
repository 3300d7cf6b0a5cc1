// One process that calls the API with what is in a shared place. It is told when, and tells what became of its calls.
import { oauthClient, type Session } from '@arctos/client'
import type { Place } from './places.ts'
import { createSteps, type Steps, watchedFetch, watchedStore, watchFiles } from './steps.ts'

/** What a worker is for: calls by our client, or by one of the peers that keeps its tokens in a file. */
export interface Task {
  readonly issuer: string
  readonly resource: string
  readonly clientId: string
  readonly library: 'arctos' | string
  readonly place: Place
  /** The step that is not survived; 0 only counts them. */
  readonly killAt?: number
}

export interface Run {
  readonly calls: number
  readonly shiftMs: number
  /** Open the place anew, as a program does that has just been started. */
  readonly afresh: boolean
}

export interface Outcome {
  /** Status of each call; 0 where there was no answer. */
  readonly statuses: readonly number[]
  readonly errors: readonly string[]
  readonly steps: readonly string[]
}

type Call = () => Promise<number>

let shiftMs = 0
let opened: Call | undefined

if (process.send !== undefined) {
  const task: Task = JSON.parse(process.argv[2] ?? '')
  const steps = task.killAt === undefined ? undefined : createSteps(task.killAt)
  process.on('message', (run: Run) => void answer(task, steps, run))
  process.on('disconnect', () => process.exit())
  process.send('ready')
}

async function answer(task: Task, steps: Steps | undefined, run: Run): Promise<void> {
  const errors: string[] = []
  const statuses: number[] = []
  try {
    shiftMs = run.shiftMs
    if (run.afresh || opened === undefined) opened = await open(task, steps)
    const call = opened
    const one = async (): Promise<void> => {
      try {
        statuses.push(await call())
      } catch (error) {
        statuses.push(0)
        errors.push(String(error))
      }
    }
    await Promise.all(Array.from({ length: run.calls }, one))
  } catch (error) {
    errors.push(String(error))
  }
  const outcome: Outcome = { statuses, errors, steps: steps?.names ?? [] }
  process.send?.(outcome)
}

async function open(task: Task, steps: Steps | undefined): Promise<Call> {
  if (task.library !== 'arctos') {
    const { openPeer } = await import('./peers.ts')
    return await openPeer(task, steps)
  }
  // Before anybody takes what is watched.
  if (steps !== undefined && task.place.driver !== 'sqlite' && task.place.driver !== 'postgres') watchFiles(steps)
  const { openPlace } = await import('./places.ts')
  const place = await openPlace(task.place)
  const client = oauthClient({
    issuer: task.issuer,
    clientId: task.clientId,
    now: () => Date.now() + shiftMs,
    ...(steps && { fetch: watchedFetch(steps) }),
  })
  const store = steps === undefined ? place : watchedStore(place, steps)
  const session: Session | undefined = await client.resume({ store })
  if (session === undefined) throw new Error('there is no session')
  const notes = session.fetch({ resource: task.resource })
  return async () => {
    const response = await notes('/notes')
    await response.arrayBuffer()
    return response.status
  }
}
