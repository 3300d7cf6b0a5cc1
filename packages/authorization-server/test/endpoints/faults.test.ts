import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { databaseKinds, makeDatabase } from './databases.ts'
import { ask, introspect, isActive, mintCode, ownToken, refresh, revoke, signIn, tokensOf } from './flows.ts'
import { askThrough, basic, formRequest, type Installation, install, type Reply } from './installation.ts'

/** A broken world: the client is told to come again, and never that it did something wrong. */
function expectUnavailable(reply: Reply, reason = 'store.unavailable'): void {
  expect([reply.status, reply.body['error'], reply.reason]).toEqual([503, 'temporarily_unavailable', reason])
  expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(reply.headers.get('cache-control')).toBe('no-store')
  expect(reply.headers.get('www-authenticate')).toBeNull()
  expect(reply.body['error_description']).toBe('The request cannot be decided now. Try again later.')
}

describe.each(databaseKinds)('with %s gone', (database) => {
  it('every endpoint that needs it answers 503, and none 401 or 400', async () => {
    const site = await install({ database })
    const session = await signIn(site)
    const { form } = await mintCode(site)
    await site.store.close()
    const replies = [
      await ownToken(site),
      await ask(site, form),
      await refresh(site, session.refresh),
      await refresh(site, session.refresh, 'app'),
      await introspect(site, session.access),
      await introspect(site, 'garbage'),
      await revoke(site, session.refresh),
      await revoke(site, 'garbage'),
      await site.post('/token', { grant_type: 'client_credentials' }, basic('nobody', 'wrong')),
      await site.post('/receipts', { receipt: 'x' }, basic('service')),
      await site.send('/.well-known/oauth-authorization-server'),
      await site.send('/.well-known/openid-configuration'),
    ]
    for (const reply of replies) expectUnavailable(reply)
  })

  it('what is in memory goes on: keys, liveness, and requests that are wrong by themselves', async () => {
    const site = await install({ database })
    await site.store.close()
    expect((await site.send('/jwks')).status).toBe(200)
    expect((await site.send('/live')).status).toBe(200)
    expect((await site.post('/token', 'x=%zz')).reason).toBe('request.malformed')
    expect((await site.post('/token', {})).reason).toBe('client.missing')
    const ready = await site.send('/ready')
    expect([ready.status, ready.body]).toEqual([
      503,
      { status: 'unavailable', warnings: ['the store does not answer'] },
    ])
  })
})

describe('a database that another process keeps locked', () => {
  it('holds up what writes and nothing else, and the same request is good afterwards [PROTOCOL §2 A3, A16]', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'arctos-faults-'))
    const file = join(directory, 'db')
    const site = await install({ url: file })
    const session = await signIn(site)
    const { form } = await mintCode(site)
    const other = new DatabaseSync(file)
    other.exec('BEGIN IMMEDIATE')
    const [rotated, redeemed, own, malformed, known] = await Promise.all([
      refresh(site, session.refresh),
      ask(site, form),
      ownToken(site),
      refresh(site, `${session.refresh.slice(0, -1)}x`),
      introspect(site, session.access),
    ])
    for (const reply of [rotated, redeemed, own]) expectUnavailable(reply as Reply)
    // Its tag is checked before any statement: it needs no lock, and waits for none.
    expect([malformed?.status, malformed?.reason]).toEqual([400, 'refresh.malformed'])
    expect(known?.body['active']).toBe(true)
    other.exec('ROLLBACK')
    other.close()

    const next = tokensOf(await refresh(site, session.refresh))
    expect((await refresh(site, next.refresh)).status).toBe(200)
    expect((await ask(site, form)).status).toBe(200)
    await site.end()
    await rm(directory, { recursive: true })
  })
})

describe('a PostgreSQL that goes away and comes back', () => {
  it('costs answers of 503 meanwhile, and no session', async () => {
    const database = await makeDatabase('postgres')
    const site = await install({ url: database.url })
    const session = await signIn(site)
    const server = process.env['ARCTOS_TEST_POSTGRES'] ?? ''
    const name = new URL(database.url).pathname.slice(1)
    const administrator = new pg.Client({ connectionString: server })
    await administrator.connect()
    await administrator.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    await administrator.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])
    for (const answer of [
      await refresh(site, session.refresh),
      await introspect(site, session.access),
      await ownToken(site),
    ])
      expectUnavailable(answer)
    expect((await site.send('/ready')).status).toBe(503)
    await administrator.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    await administrator.end()

    expect((await site.send('/ready')).status).toBe(200)
    const next = tokensOf(await refresh(site, session.refresh))
    expect(await isActive(site, next.access)).toBe(true)
    await site.store.close()
    await database.drop()
  })
})

