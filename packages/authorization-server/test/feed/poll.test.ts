import { inflateSync } from 'node:zlib'
import {
  decodeUnverifiedSecurityEvent,
  importVerificationKey,
  isVerificationKey,
  type JsonObject,
  sha256Base64url,
  verifyRevocationSnapshot,
} from '@arctos/core'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds, makeDatabase } from '../endpoints/databases.ts'
import { archive, askThrough, type Installation, install, notes, registerClient } from '../endpoints/installation.ts'
import { type Receiver, receiverOf, takeBack, tokensIn, verifyEvent } from './receiver.ts'

const now = { returnImmediately: true }
const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
const streamUpdated = 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated'

describe.each(databaseKinds)('a poll on %s', (database) => {
  let site: Installation
  let guard: Receiver
  let watcher: Receiver
  let count = 0
  beforeAll(async () => {
    // Held for longer than any test takes: what ends such a poll is what the test is about.
    site = await install({ database, feedTimes: { holdMs: 60_000 } })
    await registerClient(site.store, 'watcher', { grantTypes: [], redirectUris: [], receivesEvents: true })
  })
  afterAll(() => site.end())

  /** A stream that has been told everything so far, and a name for tokens that nobody else uses. */
  const begin = async (body: object = {}) => {
    guard = await receiverOf(site, 'notes-api')
    watcher = await receiverOf(site, 'watcher')
    const stream = await guard.stream(body)
    const id = String(stream['stream_id'])
    const { jtis } = await guard.poll(id)
    await guard.poll(id, { ...now, ack: jtis })
    count += 1
    return { id, name: `t${count}.` }
  }
  const deliveredTo = async (id: string, body: object = now) => tokensIn((await guard.poll(id, body)).sets)

  it('brings what was taken back, one event in each token, signed for the resource [RFC 8417 §2.2(a)(c)(e)(f)(g), RFC 8417 §2.3, RFC 8936 §2.5(a)(b), RFC 9493 §4.1(a), SSF §4.1]', async () => {
    const { id, name } = await begin()
    await takeBack(site, `${name}1`, [notes])
    const { sets, jtis, reply } = await guard.poll(id)
    expect([reply.status, reply.headers.get('content-type')]).toEqual([200, 'application/json'])
    const set = sets[jtis[0] ?? ''] ?? ''
    expect(decodeProtectedHeader(set)).toMatchObject({ typ: 'secevent+jwt', alg: 'RS256' })
    const event = await verifyEvent(site, set, notes)
    expect([event.jti, event.type]).toEqual([
      jtis[0],
      'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
    ])
    expect(event.subject).toEqual({ format: 'jwt_id', iss: site.issuer, jti: `${name}1` })
    expect(Object.keys(decodeJwt(set)).sort()).toEqual(['aud', 'events', 'iat', 'iss', 'jti', 'sub_id', 'txn'])
  })

  it('is told again until it is acknowledged, in whatever order [RFC 8936 §2.4(b)]', async () => {
    const { id, name } = await begin()
    for (const each of [1, 2, 3]) await takeBack(site, `${name}${each}`, [notes])
    const { jtis } = await guard.poll(id)
    const [first = '', second = '', third = ''] = jtis
    expect(await deliveredTo(id)).toEqual([1, 2, 3].map((each) => `${name}${each}`))
    expect(await deliveredTo(id, { ...now, ack: [second] })).toEqual([`${name}1`, `${name}3`])
    expect(await deliveredTo(id, { ...now, ack: [first, 'of-another-stream'] })).toEqual([`${name}3`])
    expect(await deliveredTo(id, { ...now, ack: [third] })).toEqual([])
    // Another node knows what was acknowledged, and nothing is told twice for that.
    const other = await receiverOf({ ...site, send: askThrough(await site.startNode()) }, 'notes-api')
    expect((await other.poll(id)).jtis).toEqual([])
  })

  it('brings as many events as are wanted, and says whether there are more [RFC 8936 §2.4(a), RFC 8936 §2.5(c)]', async () => {
    const { id, name } = await begin()
    for (const each of [1, 2, 3]) await takeBack(site, `${name}${each}`, [notes])
    const two = await guard.poll(id, { ...now, maxEvents: 2 })
    expect([tokensIn(two.sets), two.reply.body['moreAvailable']]).toEqual([[`${name}1`, `${name}2`], true])
    const last = await guard.poll(id, { ...now, maxEvents: 2, ack: two.jtis })
    expect([tokensIn(last.sets), last.reply.body['moreAvailable']]).toEqual([[`${name}3`], undefined])
    // Only an acknowledgement: answered at once, with nothing.
    const none = await guard.poll(id, { maxEvents: 0, ack: last.jtis })
    expect([none.sets, none.reply.body['moreAvailable']]).toEqual([{}, undefined])
    expect(await deliveredTo(id)).toEqual([])
  })

  it('takes an event that the receiver cannot use for one that arrived, and writes down why [RFC 8936 §2.4.4]', async () => {
    const { id, name } = await begin()
    await takeBack(site, `${name}1`, [notes])
    const [jti = ''] = (await guard.poll(id)).jtis
    const setErrs = { [jti]: { err: 'invalid_key', description: 'unknown' } }
    expect(await deliveredTo(id, { ...now, setErrs })).toEqual([])
    const noted = site.journal.findLast(({ facts }) => facts?.check === 'setErrs')
    expect([noted?.client, noted?.facts?.received]).toEqual(['notes-api', 'invalid_key'])
  })

  it('says in every answer where the log stands, in empty ones too [PROTOCOL §6, RFC 8936 §2.5(a)]', async () => {
    const { id, name } = await begin()
    const before = (await guard.poll(id)).reply.body
    expect(before).toEqual({ sets: {}, epoch: 1, head: expect.any(Number), as_of: site.clock.seconds() })
    // Of another resource: nothing to tell, and yet the log goes on.
    await takeBack(site, `${name}other`, [archive])
    const after = (await guard.poll(id)).reply.body
    expect(after).toEqual({ sets: {}, epoch: 1, head: Number(before['head']) + 1, as_of: site.clock.seconds() })
  })

  it('tells each resource what concerns it, and a receiver of everything everything [PROTOCOL §6]', async () => {
    const { id, name } = await begin()
    const all = String((await watcher.stream())['stream_id'])
    await takeBack(site, `${name}notes`, [notes])
    await takeBack(site, `${name}archive`, [archive])
    await takeBack(site, `${name}any`, undefined)
    expect(await deliveredTo(id)).toEqual([`${name}notes`, `${name}any`])
    const told = await watcher.poll(all)
    expect(tokensIn(told.sets)).toEqual([`${name}notes`, `${name}archive`, `${name}any`])
    await verifyEvent(site, Object.values(told.sets)[0] ?? '', 'watcher')
  })

  it('is signed once for all streams of a resource, and names the event before [PROTOCOL §6]', async () => {
    const { id, name } = await begin()
    const other = String((await guard.stream())['stream_id'])
    for (const each of [1, 2]) await takeBack(site, `${name}${each}`, [notes])
    const [one, two] = [await guard.poll(id), await guard.poll(other)]
    expect(Object.values(two.sets)).toEqual(expect.arrayContaining(Object.values(one.sets)))
    const events = await Promise.all(Object.values(one.sets).map((set) => verifyEvent(site, set, notes)))
    const [first, second] = events.map(({ members }) => members)
    expect([first?.['epoch'], second?.['prev'], first?.['exp']]).toEqual([1, first?.['seq'], expect.any(Number)])
  })

  it('is held until something is taken back [RFC 8936 §2.4(d)]', async () => {
    const { id, name } = await begin()
    const held = guard.poll(id, {})
    await takeBack(site, `${name}1`, [notes])
    expect(tokensIn((await held).sets)).toEqual([`${name}1`])
  })

  it('goes on where another node left off, and hears there what this one takes back [PROTOCOL §6]', async () => {
    const { id, name } = await begin()
    const node = await site.startNode()
    const elsewhere = await receiverOf({ ...site, send: askThrough(node) }, 'notes-api')
    const held = elsewhere.poll(id, {})
    await takeBack(site, `${name}1`, [notes])
    const told = await held
    expect(tokensIn(told.sets)).toEqual([`${name}1`])
    // By the same id on every node: whoever hears it twice knows that it did.
    expect((await guard.poll(id)).jtis).toEqual(told.jtis)
  })

  it('brings what was missed long ago, from the database [PROTOCOL §6]', async () => {
    const { id, name } = await begin()
    for (const each of [1, 2, 3]) await takeBack(site, `${name}${each}`, [notes])
    await site.server.context.sequencer.look()
    // A node that began after that has nothing of it in memory.
    const late = await receiverOf({ ...site, send: askThrough(await site.startNode()) }, 'notes-api')
    const told = await late.poll(id, { ...now, maxEvents: 2 })
    expect(tokensIn(told.sets)).toEqual([`${name}1`, `${name}2`])
    const rest = await late.poll(id, { ...now, ack: told.jtis })
    expect(tokensIn(rest.sets)).toEqual([`${name}3`])
  })

  it('waits while it is paused, and goes on with what came meanwhile [SSF §8.1.2]', async () => {
    const { id, name } = await begin()
    const set = (status: string, reason?: string) =>
      guard.ask('/ssf/status', { method: 'POST', body: { stream_id: id, status, reason } })
    const paused = await set('paused', 'for maintenance')
    expect(paused.body).toEqual({ stream_id: id, status: 'paused', reason: 'for maintenance' })
    expect((await guard.ask(`/ssf/status?stream_id=${id}`)).body).toEqual(paused.body)
    const pausedAt = site.clock.seconds()
    await takeBack(site, `${name}1`, [notes])
    const silent = await guard.poll(id)
    // Nothing is known of what came since: an answer that said otherwise would pass for news.
    expect([silent.jtis, silent.reply.body['as_of']]).toEqual([[], pausedAt])
    expect(silent.reply.body).not.toHaveProperty('head')
    site.clock.pass(11)
    await guard.ask('/ssf/verify', { method: 'POST', body: { stream_id: id, state: 'S' } })
    expect((await guard.poll(id)).jtis).toEqual([])
    expect((await set('enabled')).body).toEqual({ stream_id: id, status: 'enabled' })
    expect(await deliveredTo(id)).toEqual([`${name}1`])
    await set('disabled')
    await takeBack(site, `${name}2`, [notes])
    await site.server.context.sequencer.look()
    await set('enabled')
    await takeBack(site, `${name}3`, [notes])
    expect(await deliveredTo(id)).not.toContain(`${name}2`)
    expect(await deliveredTo(id)).toContain(`${name}3`)
  })

  it('has no numbers for a guard that is not told everything', async () => {
    const { id } = await begin()
    const subject = { format: 'opaque', id: 'somebody' }
    const change = (action: string) =>
      guard.ask(`/ssf/subjects/${action}`, { method: 'POST', body: { stream_id: id, subject } })
    const filter = (events: readonly string[] | null) =>
      guard.ask('/ssf/streams', { method: 'PATCH', body: { stream_id: id, events_requested: events } })
    const isNumbered = async () => 'head' in (await guard.poll(id)).reply.body
    await change('remove')
    expect(await isNumbered()).toBe(false)
    await change('add')
    expect(await isNumbered()).toBe(true)
    await filter(['https://other.example/event'])
    expect(await isNumbered()).toBe(false)
    await filter(null)
    expect(await isNumbered()).toBe(true)
  })

  it('is not held on when the stream of a guard is paused', async () => {
    const { id } = await begin()
    const held = guard.poll(id, {})
    await guard.ask('/ssf/status', { method: 'POST', body: { stream_id: id, status: 'paused' } })
    expect((await held).reply.body).toEqual({ sets: {}, as_of: expect.any(Number) })
  })

  it('says that the transmitter stopped it [SSF §8.1.5]', async () => {
    const { id } = await begin()
    const change = { id, clientId: 'notes-api', status: 'paused', reason: 'too slow', by: 'transmitter' } as const
    await site.store.setStreamStatus(change)
    const { sets, jtis } = await guard.poll(id)
    const event = await verifyEvent(site, Object.values(sets)[0] ?? '', notes)
    expect([event.type, event.members, event.subject]).toEqual([
      streamUpdated,
      { status: 'paused', reason: 'too slow' },
      { format: 'opaque', id },
    ])
    expect((await guard.poll(id, { ...now, ack: jtis })).jtis).toEqual([])
  })

  it('proves that it works, with the state that was given, and not too often [SSF §8.1.4]', async () => {
    const { id } = await begin()
    site.clock.pass(11)
    const verify = () => guard.ask('/ssf/verify', { method: 'POST', body: { stream_id: id, state: 'S' } })
    expect([(await verify()).status, (await guard.poll(id)).jtis.length]).toEqual([204, 1])
    const { sets, jtis } = await guard.poll(id)
    const event = await verifyEvent(site, Object.values(sets)[0] ?? '', notes)
    expect([event.type, event.members, event.subject]).toEqual([verification, { state: 'S' }, { format: 'opaque', id }])
    const early = await verify()
    expect([early.status, early.reason, early.headers.get('retry-after')]).toEqual([429, 'feed.too_soon', '10'])
    expect((await guard.poll(id, { ...now, ack: jtis })).jtis).toEqual([])
    site.clock.pass(10)
    expect((await verify()).status).toBe(204)
  })

  it('leaves out a subject that was removed, until it is added again [SSF §8.1.3]', async () => {
    const { id, name } = await begin()
    const subject = { format: 'jwt_id', iss: site.issuer, jti: `${name}1` }
    const ask = (what: string) =>
      guard.ask(`/ssf/subjects/${what}`, { method: 'POST', body: { stream_id: id, subject } })
    const removed = await ask('remove')
    expect([removed.status, removed.text]).toEqual([204, ''])
    for (const each of [1, 2]) await takeBack(site, `${name}${each}`, [notes])
    expect(await deliveredTo(id)).toEqual([`${name}2`])
    const added = await ask('add')
    expect([added.status, added.text]).toEqual([200, ''])
    expect(await deliveredTo(id)).toContain(`${name}2`)
    const many = Array.from({ length: 100 }, (_, at) => ({ format: 'opaque', id: `${at}` }))
    for (const each of many) await site.store.changeSubject({ id, clientId: 'notes-api', subject: each, wanted: false })
    expect((await ask('remove')).reason).toBe('request.too_large')
  })

  it('delivers the events that were asked for [SSF §8.1.1]', async () => {
    const { id, name } = await begin({
      events_requested: ['https://schemas.openid.net/secevent/caep/event-type/credential-change'],
    })
    await takeBack(site, `${name}1`, [notes])
    expect(await deliveredTo(id)).toEqual([])
  })

  it('lives as long as it is polled or asked about [SSF §8.1.1]', async () => {
    const { id } = await begin()
    for (const use of [() => guard.poll(id), () => guard.ask(`/ssf/status?stream_id=${id}`)]) {
      for (let passed = 0; passed < 1_200; passed += 300) {
        site.clock.pass(300)
        guard = await receiverOf(site, 'notes-api')
        await use()
      }
    }
    expect((await guard.poll(id)).reply.status).toBe(200)
    site.clock.pass(600)
    guard = await receiverOf(site, 'notes-api')
    expect((await guard.poll(id)).reply.status).toBe(404)
  })

  it('is written down when something was acknowledged, and not otherwise [PROTOCOL §6]', async () => {
    const { id, name } = await begin()
    let writes = 0
    const acknowledgeEvents: typeof site.store.acknowledgeEvents = (done) => {
      writes += 1
      return site.store.acknowledgeEvents(done)
    }
    const node = await site.startNode({ store: { ...site.store, acknowledgeEvents } })
    const elsewhere = await receiverOf({ ...site, send: askThrough(node) }, 'notes-api')
    await takeBack(site, `${name}1`, [notes])
    await takeBack(site, `${name}other`, [archive])
    const { jtis } = await elsewhere.poll(id)
    await elsewhere.poll(id)
    expect([jtis.length, writes]).toEqual([1, 0])
    await elsewhere.poll(id, { ...now, ack: jtis })
    await elsewhere.poll(id, { ...now, ack: jtis })
    expect(writes).toBe(1)
  })

  it.each([
    { maxEvents: -1 },
    { maxEvents: 1.5 },
    { maxEvents: '1' },
    { returnImmediately: 'yes' },
    { ack: 'all' },
    { ack: [1] },
    { setErrs: [] },
    { setErrs: { a: { err: 'x' } } },
  ])('refuses %j [RFC 8936 §2.6]', async (body) => {
    const { id } = await begin()
    const { status, reason, body: told } = (await guard.poll(id, body)).reply
    expect([status, reason, told['err'], typeof told['description']]).toEqual([
      400,
      'feed.malformed',
      'invalid_request',
      'string',
    ])
  })

  it('is refused where the stream is pushed', async () => {
    await registerClient(site.store, `pushed-${count}`, {
      receivesEvents: true,
      pushEndpoints: ['https://receiver.example/'],
    })
    const pushed = await receiverOf(site, `pushed-${count}`)
    const delivery = { method: 'urn:ietf:rfc:8935', endpoint_url: 'https://receiver.example/' }
    const { stream_id } = await pushed.stream({ delivery })
    expect((await pushed.poll(String(stream_id))).reply.reason).toBe('feed.malformed')
  })

  it('is pushed by whoever has the lease, which ends by itself [PROTOCOL §6]', async () => {
    const pushEndpoints = ['https://receiver.example/']
    await registerClient(site.store, `leased-${count}`, { receivesEvents: true, pushEndpoints })
    const leased = await receiverOf(site, `leased-${count}`)
    const delivery = { method: 'urn:ietf:rfc:8935', endpoint_url: 'https://receiver.example/' }
    const { stream_id } = await leased.stream({ delivery })
    const has = async (node: string) => {
      const streams = await site.store.leasePushStreams({ node, leaseMs: 7_000, limit: 100 })
      const mine = streams.find(({ stream }) => stream.id === stream_id)
      return mine?.allowed
    }
    expect([await has('a'), await has('b'), await has('a')]).toEqual([pushEndpoints, undefined, pushEndpoints])
    site.clock.pass(8)
    expect([await has('b'), await has('a')]).toEqual([pushEndpoints, undefined])
    await site.store.releasePushStreams('b')
    expect(await has('a')).toEqual(pushEndpoints)
    await site.store.updateClient({ id: `leased-${count}`, disabled: true, actor: 'test' })
    expect(await has('a')).toBeUndefined()
  })

  it('writes no line for an answer that says nothing', async () => {
    const { id } = await begin()
    const before = site.journal.length
    await guard.poll(id)
    expect(site.journal.slice(before)).toEqual([])
  })

  it('comes with a snapshot of all that still matters, signed [PROTOCOL §6]', async () => {
    const { id, name } = await begin()
    await takeBack(site, `${name}1`, [notes])
    await takeBack(site, `${name}other`, [archive])
    const { notBefore } = (await site.store.cutOffSubject({
      userId: site.userId,
      actor: 'test',
      initiator: 'admin',
    })) as { readonly notBefore: number }
    const response = await site.server.handle(
      new Request(`${site.issuer}/ssf/snapshot?stream_id=${id}`, {
        headers: { authorization: `Bearer ${guard.token}` },
      }),
      { address: '192.0.2.1' },
    )
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/vnd.arctos.revocations'])
    const body = new Uint8Array(await response.arrayBuffer())
    const lines = inflateSync(body)
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as (string | number)[])
    expect(lines).toContainEqual(['t', `${name}1`, expect.any(Number)])
    expect(lines.filter(([kind]) => kind === 's')).toEqual([['s', site.userId, notBefore]])
    expect(JSON.stringify(lines)).not.toContain(`${name}other`)
    const { keys } = (await site.send('/ssf/jwks')).body as unknown as { readonly keys: readonly JsonObject[] }
    const key = importVerificationKey(keys[0] ?? {}, site.issuer)
    const unverified = decodeUnverifiedSecurityEvent(
      response.headers.get('arctos-snapshot') ?? '',
      'revocationSnapshot',
    )
    if ('problem' in unverified || !isVerificationKey(key)) throw new Error('no snapshot')
    const expected = { issuer: site.issuer, audiences: [notes], clockToleranceSeconds: 0 }
    const { head } = await site.store.readFeedHead(undefined)
    expect(verifyRevocationSnapshot(unverified, key, expected, site.clock.seconds())).toMatchObject({
      epoch: 1,
      head,
      entries: lines.length,
      digest: sha256Base64url(body),
    })
  })

  it('reaches to where the stream begins, also where an older snapshot is at hand [PROTOCOL §6]', async () => {
    const { name } = await begin()
    const linesOf = async (stream: Readonly<Record<string, unknown>>) => {
      const response = await site.server.handle(
        new Request(`${site.issuer}/ssf/snapshot?stream_id=${stream['stream_id']}`, {
          headers: { authorization: `Bearer ${watcher.token}` },
        }),
        { address: '192.0.2.1' },
      )
      return inflateSync(new Uint8Array(await response.arrayBuffer())).toString()
    }
    const former = await watcher.stream()
    expect(await linesOf(former)).not.toContain(`${name}1`)
    await takeBack(site, `${name}1`, [notes])
    await site.server.context.sequencer.look()
    // Its stream begins behind what was taken back, so the snapshot has to have it.
    const later = await watcher.stream()
    expect(await linesOf(later)).toContain(`"${name}1"`)
    expect(tokensIn((await watcher.poll(String(later['stream_id']))).sets)).toEqual([])
  })

  it('gives one snapshot to all who begin together', async () => {
    await begin()
    let readings = 0
    const readFeed: typeof site.store.readFeed = (page) => {
      readings += 1
      return site.store.readFeed(page)
    }
    const node = await site.startNode({ store: { ...site.store, readFeed } })
    const elsewhere = await receiverOf({ ...site, send: askThrough(node) }, 'watcher')
    const streams = await Promise.all([1, 2, 3, 4].map(() => elsewhere.stream()))
    const all = await Promise.all(streams.map(({ stream_id }) => elsewhere.ask(`/ssf/snapshot?stream_id=${stream_id}`)))
    expect([all.map(({ status }) => status), readings]).toEqual([[200, 200, 200, 200], 1])
  })

  it('ends with nothing when its time is over, and when the stream is gone meanwhile [RFC 8936 §2.4(d)]', async () => {
    const { id } = await begin()
    const node = await site.startNode({ feedTimes: { holdMs: 5 } })
    const elsewhere = await receiverOf({ ...site, send: askThrough(node) }, 'notes-api')
    const { reply } = await elsewhere.poll(id, {})
    expect([reply.status, reply.body['sets'], reply.body['as_of']]).toEqual([200, {}, site.clock.seconds()])
    const held = guard.poll(id, {})
    await guard.ask(`/ssf/streams?stream_id=${id}`, { method: 'DELETE' })
    // Whether it was held already or comes after: there is no such stream.
    await takeBack(site, `${count}.gone`, [notes])
    expect((await held).reply.reason).toBe('feed.stream_unknown')
  })
})

