import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from '../endpoints/databases.ts'
import { type Installation, install, notes, registerClient } from '../endpoints/installation.ts'
import { type Receiver, receiverOf, takeBack, tokensIn, verifyEvent } from './receiver.ts'

/** A program that events are pushed to; what it answers is the test's to say. */
interface Endpoint {
  readonly url: string
  readonly got: readonly Pushed[]
  answer: (pushed: Pushed, outgoing: ServerResponse) => void
  /** Waits until something is so, which a push may make true. */
  readonly until: (isSo: () => boolean) => Promise<void>
  readonly close: () => Promise<void>
}

interface Pushed {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly set: string
}

async function openEndpoint(): Promise<Endpoint> {
  const got: Pushed[] = []
  const watchers = new Set<() => void>()
  const server = createServer((incoming, outgoing) => {
    void incoming
      .setEncoding('utf8')
      .toArray()
      .then((chunks) => {
        const { method, url: path, headers } = incoming
        const pushed = { method, path, headers, set: chunks.join('') }
        got.push(pushed)
        endpoint.answer(pushed, outgoing)
        for (const each of [...watchers]) each()
      })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint: Endpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    got,
    answer: accept,
    until: (isSo) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!isSo()) return
          watchers.delete(look)
          resolve()
        }
        watchers.add(look)
        look()
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return endpoint
}

function accept(_pushed: Pushed, outgoing: ServerResponse): void {
  outgoing.writeHead(202).end()
}

const eventOf = (set: string): Readonly<Record<string, unknown>> =>
  Object.values(decodeJwt(set)['events'] as Readonly<Record<string, object>>)[0] as Readonly<Record<string, unknown>>

/** Streams by the end of the path that they are pushed to. */
const at = (endpoint: Endpoint, name: string): readonly Pushed[] =>
  endpoint.got.filter(({ path }) => path === `/events/${name}`)

const deliveryTo = (endpoint: Endpoint, name: string, authorization?: string): object => ({
  delivery: {
    method: 'urn:ietf:rfc:8935',
    endpoint_url: `${endpoint.url}/${name}`,
    ...(authorization === undefined ? {} : { authorization_header: authorization }),
  },
})

const feedTimes = {
  leaseEveryMs: 50,
  leaseMs: 60_000,
  heartbeatMs: 100,
  firstPauseMs: 5,
  guardPauseMs: 20,
  longestPauseMs: 20,
}