describe('a fault of our own', () => {
  /** A clock that breaks once, when it is told to. */
  async function installBreaking(): Promise<{ readonly site: Installation; readonly breakOnce: () => void }> {
    let breaks = false
    const site = await install({
      now: () => {
        if (!breaks) return Date.now()
        breaks = false
        throw new TypeError('the clock read s3cret-of-a-client from nowhere')
      },
    })
    return {
      site,
      breakOnce: () => {
        breaks = true
      },
    }
  }

  it('answers 500 with a receipt and no detail, and the journal has the fault under it', async () => {
    const { site, breakOnce } = await installBreaking()
    const { access } = tokensOf(await ownToken(site))
    breakOnce()
    const reply = await introspect(site, access)
    expect([reply.status, reply.reason]).toEqual([500, 'server.fault'])
    expect(reply.body).toEqual({
      error: 'server_error',
      error_description: 'The server failed to answer.',
      error_uri: `${site.issuer}/receipts/${reply.headers.get('arctos-receipt')}`,
    })
    const event = site.journal.at(-1)
    expect(event).toMatchObject({ endpoint: 'introspect', status: 500, reason: 'server.fault' })
    expect(event?.receipt).toBe(reply.headers.get('arctos-receipt'))
    expect(event?.fault).toContain('TypeError: the clock')
    expect((await introspect(site, access)).body['active']).toBe(true)
    await site.end()
  })

  it('is explained to no client', async () => {
    const { site, breakOnce } = await installBreaking()
    const { access } = tokensOf(await ownToken(site))
    breakOnce()
    const reply = await introspect(site, access, 'service')
    const receipt = reply.headers.get('arctos-receipt') ?? ''
    expect((await site.post('/receipts', { receipt }, basic('service'))).reason).toBe('page.not_found')
    await site.end()
  })
})

describe('health', () => {
  it('is alive without a store, and ready with one', async () => {
    const site = await install({ durableStorage: true })
    expect((await site.send('/live')).body).toEqual({ status: 'live' })
    const ready = await site.send('/ready')
    expect([ready.status, ready.body]).toEqual([200, { status: 'ready', warnings: [] }])
    expect(ready.headers.get('cache-control')).toBe('no-store')
    await site.end()
  })

  it.each(databaseKinds)('is degraded, and ready, while commits are on one machine only: %s', async (database) => {
    const site = await install({ database })
    const ready = await site.send('/ready')
    expect([ready.status, ready.body]).toEqual([
      200,
      { status: 'degraded', warnings: ['commits are on one machine only'] },
    ])
    await site.end()
  })

  it('is read, from this origin, and asks for nothing', async () => {
    const site = await install()
    for (const path of ['/live', '/ready']) {
      const head = await site.send(path, { method: 'HEAD' })
      expect([head.status, head.text]).toEqual([200, ''])
      expect((await site.send(path, { method: 'POST' })).status).toBe(405)
      expect((await site.send(path, { method: 'OPTIONS' })).status).toBe(405)
      expect((await site.send(path, { headers: { 'user-agent': 'kube-probe/1.30' } })).status).toBe(200)
    }
    await site.end()
  })
})

describe('upkeep', () => {
  it('numbers the audit log, and ends when it is told to', async () => {
    const site = await install()
    await signIn(site)
    const stop = site.server.startUpkeep()
    const numbered = async (): Promise<number> => (await site.store.readAudit({ after: 0, limit: 100 })).length
    await expect.poll(numbered, { timeout: 5_000, interval: 20 }).toBeGreaterThan(10)
    await stop()
    await site.end()
  })

  it('writes what fails into the journal, and goes on', async () => {
    const site = await install()
    await site.store.close()
    const stop = site.server.startUpkeep()
    const faults = (): number =>
      site.journal.filter(({ endpoint, fault }) => endpoint === 'upkeep sequencer' && fault).length
    await expect.poll(faults, { timeout: 5_000, interval: 20 }).toBeGreaterThan(1)
    await stop()
  })
})

it('a database of another server, whose keys are sealed by another key, is not served', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'arctos-faults-'))
  const site = await install({ url: join(directory, 'db') })
  await expect(site.startNode({ kek: Buffer.alloc(32, 1) })).rejects.toThrow('does not open')
  const same = await site.startNode()
  const asked = askThrough(same)('/token', formRequest({ grant_type: 'client_credentials' }, basic('service')))
  expect((await asked).status).toBe(200)
  await site.end()
  await rm(directory, { recursive: true })
})
