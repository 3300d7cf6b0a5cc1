import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Guard, present, verdict } from './guard.ts'
import { type Issuer, makeKey, type Overrides } from './issuer.ts'
import { counted, soon, startTransmitter, statusOf, type Told, type Transmitter, types } from './transmitter.ts'

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
  site.cut = undefined
  site.alterPoll = undefined
  site.alterSnapshot = undefined
  site.lines = []
  site.isNumbered = true
  await Promise.all(guards.map((guard) => guard.close()))
  guards = []
  expect(site.complaints).toEqual([])
})

async function synced(options: Parameters<Transmitter['guard']>[0] = {}): Promise<Guard> {
  const guard = begun(options)
  await site.synced(guard)
  return guard
}

function begun(options: Parameters<Transmitter['guard']>[0] = {}): Guard {
  const guard = site.guard(options)
  guards.push(guard)
  return guard
}

const becomes = (guard: Guard, token: string, expected: string) =>
  vi.waitFor(async () => expect(await verdict(guard, token)).toBe(expected), soon)

const follows = (guard: Guard, status: object) => vi.waitFor(() => expect(statusOf(guard)).toMatchObject(status), soon)

/** The signal of what would live on the token. */
async function endOf(guard: Guard, token: string): Promise<AbortSignal> {
  const decision = await present(guard, token)
  return decision.ok ? guard.endOf(decision.access) : AbortSignal.abort()
}

const user = (sub = 'user-1') => ({ format: 'iss_sub', iss: issuer.issuer, sub })
const opaque = (id: string) => ({ format: 'opaque', id })
const complex = (members: object) => ({ format: 'complex', ...members })
const tenant = () => ({ format: 'uri', uri: issuer.issuer })

/** PROTOCOL §7: what is sent, as an event and as a line of a snapshot, and which token it ends. */
const rows: readonly {
  readonly what: string
  readonly tell: () => Told
  readonly line?: readonly unknown[]
  readonly claims: Overrides
  readonly spared: Overrides
  readonly reason: string
}[] = [
  {
    what: 'one access token',
    tell: () => ({ subject: { format: 'jwt_id', iss: issuer.issuer, jti: 'j-1' }, members: { exp: start + 600 } }),
    line: ['t', 'j-1', start + 600],
    claims: { jti: 'j-1' },
    spared: { jti: 'j-2' },
    reason: 'token.revoked',
  },
  {
    what: 'a grant, whoever holds what was derived from it',
    tell: () => ({ subject: complex({ session: opaque('g-1'), user: user(), application: opaque('client-1') }) }),
    line: ['g', 'g-1', start],
    claims: { grant_id: 'leaf', grants: ['g-1', 'leaf'], client_id: 'another', iat: start + 5 },
    spared: { grant_id: 'g-2' },
    reason: 'token.revoked',
  },
  {
    what: 'a user at one client',
    tell: () => ({ subject: complex({ user: user(), application: opaque('client-1') }), members: { iat_lt: start } }),
    line: ['p', 'user-1', 'client-1', start],
    claims: { iat: start - 1 },
    spared: { iat: start - 1, client_id: 'client-2' },
    reason: 'token.cut_off',
  },
  {
    what: 'a subject everywhere',
    tell: () => ({ subject: user(), members: { iat_lt: start } }),
    line: ['s', 'user-1', start],
    claims: { iat: start - 1 },
    spared: { iat: start - 1, sub: 'user-2' },
    reason: 'token.cut_off',
  },
  {
    what: 'a client',
    tell: () => ({ subject: complex({ application: opaque('client-1') }), members: { iat_lt: start } }),
    line: ['c', 'client-1', start],
    claims: { iat: start - 1 },
    spared: { iat: start - 1, client_id: 'client-2' },
    reason: 'token.cut_off',
  },
  {
    what: 'an actor and all derived',
    tell: () => ({ subject: complex({ actor: opaque('agent-2') }), members: { iat_lt: start } }),
    line: ['a', 'agent-2', start],
    claims: { iat: start - 1, act: { sub: 'agent-1', act: { sub: 'agent-2' } } },
    spared: { iat: start - 1, act: { sub: 'agent-1' } },
    reason: 'token.cut_off',
  },
  {
    what: 'all before a time',
    tell: () => ({ subject: complex({ tenant: tenant() }), members: { iat_lt: start } }),
    line: ['x', start],
    claims: { iat: start - 1 },
    spared: { iat: start },
    reason: 'token.cut_off',
  },
  {
    what: 'a grant whose claims changed, up to then',
    tell: () => ({
      type: types.claims,
      subject: complex({ session: opaque('g-1'), user: user(), application: opaque('client-1') }),
      members: { iat_lt: start, claims: { grant_id: 'g-1' } },
    }),
    line: ['m', 'g-1', start],
    claims: { iat: start - 1, grant_id: 'g-1' },
    spared: { iat: start, grant_id: 'g-1' },
    reason: 'token.revoked',
  },
]

