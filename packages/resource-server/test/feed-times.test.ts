import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { FeedPolicy, RevocationFeedOptions } from '../src/index.ts'
import { type Guard, guardOf, present, verdict } from './guard.ts'
import { type Issuer, makeKey, sendJson, sendStatus } from './issuer.ts'
import {
  counted,
  type FakeSnapshot,
  patiently,
  soon,
  startTransmitter,
  statusOf,
  type Transmitter,
} from './transmitter.ts'

let site: Transmitter
let issuer: Issuer
let guards: Guard[] = []
let passedMs = 0
/** Stands still, so that nothing depends on how fast this machine is. */
const begin = Date.now()
const now = () => begin + passedMs
const pass = (seconds: number) => {
  passedMs += seconds * 1_000
}

beforeAll(async () => {
  site = await startTransmitter(now)
  issuer = site.issuer
})
afterAll(() => site.close())
afterEach(async () => {
  site.cut = undefined
  site.alterPoll = undefined
  site.alterSnapshot = undefined
  site.lines = []
  issuer.answers.delete('/introspect')
  await Promise.all(guards.map((guard) => guard.close()))
  guards = []
  passedMs = 0
})

type Options = NonNullable<Parameters<Transmitter['guard']>[0]>

function begun(options: Options = {}): Guard {
  const guard = site.guard({ now, ...options })
  guards.push(guard)
  return guard
}

async function synced(options: Options = {}): Promise<Guard> {
  const guard = begun(options)
  await site.synced(guard)
  return guard
}

/** A guard that heard nothing for so long: what it asks is not answered any more. */
async function silentFor(seconds: number, options: Options = {}): Promise<Guard> {
  const guard = await synced(options)
  site.cut = { status: 503 }
  await vi.waitFor(() => expect(statusOf(guard).problem).toBe('poll: HTTP 503'), soon)
  pass(seconds)
  return guard
}

/** As long as nobody says otherwise, a good token. Long enough for whatever passes in a test. */
const token = (claims = {}) =>
  issuer.token({ iat: Math.floor(now() / 1_000), exp: Math.floor(now() / 1_000) + 900, ...claims })

