import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import * as fetchAdapter from '../src/adapters/fetch.ts'
import * as nodeAdapter from '../src/adapters/node.ts'
import { type Guard, guardOf, verdict } from './guard.ts'
import { type Issuer, sendJson, startIssuer } from './issuer.ts'
import { counted, patiently, soon, startTransmitter, statusOf, type Transmitter, types } from './transmitter.ts'

let site: Transmitter
let issuer: Issuer
let guards: Guard[] = []
const start = Math.floor(Date.now() / 1_000)

beforeAll(async () => {
  site = await startTransmitter()
  issuer = site.issuer
})
afterAll(() => site.close())
afterEach(async () => {
  site.isNumbered = true
  site.lines = []
  await Promise.all(guards.map((guard) => guard.close()))
  guards = []
  expect(site.complaints).toEqual([])
})

function begun(options: Parameters<Transmitter['guard']>[0] = {}): Guard {
  const guard = site.guard(options)
  guards.push(guard)
  return guard
}

const cutOff = (sub: string) => ({
  subject: { format: 'iss_sub', iss: issuer.issuer, sub },
  members: { event_timestamp: start - 1 },
})
const old = (sub: string) => issuer.token({ sub, iat: start - 1 })
const becomes = (guard: Guard, token: string, expected: string) =>
  vi.waitFor(async () => expect(await verdict(guard, token)).toBe(expected), soon)

it('follows a feed of each issuer, and none says anything about tokens of another', async () => {
  const other = await startTransmitter()
  const credential = { clientId: 'notes-api', clientSecret: 'secret' }
  const issuers = [issuer.issuer, other.issuer.issuer]
  const guard = guardOf(issuer, {
    wait: patiently,
    authorizationServers: issuers,
    revocations: issuers.map((each) => ({ ...credential, issuer: each })),
  })
  guards.push(guard)
  await vi.waitFor(
    () => expect(guard.revocationStatus().every(({ ageSeconds }) => ageSeconds !== undefined)).toBe(true),
    soon,
  )
  const claims = { sub: 'user-0', iat: start - 1 }
  const [ours, theirs] = [issuer.token(claims), other.issuer.token(claims)]
  expect([await verdict(guard, ours), await verdict(guard, theirs)]).toEqual(['good', 'good'])
  other.tell({ ...cutOff('user-0'), subject: { format: 'iss_sub', iss: other.issuer.issuer, sub: 'user-0' } })
  await becomes(guard, theirs, 'token.cut_off')
  expect(await verdict(guard, ours)).toBe('good')
  await other.close()
})

describe('a transmitter that is no Arctos', () => {
  it('is followed without snapshots and numbers; heartbeats say that it still delivers', async () => {
    site.isNumbered = false
    const guard = begun()
    await site.synced(guard)
    site.tell(cutOff('user-1'))
    await becomes(guard, old('user-1'), 'token.cut_off')
    await counted(guard, 'applied verification')
    expect(statusOf(guard)).toMatchObject({ epoch: undefined, counts: { resyncs: 0, gaps: 0 } })
  })

  it('may deliver twice, and out of order', async () => {
    site.isNumbered = false
    const guard = begun()
    await site.synced(guard)
    const [later, earlier] = [
      site.sign(cutOff('user-2')),
      site.sign({ ...cutOff('user-2'), claims: { iat: start - 100 } }),
    ]
    for (const event of [later, earlier, { ...later, jti: 'again' }]) site.deliver(event)
    await counted(guard, 'applied revoke', 2)
    await counted(guard, 'duplicate')
    expect(await verdict(guard, old('user-2'))).toBe('token.cut_off')
  })

  it('may be another than the issuer, with an access token of its own and another audience', async () => {
    const trusted = await startIssuer()
    site.acceptToken('handed-out')
    const guard = guardOf(trusted, {
      wait: patiently,
      revocations: { transmitter: issuer.issuer, accessToken: 'handed-out', audience: 'https://api.example.com' },
    })
    guards.push(guard)
    await site.synced(guard)
    const token = trusted.token({ sub: 'user-3', iat: start - 1 })
    site.tell({ ...cutOff('user-3'), subject: { format: 'iss_sub', iss: trusted.issuer, sub: 'user-3' } })
    await becomes(guard, token, 'token.cut_off')
    site.tell(cutOff('user-4'))
    await counted(guard, 'ignored subject_issuer')
    await trusted.close()
  })

  it('that speaks for another is none', async () => {
    const usual = issuer.answers.get('/.well-known/ssf-configuration')
    issuer.answers.set('/.well-known/ssf-configuration', (_request, response) =>
      sendJson(response, { issuer: 'https://other.example' }),
    )
    const guard = begun()
    await vi.waitFor(() => expect(statusOf(guard).problem).toBe('transmitter: another issuer'), soon)
    if (usual !== undefined) issuer.answers.set('/.well-known/ssf-configuration', usual)
  })
})

