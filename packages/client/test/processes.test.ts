import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { killAtEveryStep } from '../../../bench/client/kills.ts'
import { closePlaces, type Driver, newPlace, openPlace, type Place } from '../../../bench/client/places.ts'
import { race } from '../../../bench/client/races.ts'
import { startWorld } from '../../../bench/client/world.ts'
import { temporaryFolder } from './support/shared-stores.ts'

const drivers: readonly Driver[] = ['file', 'sqlite', 'postgres', 'sealed file']
afterAll(closePlaces)
// Processes take as long to start as the machine lets them.
vi.setConfig({ testTimeout: 120_000 })

/** Real processes, a real server and guard, and a place that all of them know. */
async function scene(driver: Driver) {
  const folder = await temporaryFolder()
  const world = await startWorld()
  onTestFinished(() => world.close())
  const client = world.client()
  return {
    world,
    newPlace: () => newPlace(driver, folder, process.env['ARCTOS_TEST_POSTGRES'] ?? ''),
    logIn: async (place: Place) => await world.logIn(client, await openPlace(place)),
    call: async (place: Place) => {
      const session = await client.resume({ store: await openPlace(place) })
      return (await session?.fetch({ resource: world.resource })('/notes'))?.status === 200
    },
  }
}

describe.each(drivers)('processes that share a session (%s)', (driver) => {
  it('get all their calls accepted by one refresh', async () => {
    const { world, newPlace: make, logIn, call } = await scene(driver)
    const place = make()
    const runs = 3
    const raced = await race({
      world,
      place,
      runs,
      processes: 3,
      logIn: () => logIn(place),
      isUsable: () => call(place),
    })
    const each = <Value>(value: Value): Value[] => Array.from({ length: runs }, () => value)
    expect(raced).toMatchObject({ accepted: each(12), refreshes: each(1), lost: 0, error: undefined })
  })
})

describe('processes that share a session', () => {
  // All stores side by side, for whoever comes after a dead process waits until its lease has ended.
  it('go on when one of them is killed in the middle of a renewal, whatever it was doing', async () => {
    const kills = 5
    const results = await Promise.all(
      drivers.map(async (driver) => killAtEveryStep({ ...(await scene(driver)), kills, atOnce: kills })),
    )
    expect(results.flatMap(({ complaints }, index) => complaints.map((each) => `${drivers[index]}: ${each}`))).toEqual(
      [],
    )
    expect(results.map(({ usable, deaths }) => [usable, deaths.length])).toEqual(drivers.map(() => [kills, kills]))
  })
})