describe.each(databaseKinds)('push on %s', (database) => {
  let site: Installation
  let endpoint: Endpoint
  let receiver: Receiver
  let stopUpkeep: () => Promise<void>
  beforeAll(async () => {
    site = await install({ database, feedTimes })
    endpoint = await openEndpoint()
    const receives = { grantTypes: [], redirectUris: [], pushEndpoints: [endpoint.url] }
    await registerClient(site.store, 'watcher', { ...receives, receivesEvents: true })
    await registerClient(site.store, 'guard', { ...receives, resourceServerOf: notes })
    receiver = await receiverOf(site, 'watcher')
    stopUpkeep = site.server.startUpkeep()
  })
  afterAll(async () => {
    await stopUpkeep()
    await endpoint.close()
    await site.end()
  })

  it('posts each event by itself and in order, with the authorization that the receiver gave [RFC 8935 §2(a), RFC 8935 §2.1(a)(b)(c)]', async () => {
    await receiver.stream(deliveryTo(endpoint, 'order', 'Bearer of-the-receiver'))
    for (const jti of ['o1', 'o2', 'o3']) await takeBack(site, jti, [notes])
    await endpoint.until(() => tokensIn(at(endpoint, 'order').map(({ set }) => set)).includes('o3'))
    const told = at(endpoint, 'order').filter(({ set }) => tokensIn([set]).some((jti) => /^o\d/.test(jti)))
    expect(tokensIn(told.map(({ set }) => set))).toEqual(['o1', 'o2', 'o3'])
    for (const { method, headers, set } of told) {
      expect([method, headers['content-type'], headers.accept, headers.authorization]).toEqual([
        'POST',
        'application/secevent+jwt',
        'application/json',
        'Bearer of-the-receiver',
      ])
      await verifyEvent(site, set, 'watcher')
    }
  })

  it('goes on where it was when the receiver fails, and leaves nothing out [RFC 8935 §4]', async () => {
    let failures = 0
    endpoint.answer = (pushed, outgoing) => {
      if (pushed.path !== '/events/failing' || failures >= 3) return accept(pushed, outgoing)
      failures += 1
      if (failures === 1) outgoing.writeHead(500).end()
      else if (failures === 2) outgoing.writeHead(302, { location: `${endpoint.url}/elsewhere` }).end()
      else outgoing.destroy()
    }
    await receiver.stream(deliveryTo(endpoint, 'failing'))
    for (const jti of ['f1', 'f2']) await takeBack(site, jti, [notes])
    await endpoint.until(() => tokensIn(at(endpoint, 'failing').map(({ set }) => set)).includes('f2'))
    const accepted = at(endpoint, 'failing').slice(3)
    expect(tokensIn(accepted.map(({ set }) => set)).filter((jti) => jti.startsWith('f'))).toEqual(['f1', 'f2'])
    // A redirect could lead anywhere.
    expect(at(endpoint, 'elsewhere')).toEqual([])
    const failed = site.journal.filter(({ endpoint: name, outcome }) => name === 'ssf push' && outcome === 'failed')
    expect(failed.map(({ facts }) => facts?.received)).toContain('status 500')
  })

  it('leaves out an event that is refused again and again, and says so [RFC 8935 §2.4]', async () => {
    endpoint.answer = (pushed, outgoing) => {
      if (pushed.path !== '/events/refusing' || !tokensIn([pushed.set]).includes('r1')) return accept(pushed, outgoing)
      const body = JSON.stringify({ err: 'invalid_audience', description: 'not for us' })
      outgoing.writeHead(400, { 'content-type': 'application/json' }).end(body)
    }
    await receiver.stream(deliveryTo(endpoint, 'refusing'))
    for (const jti of ['r1', 'r2']) await takeBack(site, jti, [notes])
    await endpoint.until(() => tokensIn(at(endpoint, 'refusing').map(({ set }) => set)).includes('r2'))
    const refused = site.journal.filter(({ endpoint: name, outcome }) => name === 'ssf push' && outcome === 'refused')
    expect(refused.map(({ facts }) => facts?.received)).toEqual(Array.from({ length: 5 }, () => 'invalid_audience'))
  })

  it('tells a guard that nothing happened, and up to where [PROTOCOL §6]', async () => {
    endpoint.answer = accept
    const guard = await receiverOf(site, 'guard')
    const stream = await guard.stream(deliveryTo(endpoint, 'guard'))
    await takeBack(site, 'h1', [notes])
    const beats = () => at(endpoint, 'guard').filter(({ set }) => tokensIn([set]).length === 0)
    await endpoint.until(() => tokensIn(at(endpoint, 'guard').map(({ set }) => set)).includes('h1'))
    const before = beats().length
    await endpoint.until(() => beats().length > before)
    const set = beats().at(-1)?.set ?? ''
    const event = await verifyEvent(site, set, notes)
    expect(event.type).toBe('https://schemas.openid.net/secevent/ssf/event-type/verification')
    expect(event.subject).toEqual({ format: 'opaque', id: stream['stream_id'] })
    const { epoch, head } = await site.store.readFeedHead(undefined)
    expect(event.members).toEqual({ epoch, head, as_of: site.clock.seconds() })
  })

  it('sends verification events with the state that was asked for, and of itself none to others than guards [SSF §8.1.4]', async () => {
    const { stream_id } = await receiver.stream(deliveryTo(endpoint, 'verified'))
    const asked = await receiver.ask('/ssf/verify', { method: 'POST', body: { stream_id, state: 'of the test' } })
    expect(asked.status).toBe(204)
    await endpoint.until(() => at(endpoint, 'verified').length > 0)
    expect(at(endpoint, 'verified').map(({ set }) => eventOf(set))).toEqual([{ state: 'of the test' }])
  })

  it('stops where the operator no longer allows the address', async () => {
    const settings = {
      name: 'Moved',
      authenticationMethods: ['client_secret_basic' as const],
      grantTypes: [],
      redirectUris: [],
      receivesEvents: true as const,
    }
    await registerClient(site.store, 'moved', { ...settings, pushEndpoints: [endpoint.url] })
    const moved = await receiverOf(site, 'moved')
    const { stream_id } = await moved.stream(deliveryTo(endpoint, 'moved'))
    await takeBack(site, 'm1', [notes])
    await endpoint.until(() => at(endpoint, 'moved').length > 0)
    await site.store.updateClient({ id: 'moved', settings: { ...settings, pushEndpoints: [] }, actor: 'test' })
    await expect
      .poll(async () => (await moved.ask(`/ssf/status?stream_id=${stream_id}`)).body['status'], { timeout: 10_000 })
      .toBe('disabled')
    const before = at(endpoint, 'moved').length
    await takeBack(site, 'm2', [notes])
    await endpoint.until(() => tokensIn(at(endpoint, 'order').map(({ set }) => set)).includes('m2'))
    expect(at(endpoint, 'moved')).toHaveLength(before)
  })

  it('is done by one node at a time, and by another when that one ends [PROTOCOL §6]', async () => {
    endpoint.answer = accept
    const told = (name: string): readonly string[] =>
      tokensIn(at(endpoint, 'nodes').map(({ set }) => set)).filter((jti) => jti.startsWith(name))
    const node = await site.startNode()
    const stopNode = node.startUpkeep()
    await receiver.stream(deliveryTo(endpoint, 'nodes'))
    for (const jti of ['n1', 'n2', 'n3']) await takeBack(site, jti, [notes])
    await endpoint.until(() => told('n').includes('n3'))
    expect(told('n')).toEqual(['n1', 'n2', 'n3'])
    // The first one ends, and lets go of what it had; it has a successor for the tests behind this one.
    await stopUpkeep()
    await takeBack(site, 'p1', [notes])
    await endpoint.until(() => told('p').includes('p1'))
    await stopNode()
    stopUpkeep = (await site.startNode()).startUpkeep()
    await takeBack(site, 'q1', [notes])
    await endpoint.until(() => told('q').includes('q1'))
    expect([told('n'), told('p'), told('q')]).toEqual([['n1', 'n2', 'n3'], ['p1'], ['q1']])
  })

  it('keeps what it pushes with sealed, and shows it to nobody [SSF §6.1.1]', async () => {
    const { stream_id } = await receiver.stream(deliveryTo(endpoint, 'sealed', 'Bearer very-secret'))
    const shown = await receiver.ask(`/ssf/streams?stream_id=${stream_id}`)
    expect(shown.text).not.toContain('very-secret')
    const kept = await site.store.readStream({ id: String(stream_id), clientId: 'watcher' })
    expect(JSON.stringify(kept)).not.toContain('very-secret')
    expect(kept?.settings.authorization).toMatch(/^[\w-]{40,}$/)
  })
})