describe('what was taken back', () => {
  it.each(rows)('ends $what, told as it happens', async ({ tell, claims, spared, reason }) => {
    const guard = await synced()
    const [token, other] = [issuer.token(claims), issuer.token(spared)]
    expect([await verdict(guard, token), await verdict(guard, other)]).toEqual(['good', 'good'])
    site.tell(tell())
    await becomes(guard, token, reason)
    expect(await verdict(guard, other)).toBe('good')
    expect(statusOf(guard).events).toEqual({ 'applied revoke': 1 })
  })

  it.each(rows)('ends $what, told by the snapshot', async ({ line, claims, spared, reason }) => {
    site.lines = [line]
    const guard = begun()
    expect(await verdict(guard, issuer.token(claims))).toBe(reason)
    expect(await verdict(guard, issuer.token(spared))).toBe('good')
  })

  it('ends at every token of a withdrawn key, cached ones too', async () => {
    const next = makeKey()
    issuer.published = [issuer.key.jwk, next.jwk]
    const guard = await synced()
    const [token, other] = [issuer.token({}, {}, next), issuer.token()]
    expect([await verdict(guard, token), await verdict(guard, other)]).toEqual(['good', 'good'])
    const ends = await Promise.all([endOf(guard, token), endOf(guard, other)])
    site.tell({ type: types.key, subject: complex({ tenant: tenant() }), members: { kid: next.kid } })
    await becomes(guard, token, 'token.key_unknown')
    expect(await verdict(guard, other)).toBe('good')
    await vi.waitFor(() => expect(ends.map(({ aborted }) => aborted)).toEqual([true, false]), soon)
    issuer.published = [issuer.key.jwk]
  })

  it('fires the signals of streams that live on it', async () => {
    const guard = await synced()
    const end = await endOf(guard, issuer.token({ jti: 'streaming' }))
    expect(end.aborted).toBe(false)
    site.tell({ subject: { format: 'jwt_id', iss: issuer.issuer, jti: 'streaming' } })
    await vi.waitFor(() => expect(end.aborted).toBe(true), soon)
  })

  it('is nothing where a credential changed: what that ends comes as events of its own', async () => {
    const guard = await synced()
    site.tell({
      type: types.credential,
      subject: user(),
      members: { credential_type: 'password', change_type: 'update' },
    })
    await counted(guard, 'ignored told_only')
    expect(await verdict(guard, issuer.token({ iat: start - 1 }))).toBe('good')
  })

  it('goes by the time of the event where there is no exact rule, and that second counts as before', async () => {
    const guard = await synced()
    site.tell({ subject: user('user-9'), members: { event_timestamp: start - 10 } })
    await counted(guard, 'applied revoke')
    const [before, after] = [start - 10, start - 9].map((iat) => issuer.token({ sub: 'user-9', iat }))
    expect([await verdict(guard, before ?? ''), await verdict(guard, after ?? '')]).toEqual(['token.cut_off', 'good'])
  })
})