async function verdictOn(guard: Guard, revocations: FeedPolicy): Promise<string> {
  const request = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token()}` } }
  const decision = await guard.authorize(request, { scope: 'read', revocations })
  return decision.ok ? 'good' : decision.reason
}

const asking = { introspection: { clientId: 'notes-api', clientSecret: 'secret' } }
const told = (answer: unknown) => issuer.answers.set('/introspect', (_request, response) => sendJson(response, answer))

describe('before the first synchronisation', () => {
  it('a request waits for it, and is decided by what it brings', async () => {
    site.cut = { status: 503 }
    site.lines = [['t', 'early', 4_000_000_000]]
    const guard = begun()
    const waiting = [verdict(guard, token({ jti: 'early' })), verdict(guard, token({ jti: 'other' }))]
    await vi.waitFor(() => expect(statusOf(guard).problem).toBe('stream: HTTP 503'), soon)
    site.cut = undefined
    expect(await Promise.all(waiting)).toEqual(['token.revoked', 'good'])
  })

  it('a request that waited in vain is answered 503, to come again, and never 401 [RFC 9110 §15.6.4]', async () => {
    site.cut = { status: 503 }
    // Its patience of three seconds ends at once.
    const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms < 3_000 ? ms : 0))
    const guard = begun({ wait })
    const decision = await present(guard, token())
    expect(decision).toMatchObject({ ok: false, reason: 'revocation.unsynced', status: 503, challenge: undefined })
    expect(decision.ok ? {} : decision.response.headers).toMatchObject({ 'retry-after': '1' })
    // What is wrong by itself needs no feed to be refused.
    expect(await verdict(guard, token({ exp: 1 }))).toBe('token.expired')
  })

  it('a poll that was sent before the snapshot says nothing', async () => {
    const guard = begun()
    let isHeld = true
    let release: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    site.alterPoll = (answer) => (isHeld ? { ...answer, head: 'none' } : answer)
    await vi.waitFor(() => expect(statusOf(guard).problem).toBe('poll: without epoch and head'), soon)
    expect(statusOf(guard).ageSeconds).toBeUndefined()
    isHeld = false
    release()
    await held
    await site.synced(guard)
  })
})

describe('after a sleep, in which nothing was asked', () => {
  it('the first request waits for news, and is decided by them', async () => {
    const guard = await synced({ wait: patiently })
    await vi.waitFor(() => expect(site.polls.at(-1)).toMatchObject({ returnImmediately: false }), soon)
    const before = site.polls.length
    pass(600)
    expect(await verdictOn(guard, 'strict')).toBe('good')
    // It did not wait for as long as the next poll may be held.
    expect(site.polls.slice(before)).toContainEqual(expect.objectContaining({ returnImmediately: true }))
    pass(600)
    site.tell({ subject: { format: 'jwt_id', iss: issuer.issuer, jti: 'gone' } })
    expect(await verdict(guard, token({ jti: 'gone' }))).toBe('token.revoked')
  })

  it('a problem that stays is told once', async () => {
    const lines: string[] = []
    site.cut = { status: 503 }
    const guard = begun({ journal: (line) => lines.push(line) })
    await vi.waitFor(() => expect(statusOf(guard).counts.failures).toBeGreaterThan(5), soon)
    const { issuer: name } = issuer
    const problem = { event: 'revocation feed problem', issuer: name, problem: 'stream: HTTP 503' }
    expect(lines.map((line) => JSON.parse(line))).toEqual([problem])
  })

  it('no request waits where the feed is known to be cut', async () => {
    const guard = await silentFor(600, { wait: patiently })
    expect(await verdictOn(guard, 'strict')).toBe('revocation.stale')
  })
})

/** The same statement, signed about another body. */
function withBody({ claims }: FakeSnapshot, body: Buffer): object {
  return { body, claims: { ...claims, digest: createHash('sha256').update(body).digest('base64url') } }
}

describe('a snapshot that lies', () => {
  const others = makeKey('RS256', 'events-1')
  it.each<[string, (right: Parameters<NonNullable<Transmitter['alterSnapshot']>>[0]) => object]>([
    ['signature', () => ({ key: others })],
    ['key', (right) => ({ header: { ...right.header, kid: 'other' } })],
    ['type', (right) => ({ header: { ...right.header, typ: 'secevent+jwt' } })],
    ['issuer', (right) => ({ claims: { ...right.claims, iss: 'https://other.example' } })],
    ['audience', (right) => ({ claims: { ...right.claims, aud: 'https://other.example' } })],
    ['future', (right) => ({ claims: { ...right.claims, iat: Math.floor(now() / 1_000) + 3_600 } })],
    ['old', (right) => ({ claims: { ...right.claims, iat: Math.floor(now() / 1_000) - 3_600 } })],
    ['claims', (right) => ({ claims: { ...right.claims, head: -1 } })],
    ['behind', (right) => ({ claims: { ...right.claims, head: 1 } })],
    ['digest', (right) => ({ body: Buffer.concat([right.body, Buffer.from('x')]) })],
    ['body', (right) => ({ claims: { ...right.claims, entries: 2 } })],
    ['body', (right) => withBody(right, deflateSync('x'.repeat(100_000)))],
    ['body', (right) => withBody(right, deflateSync('[]\n'.repeat(1_000_000)))],
    ['body', (right) => withBody(right, Buffer.from('not compressed'))],
  ])('counts as %s, and the guard begins when it is told the truth', async (reason, lie) => {
    site.lines = [['t', 'one', 4_000_000_000]]
    site.alterSnapshot = (right) => ({ ...right, ...lie(right) })
    const guard = begun()
    await counted(guard, `refused snapshot_${reason}`)
    expect(statusOf(guard).ageSeconds).toBeUndefined()
    site.alterSnapshot = undefined
    expect(await verdict(guard, token({ jti: 'one' }))).toBe('token.revoked')
  })

  it('or one whose keys cannot be had, is asked for again', async () => {
    issuer.answers.set('/ssf/jwks', sendStatus(503))
    const guard = begun()
    const problem = 'snapshot: the keys of the transmitter cannot be had'
    await vi.waitFor(() => expect(statusOf(guard).problem).toBe(problem), soon)
    issuer.answers.set('/ssf/jwks', (_request, response) => sendJson(response, { keys: [site.key.jwk] }))
    pass(10)
    await site.synced(guard)
  })

  it('about single lines is believed about the others', async () => {
    site.lines = [
      ['z', 'x', 1],
      ['t', 7, 1],
      'text',
      ['s', 'user-1', 4_000_000_000],
      ['x'],
      ['t', 'one', 4_000_000_000],
    ]
    const guard = await synced()
    expect(statusOf(guard).events).toEqual({
      'ignored line_unknown': 1,
      'ignored line_malformed': 3,
      'refused line_time': 1,
    })
    expect([await verdict(guard, token()), await verdict(guard, token({ jti: 'one' }))]).toEqual([
      'good',
      'token.revoked',
    ])
  })
})

describe('while the clock of the guard is behind', () => {
  const seconds = () => Math.floor(now() / 1_000)

  it('an event comes until the clocks agree, and what is known grows old', async () => {
    const guard = await synced()
    site.tell({ subject: { format: 'jwt_id', iss: issuer.issuer, jti: 'ahead' }, claims: { iat: seconds() + 18 } })
    await vi.waitFor(() => expect(statusOf(guard).problem).toContain('event: from the future'), soon)
    pass(7)
    expect(await verdictOn(guard, 'strict')).toBe('revocation.stale')
    expect(site.counts.refusedEvents).toEqual([])
    pass(1)
    await vi.waitFor(async () => expect(await verdict(guard, token({ jti: 'ahead' }))).toBe('token.revoked'), soon)
    await vi.waitFor(() => expect(statusOf(guard).problem).toBeUndefined(), soon)
  })

  it('a cut-off that runs ahead of the clock of the issuer still holds [PROTOCOL §1]', async () => {
    const guard = await synced()
    const subject = { format: 'iss_sub', iss: issuer.issuer, sub: 'user-9' }
    site.tell({ subject, claims: { iat: seconds() + 10 }, members: { iat_lt: seconds() + 15 } })
    await counted(guard, 'applied revoke')
    expect(await verdict(guard, token({ sub: 'user-9' }))).toBe('token.cut_off')
  })
})

describe('while the feed is silent', () => {
  it('requests are decided as ever for five seconds', async () => {
    const guard = await silentFor(4)
    expect([await verdict(guard, token()), await verdictOn(guard, 'strict')]).toEqual(['good', 'good'])
    expect(statusOf(guard).counts.acceptedStale).toBe(0)
  })

  it('strict routes are answered 503 from the fifth second on, the others let in, counted and told once', async () => {
    const lines: string[] = []
    const guard = await silentFor(6, { journal: (line) => lines.push(line) })
    const decision = await guard.authorize(
      { method: 'GET', url: '/', headers: { authorization: `Bearer ${token()}` } },
      { scope: 'read', revocations: 'strict' },
    )
    expect(decision).toMatchObject({ reason: 'revocation.stale', status: 503, challenge: undefined })
    expect(decision.ok ? {} : decision.response.headers).toMatchObject({ 'retry-after': '1' })
    expect([await verdict(guard, token()), await verdict(guard, token())]).toEqual(['good', 'good'])
    expect(statusOf(guard).counts.acceptedStale).toBe(2)
    expect(guard.metrics()).toMatch(/arctos_guard_feed_stale_accepts_total\{.*\} 2\n/)
    const stale = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'revocation feed stale')
    expect(stale).toMatchObject([{ issuer: issuer.issuer, problem: 'poll: HTTP 503' }])
  })

  it('all are answered 503 from a minute on', async () => {
    const guard = await silentFor(61, asking)
    told({ active: true })
    expect(await verdict(guard, token())).toBe('revocation.stale')
  })

  it('the issuer is asked where it can be, and what it says holds', async () => {
    const guard = await silentFor(6, asking)
    told({ active: true })
    expect(await verdict(guard, token())).toBe('good')
    expect(statusOf(guard).counts.acceptedStale).toBe(0)
    told({ active: false })
    expect(await verdict(guard, token({ jti: 'ended' }))).toBe('token.inactive')
  })

  it.each<[RevocationFeedOptions['whenStale'], string]>([
    [undefined, 'good'],
    ['introspect or accept', 'good'],
    ['introspect', 'introspection.unavailable'],
    ['accept', 'good'],
    ['refuse', 'revocation.stale'],
  ])('and the issuer, too, whenStale %s says: %s', async (whenStale, expected) => {
    issuer.answers.set('/introspect', sendStatus(503))
    const guard = await silentFor(6, { ...asking, feed: { whenStale } })
    expect(await verdict(guard, token())).toBe(expected)
  })

  it('a route that asks the issuer anyway goes by its answer alone', async () => {
    const guard = await silentFor(61, asking)
    told({ active: true })
    const request = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token()}` } }
    expect(await guard.authorize(request, { scope: 'read', fresh: true })).toMatchObject({ ok: true })
  })

  it('routes may declare other times than their guard, and a guard others than the usual', async () => {
    const guard = await silentFor(20, { feed: { staleAfterSeconds: 30, whenStale: 'refuse' } })
    expect(await verdict(guard, token())).toBe('good')
    expect(await verdictOn(guard, { staleAfterSeconds: 10 })).toBe('revocation.stale')
    expect(await verdictOn(guard, { staleAfterSeconds: 10, whenStale: 'accept' })).toBe('good')
    expect(await verdictOn(guard, { staleAfterSeconds: 10, unavailableAfterSeconds: 15, whenStale: 'accept' })).toBe(
      'revocation.stale',
    )
  })

  it('it is a step of every explanation, with its age', async () => {
    const guard = await silentFor(61)
    const steps = await guard.explain(token(), { scope: 'read' })
    expect(steps.find(({ check }) => check === 'revocation feed')).toMatchObject({
      passed: false,
      reason: 'revocation.stale',
      expected: 'news of the last 60 s',
      received: expect.stringMatching(/^61\.0 s old, at \d+ of epoch \d+; poll: HTTP 503$/),
    })
  })

  it('ends with the first answer', async () => {
    const guard = await silentFor(61)
    expect(await verdict(guard, token())).toBe('revocation.stale')
    site.cut = undefined
    await vi.waitFor(async () => expect(await verdict(guard, token())).toBe('good'), soon)
    const steps = await guard.explain(token(), { scope: 'read' })
    expect(steps.find(({ check }) => check === 'revocation feed')).toMatchObject({ passed: true })
  })
})