/** A process of its own for the endpoint that takes what is pushed. */
async function pushed(options: Parameters<Transmitter['guard']>[0] = {}) {
  let listener: ReturnType<typeof nodeAdapter.revocationEvents> | undefined
  const server = createServer((request, response) => void listener?.(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`
  const guard = begun({ ...options, feed: { delivery: 'push', endpoint } })
  listener = nodeAdapter.revocationEvents(guard)
  const authorization = async (): Promise<string> => {
    await site.synced(guard)
    return site.streams.get(statusOf(guard).stream ?? '')?.delivery.authorization_header ?? ''
  }
  const post = async (set: string, headers: Record<string, string> = {}, method = 'POST') => {
    const usual = { authorization: await authorization(), 'content-type': 'application/secevent+jwt' }
    const response = await fetch(endpoint, {
      method,
      headers: { ...usual, ...headers },
      ...(method === 'POST' ? { body: set } : {}),
    })
    return { status: response.status, body: await response.text() }
  }
  const close = async () => {
    await guard.close()
    server.closeAllConnections()
    server.close()
  }
  return { guard, post, close, authorization }
}

describe('events that are pushed', () => {
  it('are taken, and a guard is ready when what it asked for came [RFC 8935 §2(c), RFC 8935 §2.2(a)(b)]', async () => {
    site.lines = [['s', 'user-5', start]]
    const { guard, post, close } = await pushed()
    expect(await verdict(guard, old('user-5'))).toBe('token.cut_off')
    const { set } = site.sign(cutOff('user-6'))
    expect(await post(set)).toEqual({ status: 202, body: '' })
    expect(await verdict(guard, old('user-6'))).toBe('token.cut_off')
    expect(await post(set)).toEqual({ status: 202, body: '' })
    expect(statusOf(guard).events).toMatchObject({ 'applied revoke': 1, duplicate: 1 })
    await close()
  })

  it('show a gap at the next heartbeat, and a snapshot mends it', async () => {
    const { guard, close } = await pushed()
    await site.synced(guard)
    site.tell({ ...cutOff('user-7'), isLost: true })
    site.lines = [['s', 'user-7', start]]
    site.tell(cutOff('user-8'))
    await becomes(guard, old('user-8'), 'token.cut_off')
    site.heartbeat()
    await becomes(guard, old('user-7'), 'token.cut_off')
    expect(statusOf(guard).counts.gaps).toBe(1)
    await close()
  })

  it.each<[number, string, Record<string, string>, string?]>([
    [401, 'authentication_failed', { authorization: 'Bearer guessed' }],
    [401, 'authentication_failed', { authorization: '' }],
    [400, 'invalid_request', { 'content-type': 'application/json' }],
    [400, 'invalid_request', {}, 'garbage'],
    [400, 'invalid_request', {}, 'x'.repeat(900_000)],
  ])('are answered %i %s for %j [RFC 8935 §2.3(a)(b), RFC 8935 §2.4]', async (status, err, headers, body) => {
    const { guard, post, close } = await pushed()
    const answer = await post(body ?? site.sign(cutOff('user-9')).set, headers)
    expect([answer.status, JSON.parse(answer.body)]).toEqual([status, { err, description: expect.any(String) }])
    expect(await verdict(guard, old('user-9'))).toBe('good')
    await close()
  })

  it.each([
    ['invalid_issuer', { claims: { iss: 'https://other.example' } }],
    ['invalid_audience', { claims: { aud: 'https://other.example' } }],
    ['invalid_key', { header: { kid: 'other' } }],
    ['invalid_request', { header: { typ: 'JWT' } }],
  ])('that are none are answered %s [RFC 8935 §2(b), RFC 8935 §2.4]', async (err, told) => {
    const { guard, post, close } = await pushed()
    const answer = await post(site.sign({ ...cutOff('user-10'), ...told }).set)
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([400, { err }])
    expect(await verdict(guard, old('user-10'))).toBe('good')
    await close()
  })

  it('that could not be taken are made up for by a snapshot, for they may not come again', async () => {
    const { guard, post, close } = await pushed()
    await site.synced(guard)
    site.lines = [['s', 'user-11', start]]
    expect((await post(site.sign({ ...cutOff('user-11'), header: { kid: 'other' } }).set)).status).toBe(400)
    await becomes(guard, old('user-11'), 'token.cut_off')
    await close()
  })

  it('come by POST alone', async () => {
    const { post, close } = await pushed()
    expect((await post('', {}, 'GET')).status).toBe(405)
    await close()
  })

  it('reach a Fetch handler, too', async () => {
    const { guard, authorization, close } = await pushed()
    const handle = fetchAdapter.revocationEvents(guard)
    const headers = { authorization: await authorization(), 'content-type': 'application/secevent+jwt' }
    const request = (body: string) => new Request('https://api.example.com/events', { method: 'POST', headers, body })
    expect((await handle(request(site.sign(cutOff('user-11')).set))).status).toBe(202)
    expect((await handle(request('x'.repeat(40_000)))).status).toBe(400)
    expect(await verdict(guard, old('user-11'))).toBe('token.cut_off')
    await close()
  })

  it('say when the stream was paused', async () => {
    const { guard, post, close } = await pushed()
    await site.synced(guard)
    const { stream } = statusOf(guard)
    const subject = { format: 'opaque', id: stream }
    expect((await post(site.sign({ type: types.updated, subject, members: { status: 'paused' } }).set)).status).toBe(
      202,
    )
    await vi.waitFor(() => expect(statusOf(guard).stream).not.toBe(stream), soon)
    await site.synced(guard)
    await close()
  })
})
