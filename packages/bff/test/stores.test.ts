import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BffStore, memoryBffStore } from '@arctos/bff'
import { postgresBffStore } from '@arctos/bff/stores/postgres'
import { sqliteBffStore } from '@arctos/bff/stores/sqlite'
import { Secret } from '@arctos/core'
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { freePort } from './support/free-port.ts'
import { createTime, registerApp, secret, startApi, startIssuer } from './support/servers.ts'
import { loggedIn, ownCall, startSite } from './support/site.ts'
import { createVisitor } from './support/visitor.ts'

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'arctos-bff-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

let tables = 0

/** Each gives what opens one store again and again. */
const drivers: Readonly<Record<string, () => Promise<() => Promise<BffStore>>>> = {
  memory: async () => {
    const store = memoryBffStore()
    return async () => store
  },
  sqlite: async () => {
    const path = join(await newFolder(), 'bff.db')
    return async () => {
      const store = await sqliteBffStore({ path })
      onTestFinished(() => store.close())
      return store
    }
  },
  postgres: async () => {
    const table = `bff_${process.pid}_${++tables}`
    const pool = new pg.Pool({ connectionString: process.env['ARCTOS_TEST_POSTGRES'], max: 4 })
    onTestFinished(async () => {
      await pool.query(`DROP TABLE IF EXISTS ${table}`)
      await pool.end()
    })
    return async () => postgresBffStore({ pool, table })
  },
}
const [one, two] = [new Secret('one'), new Secret('two')]

describe.each(Object.entries(drivers))('the store: %s', (_, makeStore) => {
  it('keeps cells apart, for everybody who opens it', async () => {
    const open = await makeStore()
    const [store, other] = [await open(), await open()]
    expect(await store.names()).toEqual([])
    expect(await store.cell('session.a').read()).toBeUndefined()
    expect(await store.cell('session.a').compareAndSwap(undefined, one)).toBe(true)
    expect(await other.cell('session.a').compareAndSwap(undefined, two)).toBe(false)
    expect(await other.cell('session.b').compareAndSwap(undefined, two)).toBe(true)
    expect(await other.cell('session.a').compareAndSwap(one, two)).toBe(true)
    expect((await store.cell('session.a').read())?.reveal()).toBe('two')
    expect((await store.names()).toSorted()).toEqual(['session.a', 'session.b'])
  })

  it('forgets a cell', async () => {
    const store = await (await makeStore())()
    await store.cell('session.a').compareAndSwap(undefined, one)
    await store.remove('session.a')
    await store.remove('session.a')
    expect([await store.cell('session.a').read(), await store.names()]).toEqual([undefined, []])
    expect(await store.cell('session.a').compareAndSwap(one, two)).toBe(false)
  })

  it('leases a cell to one at a time', async () => {
    const open = await makeStore()
    const [store, other] = [await open(), await open()]
    await store.cell('tokens.a').compareAndSwap(undefined, one)
    expect(await store.cell('tokens.a').lease('here', 60_000)).toBe(true)
    expect(await other.cell('tokens.a').lease('there', 60_000)).toBe(false)
    expect(await other.cell('tokens.b').lease('there', 60_000)).toBe(true)
    await store.cell('tokens.a').lease('here', 0)
    expect(await other.cell('tokens.a').lease('there', 60_000)).toBe(true)
  })

  it('tells of changes', async () => {
    const open = await makeStore()
    const [store, other] = [await open(), await open()]
    let told = 0
    const stop = store.cell('tokens.a').watch(() => told++)
    await other.cell('tokens.a').compareAndSwap(undefined, one)
    await expect.poll(() => told).toBeGreaterThan(0)
    stop()
  })

  it('serves two processes: one renewal for twenty calls, one end for both', async () => {
    const open = await makeStore()
    const site = await startSite({ store: await open() })
    const { visitor } = await loggedIn(site)
    const cookie = `bff=${visitor.cookies.get('bff')}`
    const another = await site.another(await open())
    const ask = (path: string, method = 'GET') => {
      const request = () => new Request(`${site.origin}${path}`, { method, headers: { ...ownCall, cookie } })
      return [site.bff.handle(request()), another.handle(request())]
    }
    site.time.advance(700)
    const before = site.issuer.seen.filter((path) => path === '/token').length
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask('/api/notes/all')).flat())
    expect(answers.map((answer) => answer?.status)).toEqual(Array.from({ length: 20 }, () => 200))
    expect(site.issuer.seen.filter((path) => path === '/token').length - before).toBe(1)
    await ask('/bff/logout', 'POST')[0]
    expect(await ask('/bff/session')[1]?.then((answer) => answer?.json())).toMatchObject({ loggedIn: false })
    await site.bff.sweep()
    expect(await site.store.names()).toEqual([])
  })
})

describe('a store in SQLite', () => {
  it('is for this user alone', async () => {
    const path = join(await newFolder(), 'bff.db')
    const store = await sqliteBffStore({ path })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    store.close()
  })

  it('brings sessions through a SIGKILL', async () => {
    const time = createTime()
    const issuer = await startIssuer(time)
    const notes = await startApi(issuer, time, 'jwt', (_request, response, subject) => response.end(subject))
    const port = await freePort()
    const origin = `http://127.0.0.1:${port}`
    await registerApp(issuer, origin)
    const DATABASE = join(await newFolder(), 'bff.db')
    const environment = { ISSUER: issuer.issuer, SECRET: secret, RESOURCE: notes.origin, DATABASE, PORT: String(port) }
    const visitor = createVisitor()
    let running = await start(environment)
    await visitor.follow(`${origin}/bff/login`)
    for (let round = 0; round < 3; round++) {
      running.kill('SIGKILL')
      await once(running, 'exit')
      running = await start(environment)
      const answer = await visitor.go(`${origin}/api/notes/`, { headers: ownCall })
      expect(answer.status).toBe(200)
    }
  })
})

async function start(environment: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const program = join(import.meta.dirname, 'support/app-process.ts')
  const child = spawn(process.execPath, ['--conditions=arctos-source', program], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}