describe('a database that was restored', () => {
  it('is another one, and what was known of the former is forgotten [PROTOCOL §1]', async () => {
    const site = await install()
    const guard = await receiverOf(site, 'notes-api')
    const { stream_id } = await guard.stream()
    await takeBack(site, 'before', [notes])
    const told = await guard.poll(String(stream_id))
    await site.store.recoverLostWindow({ actor: 'test' })
    // The token for the feed went with all others.
    expect((await guard.poll(String(stream_id))).reply.reason).toBe('token.revoked')
    const again = await receiverOf(site, 'notes-api')
    const after = (await again.poll(String(stream_id), { ...now, ack: told.jtis })).reply.body
    expect([told.reply.body['epoch'], after['epoch']]).toEqual([1, 2])
    await site.end()
  })
})

describe('a node that cannot read the log', () => {
  it('answers 503, never an empty list [PROTOCOL §6]', async () => {
    const { url, drop } = await makeDatabase('postgres')
    const site = await install({ url })
    const guard = await receiverOf(site, 'notes-api')
    const { stream_id } = await guard.stream()
    expect((await guard.poll(String(stream_id))).reply.status).toBe(200)
    const beside = new pg.Client({ connectionString: url })
    await beside.connect()
    await beside.query('ALTER TABLE feed_state RENAME TO feed_state_away')
    const { reply } = await guard.poll(String(stream_id))
    expect([reply.status, reply.reason, reply.headers.get('retry-after')]).toEqual([503, 'store.unavailable', '1'])
    expect(reply.body['sets']).toBeUndefined()
    expect((await guard.ask(`/ssf/snapshot?stream_id=${stream_id}`)).status).toBe(503)
    await beside.query('ALTER TABLE feed_state_away RENAME TO feed_state')
    expect((await guard.poll(String(stream_id))).reply.status).toBe(200)
    await beside.end()
    await site.end()
    await drop()
  })
})