describe('a subject', () => {
  const past = { iat_lt: start }
  it.each<[string, string, () => Told]>([
    [
      'subject_format',
      'of another form',
      () => ({ subject: { format: 'email', email: 'a@b.example' }, members: past }),
    ],
    [
      'subject_format',
      'of which a member has another form',
      () => ({ subject: complex({ user: opaque('user-1') }), members: past }),
    ],
    [
      'subject_member',
      'with a member nobody knows',
      () => ({ subject: complex({ user: user(), device: opaque('d') }), members: past }),
    ],
    ['subject_member', 'without members', () => ({ subject: complex({}), members: past })],
    [
      'subject_member',
      'with an actor and more',
      () => ({ subject: complex({ user: user(), actor: opaque('a') }), members: past }),
    ],
    [
      'subject_issuer',
      'of another issuer',
      () => ({ subject: { ...user(), iss: 'https://other.example' }, members: past }),
    ],
    [
      'subject_issuer',
      'of another tenant',
      () => ({ subject: complex({ tenant: { format: 'uri', uri: 'https://other.example' } }), members: past }),
    ],
    [
      'subject_malformed',
      'with more than its form has',
      () => ({ subject: { ...user(), device: 'd' }, members: past }),
    ],
    [
      'subject_malformed',
      'without a name',
      () => ({ subject: { format: 'iss_sub', iss: issuer.issuer }, members: past }),
    ],
  ])('counts as %s and ends nothing: %s', async (reason, _what, tell) => {
    const guard = await synced()
    site.tell(tell())
    await counted(guard, `ignored ${reason}`)
    expect(await verdict(guard, issuer.token({ iat: start - 1 }))).toBe('good')
    await follows(guard, { position: site.head })
  })

  it('with an unknown member that is critical ends the wider of the two, and that is counted', async () => {
    const guard = await synced()
    const token = issuer.token({ iat: start - 1, sub: 'user-5' })
    site.tell({ subject: complex({ user: user('user-5'), robot: opaque('r') }), members: past })
    await becomes(guard, token, 'token.cut_off')
    expect(statusOf(guard).counts.widened).toBe(1)
    expect(await verdict(guard, issuer.token({ iat: start - 1 }))).toBe('good')
  })
})

describe('an event that is none', () => {
  const others = makeKey('RS256', 'events-1')
  const unknown = makeKey('RS256', 'events-2')
  it.each<[string, string, () => Told, string]>([
    ['issuer', 'of another issuer', () => ({ claims: { iss: 'https://other.example' } }), 'invalid_issuer'],
    ['audience', 'for another audience', () => ({ claims: { aud: 'https://other.example' } }), 'invalid_audience'],
    ['audience', 'for nobody', () => ({ claims: { aud: undefined } }), 'invalid_audience'],
    ['type', 'of another type', () => ({ header: { typ: 'at+jwt' } }), 'invalid_request'],
    ['type', 'without a type', () => ({ header: { typ: undefined } }), 'invalid_request'],
    ['algorithm', 'under another algorithm', () => ({ header: { alg: 'ES256' } }), 'authentication_failed'],
    ['algorithm', 'not signed', () => ({ header: { alg: 'none' } }), 'authentication_failed'],
    ['signature', 'signed by somebody else', () => ({ key: others }), 'authentication_failed'],
    ['key', 'under a key that is not published', () => ({ key: unknown }), 'invalid_key'],
    ['key', 'without the name of a key', () => ({ header: { kid: undefined } }), 'invalid_key'],
    ['claims', 'without a time', () => ({ claims: { iat: undefined } }), 'invalid_request'],
    ['claims', 'without an id', () => ({ claims: { jti: undefined } }), 'invalid_request'],
    ['claims', 'without a subject', () => ({ claims: { sub_id: undefined } }), 'invalid_request'],
    ['claims', 'that could pass for another token', () => ({ claims: { exp: start + 600 } }), 'invalid_request'],
    ['claims', 'of two events', () => ({ claims: { events: { a: {}, b: {} } } }), 'invalid_request'],
    ['oversized', 'too long', () => ({ claims: { txn: 'x'.repeat(20_000) } }), 'invalid_request'],
  ])('counts as %s, is told to its sender and ends nothing: %s', async (reason, _what, told, err) => {
    const guard = await synced()
    const before = site.counts.refusedEvents.length
    site.deliver(site.sign({ subject: user(), members: { iat_lt: start }, ...told() }))
    await counted(guard, `refused ${reason}`)
    await vi.waitFor(() => expect(site.counts.refusedEvents.slice(before)).toEqual([err]), soon)
    expect(await verdict(guard, issuer.token({ iat: start - 1 }))).toBe('good')
    await vi.waitFor(() => expect(statusOf(guard)).toMatchObject({ problem: undefined, counts: { resyncs: 2 } }), soon)
  })

  it('hides nothing: what it may have been is in a snapshot', async () => {
    const guard = await synced()
    const token = issuer.token({ jti: 'hidden' })
    site.lines = [['t', 'hidden', start + 600]]
    site.tell({ subject: { format: 'jwt_id', iss: issuer.issuer, jti: 'hidden' }, key: unknown })
    await becomes(guard, token, 'token.revoked')
    expect(statusOf(guard).counts.gaps).toBe(0)
  })

  it('is no JWS at all', async () => {
    const guard = await synced()
    site.deliver({ jti: 'garbage', set: '{"not":"a token"}' })
    await counted(guard, 'refused malformed')
  })

  it.each<[string, () => Told]>([
    ['event_type', () => ({ type: 'https://other.example/event' })],
    ['event_future', () => ({ members: { iat_lt: start + 3_600 } })],
    ['event_future', () => ({ members: { event_timestamp: start * 1_000 } })],
    ['event_members', () => ({ members: { iat_lt: 'now' } })],
    ['event_members', () => ({ type: types.key, subject: complex({ tenant: tenant() }), members: { kid: 7 } })],
  ])('says nothing that could be meant: %s', async (reason, told) => {
    const guard = await synced()
    site.tell({ subject: user(), ...told() })
    await counted(guard, `ignored ${reason}`)
    expect(await verdict(guard, issuer.token({ iat: start - 1 }))).toBe('good')
  })
})

