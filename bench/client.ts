import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clientSecretBasic, oauthClient } from '@arctos/client'
import { startPostgres } from '../scripts/postgres.ts'
import { crowdAtTheTokenEndpoint } from './client/crowd.ts'
import { type Kills, killAtEveryStep } from './client/kills.ts'
import { carryingCosts } from './client/overhead.ts'
import { openPeer, type Peer, peers, readKept, versionOf, writeKept } from './client/peers.ts'
import { closePlaces, type Driver, newPlace, openPlace, type Place } from './client/places.ts'
import { type Races, race } from './client/races.ts'
import { programId, service, startWorld, type World } from './client/world.ts'
import { type Figure, median, type Report, round } from './report.ts'

const drivers: readonly Driver[] = ['file', 'sqlite', 'postgres', 'keychain', 'sealed file']
const runs = 100
const kills = 100
const peerRuns = 20
const peerKills = 20
const atOnce = 20
const rounds = 3
const clients = 1_000
const strict = 'none'
const usual = '30 s'

interface Row {
  readonly client: string
  readonly store: string
  readonly retries: typeof strict | typeof usual
  readonly races: Races
  readonly kills: Kills | undefined
}

/** Whether a client keeps its session: processes that race for one, processes that die; ours and others, the same harness. */
export async function measure(): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'arctos-bench-'))
  const postgres = await startPostgres({ fsync: true })
  const world = await startWorld()
  const strictWorld = await startWorld({ retryWindowSeconds: 0 })
  try {
    const ours: Row[] = []
    const isThere = await hasKeychain(folder)
    const measured = drivers.filter((driver) => driver !== 'keychain' || isThere)
    for (const driver of measured) ours.push(await rowOfOurs(world, driver, usual, folder, postgres.url))
    const oursStrict = await rowOfOurs(strictWorld, 'file', strict, folder, postgres.url)
    const others: Row[] = []
    for (const peer of Object.keys(peers) as Peer[]) {
      others.push(await rowOfPeer(strictWorld, peer, strict, folder))
      others.push(await rowOfPeer(world, peer, usual, folder))
    }
    const requests: number[] = []
    while (requests.length < rounds) requests.push(await requestsOfColdCache(world))
    const costs = await carryingCosts(world, 7)
    const crowd = await crowdAtTheTokenEndpoint(clients, rounds, folder)
    const p99 = crowd.rounds.map((times) => times[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN)
    const figures = [
      ...ours.flatMap(figuresOf),
      limited('token requests for 50 parallel calls on a cold cache', 1, '', requests),
      limited('sessions of the crowd that failed', 0, '', [crowd.failed]),
      limited(`p99 of the token endpoint, ${clients} clients at once`, 1_000, ' ms', p99),
      limited('CPU that carrying adds', 10, ' µs', costs),
    ]
    return {
      title: `Sessions that several processes share: 5 processes × 4 calls with an ended token, and SIGKILL at every step of a renewal`,
      columns: ['client', 'store', 'retries', 'accepted of 20', 'refreshes', 'lost', 'usable after SIGKILL', 'slowest'],
      rows: [...ours, oursStrict, ...others].map(cells),
      figures,
      notes: notes(ours, others, requests, p99, costs, crowd.failed),
    }
  } finally {
    await closePlaces()
    await Promise.all([world.close(), strictWorld.close()])
    await postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function hasKeychain(folder: string): Promise<boolean> {
  return await openPlace(newPlace('keychain', folder, '')).then(
    () => true,
    () => false,
  )
}

async function rowOfOurs(
  world: World,
  driver: Driver,
  retries: Row['retries'],
  folder: string,
  url: string,
): Promise<Row> {
  const client = world.client()
  const make = (): Place => newPlace(driver, folder, url)
  const logIn = async (place: Place) => await world.logIn(client, await openPlace(place))
  const call = async (place: Place): Promise<boolean> => {
    const session = await client.resume({ store: await openPlace(place) })
    return (await session?.fetch({ resource: world.resource })('/notes'))?.status === 200
  }
  const place = make()
  const races = await race({ world, place, runs, logIn: () => logIn(place), isUsable: () => quietly(call(place)) })
  const killed = await killAtEveryStep({ world, kills, atOnce, newPlace: make, logIn, call })
  return { client: 'Arctos', store: driver, retries, races, kills: killed }
}

async function rowOfPeer(world: World, library: Peer, retries: Row['retries'], folder: string): Promise<Row> {
  const make = (): Place => newPlace('file', folder, '')
  const logIn = async (place: Place) => writeKept({ place }, { ...(await world.plainTokens()), expires_at: 1 })
  // Their clocks cannot be moved, so what they have stored is made to have ended.
  const prepare = async (place: Place): Promise<void> => {
    const kept = readKept({ place })
    if (kept.access_token !== undefined) writeKept({ place }, { ...kept, expires_at: 1 })
  }
  const { issuer, resource } = world
  const call = async (place: Place): Promise<boolean> =>
    (await (await openPeer({ issuer, resource, clientId: programId, library, place }, undefined))()) === 200
  const place = make()
  const races = await race({
    world,
    place,
    library,
    runs: peerRuns,
    logIn: () => logIn(place),
    prepare: () => prepare(place),
    isUsable: () => quietly(call(place)),
  })
  const killed = await killAtEveryStep({
    world,
    library,
    kills: peerKills,
    atOnce,
    newPlace: make,
    logIn,
    prepare,
    call,
  })
  return { client: `${peers[library]} ${versionOf(library)}`, store: 'file', retries, races, kills: killed }
}

async function quietly(call: Promise<boolean>): Promise<boolean> {
  return await call.catch(() => false)
}

async function requestsOfColdCache({ issuer, resource, tokenRequests }: World): Promise<number> {
  const client = oauthClient({ issuer, clientId: service.id, auth: clientSecretBasic(service.secret) })
  const notes = client.fetch({ resource, scope: 'read' })
  const before = tokenRequests()
  const answers = await Promise.all(Array.from({ length: 50 }, () => notes('/notes')))
  if (answers.some(({ status }) => status !== 200)) throw new Error('a call of a service was not accepted')
  return tokenRequests() - before
}

function figuresOf({ store, races, kills: killed }: Row): Figure[] {
  const reach = (name: string, limit: number, values: readonly number[]): Figure => ({
    name: `${store}: ${name}`,
    limit,
    unit: '',
    must: 'reach',
    rounds: values,
  })
  return [
    reach('accepted calls of 20, the worst run', 20, [Math.min(...races.accepted)]),
    limited(`${store}: refreshes, the worst run`, 1, '', [Math.max(...races.refreshes)]),
    limited(`${store}: sessions lost`, 0, '', [races.lost]),
    reach(`usable after SIGKILL, of ${kills}`, kills, [killed?.usable ?? 0]),
  ]
}

function limited(name: string, limit: number, unit: Figure['unit'], values: readonly number[]): Figure {
  return { name, limit, unit, must: 'not exceed', rounds: values }
}

function cells({ client, store, retries, races, kills: killed }: Row): string[] {
  const { accepted, refreshes, lost } = races
  return [
    client,
    store,
    retries,
    range(accepted),
    range(refreshes),
    `${lost} of ${races.runs}`,
    killed === undefined ? '-' : `${killed.usable} of ${killed.kills}`,
    killed === undefined ? '-' : `${killed.slowestSeconds.toFixed(1)} s`,
  ]
}

function range(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return least === most ? String(least) : `${least}–${most}`
}

function notes(
  ours: readonly Row[],
  others: readonly Row[],
  requests: readonly number[],
  p99: readonly number[],
  costs: readonly number[],
  failed: number,
): string[] {
  const steps = ours.map(({ store, kills: killed }) => `${store} ${killed?.stepCount ?? 0}`).join(', ')
  return [
    'retries: for how long the server takes a refresh token once more (with the same successor); none is strict rotation.',
    'refreshes: token requests in a run. lost: runs after which a new login was needed. slowest: from a death to the next accepted call.',
    `Steps of a renewal at which processes died: ${steps}; of peers, those of the POST.`,
    'keychain: the real library, on the keyring of the kernel; left out where there is none. Peers share a file, as their documentation has it.',
    `50 parallel client_credentials calls on a cold cache: ${median(requests)} token request.`,
    `${clients} clients whose tokens ended in the same second: p99 ${p99.map(round).join(', ')} ms, ${failed} failed.`,
    `CPU that carrying a warm token adds to a call: ${round(median(costs))} µs.`,
    ...[...ours, ...others].flatMap(({ client, store, kills: killed, races }) => {
      const complaint = client === 'Arctos' ? (killed?.complaints[0] ?? races.error) : undefined
      return complaint === undefined ? [] : [`complaint of ${client}, ${store}: ${complaint}`]
    }),
  ]
}