describe('a feed comes back', () => {
  it('under another token, when the one it had is refused', async () => {
    const guard = await synced()
    const before = site.counts.tokens
    site.forgetTokens()
    await vi.waitFor(() => expect(site.counts.tokens).toBeGreaterThan(before), soon)
    site.tell({ subject: { format: 'jwt_id', iss: issuer.issuer, jti: 'later' } })
    await vi.waitFor(async () => expect(await verdict(guard, token({ jti: 'later' }))).toBe('token.revoked'), soon)
    expect(statusOf(guard).counts.resyncs).toBe(1)
  })

  it('under another token, before the one it had is over', async () => {
    const guard = await synced()
    const before = site.counts.tokens
    pass(500)
    await vi.waitFor(() => expect(site.counts.tokens).toBeGreaterThan(before), soon)
    await vi.waitFor(() => expect(statusOf(guard).ageSeconds).toBeLessThan(60), soon)
    expect(statusOf(guard).counts.failures).toBe(0)
  })

  it('with another stream, when the one it had is gone', async () => {
    const guard = await synced()
    const { stream } = statusOf(guard)
    site.streams.delete(stream ?? '')
    issuer.answers.delete(`/ssf/poll/${stream}`)
    site.lines = [['t', 'meanwhile', 4_000_000_000]]
    await vi.waitFor(async () => expect(await verdict(guard, token({ jti: 'meanwhile' }))).toBe('token.revoked'), soon)
    expect(statusOf(guard).stream).not.toBe(stream)
  })

  it.each(['paused', 'disabled'])(
    'with another stream, when the one it had is %s; until then it is stale',
    async (status) => {
      const guard = await synced({ feed: { whenStale: 'refuse' } })
      const { stream } = statusOf(guard)
      site.cut = { status: 200 }
      site.tell({
        type: 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated',
        subject: { format: 'opaque', id: stream },
        members: { status },
      })
      site.cut = undefined
      await counted(guard, 'applied stream')
      await vi.waitFor(() => expect(statusOf(guard).stream).not.toBe(stream), soon)
      await vi.waitFor(async () => expect(await verdict(guard, token())).toBe('good'), soon)
      expect(site.streams.has(stream ?? '')).toBe(false)
    },
  )

  it('and brings the keys that were withdrawn while it was away', async () => {
    const next = makeKey()
    issuer.published = [issuer.key.jwk, next.jwk]
    const guard = await synced()
    const seconds = Math.floor(now() / 1_000)
    const old = issuer.token({ iat: seconds, exp: seconds + 900 }, {}, next)
    expect(await verdict(guard, old)).toBe('good')
    issuer.published = [issuer.key.jwk]
    site.epoch += 1
    await vi.waitFor(async () => expect(await verdict(guard, old)).toBe('token.key_unknown'), soon)
  })
})