describe('the order of events', () => {
  it('knows what came before, under the same number or the same id', async () => {
    const guard = await synced()
    const event = site.tell({ subject: user('user-2'), members: { iat_lt: start } })
    await counted(guard, 'applied revoke')
    await vi.waitFor(
      () => expect([...site.streams.values()].every((each) => each.unacknowledged.size === 0)).toBe(true),
      soon,
    )
    site.deliver(event)
    await counted(guard, 'duplicate')
    site.deliver({ ...event, jti: 'another-name' })
    await counted(guard, 'duplicate', 2)
    expect(statusOf(guard)).toMatchObject({ events: { 'applied revoke': 1 }, counts: { resyncs: 1, gaps: 0 } })
  })

  it('does not matter within one answer', async () => {
    const guard = await synced()
    site.alterPoll = (answer) => ({
      ...answer,
      sets: Object.fromEntries(Object.entries(answer['sets'] as object).reverse()),
    })
    site.cut = { status: 503 }
    for (const name of ['a', 'b', 'c']) site.tell({ subject: user(name), members: { iat_lt: start } })
    site.cut = undefined
    await counted(guard, 'applied revoke', 3)
    await follows(guard, { position: site.head })
    expect(statusOf(guard).counts).toMatchObject({ resyncs: 1, gaps: 0 })
  })

  it('shows what was lost, and a snapshot mends it', async () => {
    const guard = await synced()
    site.tell({ subject: user('lost'), members: { iat_lt: start }, isLost: true })
    site.lines = [['s', 'lost', start]]
    expect(await verdict(guard, issuer.token({ sub: 'lost', iat: start - 1 }))).toBe('good')
    site.tell({ subject: user('next'), members: { iat_lt: start } })
    await becomes(guard, issuer.token({ sub: 'lost', iat: start - 1 }), 'token.cut_off')
    expect(await verdict(guard, issuer.token({ sub: 'next', iat: start - 1 }))).toBe('token.cut_off')
    await follows(guard, { position: site.head, counts: { resyncs: 2, gaps: 1 } })
  })

  it('begins anew with another epoch, and what was known stays known', async () => {
    const guard = await synced()
    site.tell({ subject: user('known'), members: { iat_lt: start } })
    await counted(guard, 'applied revoke')
    site.epoch += 1
    site.head = 5
    site.lines = [['s', 'new', start]]
    await becomes(guard, issuer.token({ sub: 'new', iat: start - 1 }), 'token.cut_off')
    expect(await verdict(guard, issuer.token({ sub: 'known', iat: start - 1 }))).toBe('token.cut_off')
    await follows(guard, { epoch: site.epoch, position: 5 })
  })

  it('that goes back is not believed at once, and then a snapshot is read', async () => {
    const guard = await synced()
    site.head -= 3
    await follows(guard, { position: site.head, counts: { resyncs: 2 } })
  })
})
