// A process dies in the middle of a renewal, at every step of it; the next one must be able to go on.
import type { Place } from './places.ts'
import { startWorker } from './workers.ts'
import { programId, type World } from './world.ts'

export interface Kills {
  readonly kills: number
  readonly usable: number
  /** How many steps a renewal has, and at which of them somebody died. */
  readonly stepCount: number
  readonly deaths: readonly string[]
  /** From the death to the first accepted call of the next process, the longest. */
  readonly slowestSeconds: number
  /** Steps after which the session was not usable, with what was said. */
  readonly complaints: readonly string[]
}

export interface KillOptions {
  readonly world: World
  readonly newPlace: () => Place
  readonly library?: string
  readonly kills: number
  /** How many at once; each waits for a dead process's lease, so there is time. */
  readonly atOnce?: number
  readonly logIn: (place: Place) => Promise<unknown>
  readonly prepare?: (place: Place) => Promise<unknown>
  /** One call by another process; throws or answers false where it was not accepted. */
  readonly call: (place: Place) => Promise<boolean>
}

export async function killAtEveryStep(options: KillOptions): Promise<Kills> {
  const { world, kills, atOnce = 10, newPlace, logIn, prepare, call, library = 'arctos' } = options
  const { issuer, resource } = world
  const startAt = (place: Place, killAt: number) =>
    startWorker({ issuer, resource, clientId: programId, library, place, killAt })
  const names = await stepsOf()
  // All of them, again and again; or, where there are fewer kills than steps, spread over them.
  const stepOf = (kill: number): number =>
    1 + (kills < names.length ? Math.floor((kill * names.length) / kills) : kill % names.length)
  const deaths: string[] = []
  const complaints: string[] = []
  const unusable = new Set<Place>()
  let slowestSeconds = 0
  for (let done = 0; done < kills; done += atOnce) {
    const batch = await Promise.all(
      Array.from({ length: Math.min(atOnce, kills - done) }, async (_, index) => {
        const killAt = stepOf(done + index)
        const place = newPlace()
        await logIn(place)
        return { killAt, place, worker: await startAt(place, killAt) }
      }),
    )
    world.expireTokens()
    const run = { calls: 1, shiftMs: world.shiftMs(), afresh: true }
    await Promise.all(
      batch.map(async ({ killAt, place, worker }) => {
        await prepare?.(place)
        const step = `step ${killAt} (${names[killAt - 1]})`
        if ((await worker.run(run)) === undefined) deaths.push(names[killAt - 1] ?? '')
        else {
          complaints.push(`${step}: nobody died`)
          unusable.add(place)
        }
        await worker.stop()
        const since = performance.now()
        await tryCall(place, step)
        slowestSeconds = Math.max(slowestSeconds, (performance.now() - since) / 1_000)
      }),
    )
    // Once more: it must be the same session, not a last token of it.
    world.expireTokens()
    await Promise.all(
      batch.map(async ({ killAt, place }) => {
        await prepare?.(place)
        await tryCall(place, `after step ${killAt} (${names[killAt - 1]}), one renewal later`)
      }),
    )
  }
  return { kills, usable: kills - unusable.size, stepCount: names.length, deaths, slowestSeconds, complaints }

  async function tryCall(place: Place, step: string): Promise<void> {
    try {
      if (await call(place)) return
      complaints.push(`${step}: not accepted`)
    } catch (error) {
      complaints.push(`${step}: ${String(error)}`)
    }
    unusable.add(place)
  }

  /** The steps of a renewal that nobody disturbs. */
  async function stepsOf(): Promise<readonly string[]> {
    const place = newPlace()
    await logIn(place)
    const worker = await startAt(place, 0)
    world.expireTokens()
    await prepare?.(place)
    const outcome = await worker.run({ calls: 1, shiftMs: world.shiftMs(), afresh: true })
    await worker.stop()
    if (outcome?.statuses[0] !== 200) throw new Error(`an undisturbed renewal failed: ${outcome?.errors.join()}`)
    return outcome.steps
  }
}