describe('a guard that is closed', () => {
  it('leaves no stream, and asks no more', async () => {
    const guard = await synced()
    const { stream = '' } = statusOf(guard)
    expect(site.streams.has(stream)).toBe(true)
    await guard.close()
    expect(site.streams.has(stream)).toBe(false)
    const hits = issuer.hitsOf(`/ssf/poll/${stream}`)
    await issuer.roundTrip()
    expect(issuer.hitsOf(`/ssf/poll/${stream}`)).toBe(hits)
  })

  it('has nothing to close without feeds', async () => {
    const guard = guardOf(issuer)
    expect(guard.revocationStatus()).toEqual([])
    await guard.close()
  })
})

it('shows its age, position and events in the metrics, and nothing of it without a feed', async () => {
  const guard = await synced()
  site.tell({ subject: { format: 'email', email: 'a@b.example' } })
  await counted(guard, 'ignored subject_format')
  const text = guard.metrics()
  expect(text).toMatch(/arctos_guard_feed_age_seconds\{.*\} \d/)
  expect(text).toMatch(new RegExp(`arctos_guard_feed_position\\{.*\\} ${site.head}\\n`))
  expect(text).toMatch(/arctos_guard_feed_events_total\{.*result="ignored",reason="subject_format"\} 1\n/)
  expect(text).toMatch(/arctos_guard_feed_resyncs_total\{.*\} 1\n/)
  expect(guardOf(issuer).metrics()).not.toContain('feed')
})

describe('a policy', () => {
  it.each<[unknown, RegExp]>([
    ['lax', /^policy: revocations is "lax"; allowed are strict and an object/],
    [{ stale: 5 }, /^policy: revocations\.stale is 5/],
    [{ staleAfterSeconds: 0 }, /^policy: revocations\.staleAfterSeconds is 0/],
    [{ staleAfterSeconds: 20, unavailableAfterSeconds: 10 }, /^policy: revocations\.unavailableAfterSeconds is 10/],
    [{ whenStale: 'pray' }, /^policy: revocations\.whenStale is "pray"/],
    [{ whenStale: 'introspect' }, /^policy: revocations\.whenStale is "introspect"/],
  ])('%j is none', (revocations, message) => {
    const guard = begun()
    expect(() => guard.guard({ revocations } as never)).toThrow(message)
  })

  it('asks for no feed where there is none', () => {
    expect(() => guardOf(issuer).guard({ revocations: 'strict' })).toThrow(
      /^policy: revocations .+ only where the guard has revocations/,
    )
  })

  it('cannot look at the feed without a request', async () => {
    const guard = await synced()
    const decision = await present(guard, token())
    const access = decision.ok ? decision.access : undefined
    expect(access && (() => guard.permit(access, { revocations: 'strict' }))).toThrow(/belongs on the route/)
  })
})
