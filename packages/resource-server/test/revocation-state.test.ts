import { type AccessToken, checkAccessTokenClaims, type Judge } from '@arctos/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createRevocationState,
  type Revocation,
  type RevocationStateOptions,
} from '../src/verification/revocation-state.ts'

const issuer = 'https://as.example.com'
const audience = 'https://api.example.com'
const now = 1_800_000_000

const stateOf = (options: Partial<RevocationStateOptions> = {}) =>
  createRevocationState({ onlyIssuer: issuer, longestTokenLifeSeconds: 600, clockToleranceSeconds: 10, ...options })

/** A token that was good when it was issued. */
function access(claims: Record<string, unknown> = {}) {
  const good = { iss: issuer, aud: audience, sub: 'user', client_id: 'client', jti: 'id', iat: now, exp: now + 300 }
  const expected = { issuer, audience, clockToleranceSeconds: 10, allowUntyped: false }
  const all = { ...good, ...claims }
  return checkAccessTokenClaims(
    all as Parameters<typeof checkAccessTokenClaims>[0],
    expected,
    all.iat === 0 ? now : all.iat,
  )
}

/** What the judge is told of a token. */
function judged(state: ReturnType<typeof stateOf>, token: AccessToken): readonly unknown[] {
  let told: readonly unknown[] = []
  const judge: Judge = (...each) => {
    told = each
  }
  state.judge(token, judge)
  return told
}

const names = fc.constantFrom('a', 'b', 'c')
/** When, in seconds after the first step. */
const cutOff = fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined })
const entries: fc.Arbitrary<(at: number) => Revocation> = fc
  .record({
    kind: fc.constantFrom('token', 'grant', 'change', 'subject', 'client', 'subject at client', 'actor', 'all'),
    name: names,
    other: names,
    ago: cutOff,
    life: fc.integer({ min: 0, max: 600 }),
  })
  .map(({ kind, name, other, ago, life }) => (at) => {
    const issuedBefore = ago === undefined ? undefined : Math.floor(at) - ago
    switch (kind) {
      case 'token':
        return { kind, jti: name, expiresAt: ago === undefined ? undefined : at + life }
      case 'grant':
        return { kind, grantId: name }
      case 'change':
        return { kind: 'grant', grantId: name, issuedBefore: issuedBefore ?? at }
      case 'subject':
        return { kind, subject: name, issuedBefore }
      case 'client':
        return { kind, clientId: name, issuedBefore }
      case 'subject at client':
        return { kind, subject: name, clientId: other, issuedBefore }
      case 'actor':
        return { kind, actor: name, issuedBefore }
      default:
        // Seldom, for it ends everything.
        return name === other ? { kind: 'all', issuedBefore } : { kind: 'client', clientId: other, issuedBefore }
    }
  })

const tokens = fc
  .record({
    jti: names,
    sub: names,
    client_id: names,
    grant_id: names,
    grants: fc.array(names, { maxLength: 2 }),
    actor: names,
  })
  .map(({ actor, ...claims }) => ({ ...claims, act: { sub: actor } }))

/** Whether an entry, made at a time, ends the token: PROTOCOL's table of what is sent for what. */
function ends(entry: Revocation, at: number, token: AccessToken): boolean {
  const grants = [token.grantId, ...(token.claims['grants'] as string[])]
  const cutOff = ('issuedBefore' in entry ? entry.issuedBefore : undefined) ?? Math.floor(at) + 1
  const isBefore = token.issuedAt < cutOff
  switch (entry.kind) {
    case 'token':
      return entry.jti === token.jti
    case 'grant':
      return grants.includes(entry.grantId) && (entry.issuedBefore === undefined || isBefore)
    case 'subject':
      return isBefore && entry.subject === token.subject
    case 'client':
      return isBefore && entry.clientId === token.clientId
    case 'subject at client':
      return isBefore && entry.subject === token.subject && entry.clientId === token.clientId
    case 'actor':
      return isBefore && token.actors.some(({ subject }) => subject === entry.actor)
    case 'all':
      return isBefore
    default:
      throw new Error('no such kind')
  }
}

/** Whether an entry that ends a token has to be known still: its own end has not come, or it was issued before its grant ended. */
function isKept(entry: Revocation, at: number, token: AccessToken, now: number): boolean {
  if (entry.kind === 'token') return (entry.expiresAt ?? at + 600) > now
  return entry.kind !== 'grant' || entry.issuedBefore !== undefined || token.issuedAt <= at
}

const steps = fc.array(
  fc.record({
    entry: entries,
    token: tokens,
    age: fc.integer({ min: 0, max: 599 }),
    later: fc.integer({ min: 0, max: 90 }),
  }),
  { maxLength: 60, size: 'max' },
)

describe('the state of revocations', () => {
  it.each([
    ['the hash of this process', undefined],
    [
      'a hash of one first word',
      (words: Int32Array, name: string, second = '') => {
        words[0] = 0
        words[1] = name.charCodeAt(0)
        words[2] = second.charCodeAt(0)
      },
    ],
  ])('says of every living token what the list of all entries there were says, with %s', (_name, hash) => {
    const property = fc.property(steps, (each) => {
      const state = stateOf(hash === undefined ? {} : { hash })
      const all: (readonly [Revocation, number])[] = []
      let at = now
      for (const { entry, token, age, later } of each) {
        at += later + 0.25
        const made = entry(at)
        state.add(made, at)
        all.push([made, at])
        const iat = Math.floor(at) - age
        const living = access({ ...token, iat, exp: iat + 600 })
        const ending = all.filter(([known, from]) => ends(known, from, living))
        if (ending.some(([known, from]) => isKept(known, from, living, at))) expect(state.isGood(living)).toBe(false)
        else if (ending.length === 0) expect(state.isGood(living)).toBe(true)
      }
    })
    fc.assert(property, { seed: 5, numRuns: 100 })
  })

  it('counts every change, so that what was good at a number still is', () => {
    const state = stateOf()
    expect(state.seq).toBe(0)
    state.add({ kind: 'grant', grantId: 'g' }, now)
    state.add({ kind: 'all' }, now)
    expect(state.seq).toBe(2)
    expect(state.isGood(access())).toBe(false)
  })

  it('counts no change where nothing changes, so that what comes twice costs nothing', () => {
    let told = 0
    const state = stateOf({
      onChange() {
        told += 1
      },
    })
    const each: Revocation[] = [
      { kind: 'grant', grantId: 'g' },
      { kind: 'subject', subject: 'user', issuedBefore: now },
      { kind: 'token', jti: 'id', expiresAt: now + 60 },
    ]
    for (const entry of [...each, ...each]) state.add(entry, now)
    state.add({ kind: 'subject', subject: 'user', issuedBefore: now - 1 }, now)
    state.add({ kind: 'token', jti: 'id', expiresAt: now + 90 }, now + 5)
    expect([state.seq, told, state.size]).toEqual([3, 3, 3])
    state.add({ kind: 'subject', subject: 'user', issuedBefore: now + 1 }, now)
    state.touch()
    expect([state.seq, told, state.size]).toEqual([5, 5, 3])
  })

  it.each([
    ['a grant with another scope', { grant_id: 'g' }],
    ['one that was derived from it', { grant_id: 'leaf', grants: ['g', 'leaf'] }],
  ])('ends what was issued before a change under %s, and nothing later', (_name, claims) => {
    const state = stateOf()
    state.add({ kind: 'grant', grantId: 'g', issuedBefore: now }, now)
    const verdicts = (): boolean[] => [-1, 0].map((age) => state.isGood(access({ ...claims, iat: now + age })))
    expect(verdicts()).toEqual([false, true])
    expect(judged(state, access({ ...claims, iat: now - 1 })).slice(0, 5)).toEqual([
      'revocation',
      false,
      'token.revoked',
      'not revoked',
      'its grant',
    ])
    state.add({ kind: 'grant', grantId: 'g' }, now)
    expect(verdicts()).toEqual([false, false])
  })

  it('asks what else may end a token, when no entry does', () => {
    const asked: string[] = []
    const state = stateOf({
      also: ({ jti }) => {
        asked.push(jti)
        return jti === 'bad' ? 'its status' : undefined
      },
    })
    state.add({ kind: 'token', jti: 'ended' }, now)
    expect(['id', 'bad', 'ended'].map((jti) => state.isGood(access({ jti })))).toEqual([true, false, false])
    expect(asked).toEqual(['id', 'bad'])
    expect(judged(state, access({ jti: 'bad' })).slice(1)).toEqual([
      false,
      'token.revoked',
      'not revoked',
      'its status',
    ])
  })

  it('keeps what it knows through a clock that runs ahead and is set right', () => {
    const state = stateOf()
    state.add({ kind: 'subject', subject: 'user' }, now)
    state.add({ kind: 'client', clientId: 'other' }, now + 9_000)
    expect(state.size).toBe(1)
    state.add({ kind: 'subject', subject: 'other' }, now + 1)
    expect([state.isGood(access()), state.isGood(access({ iat: now + 1 }))]).toEqual([false, true])
    state.sweep(now + 700)
    expect([state.size, state.isGood(access())]).toEqual([1, false])
  })

  it('never forgets a time that is beyond its numbers, and ends what it is told to', () => {
    const state = stateOf()
    for (const expiresAt of [2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      state.add({ kind: 'token', jti: `id-${expiresAt}`, expiresAt }, now)
    }
    state.add({ kind: 'subject', subject: 'user', issuedBefore: 2 ** 32 + 50 }, 2 ** 32)
    for (let at = 2 ** 32; at < 2 ** 33; at += 2 ** 30) state.sweep(at)
    expect(state.size).toBe(4)
    expect(state.isGood(access({ iat: 2 ** 32, exp: 2 ** 32 + 300 }))).toBe(false)
  })

  it('forgets many a part at a time, and by itself', () => {
    const state = stateOf()
    const count = 250_000
    for (let at = 0; at < count; at += 1) state.add({ kind: 'grant', grantId: `g${at}` }, now)
    state.add({ kind: 'grant', grantId: 'later' }, now + 300)
    const sizes: number[] = []
    for (let pass = 0; pass < 40; pass += 1) {
      state.sweep(now + 610 + pass)
      sizes.push(state.size)
    }
    const [first] = sizes
    expect(first).toBeGreaterThan(1)
    expect(first).toBeLessThan(count)
    expect(sizes.at(-1)).toBe(1)
    expect(state.bytes).toBeLessThan(10_000)
    expect(state.isGood(access({ iat: now - 1, exp: now + 9_000 }))).toBe(false)
  })

  it('holds one entry for each principal, however often it is cut off', () => {
    const state = stateOf()
    for (let at = 0; at < 100; at++) state.add({ kind: 'subject', subject: 'user' }, now + at / 10)
    expect(state.size).toBe(1)
  })

  it('forgets an entry once the last token that it could end has expired', () => {
    const state = stateOf()
    state.add({ kind: 'subject', subject: 'user' }, now)
    state.add({ kind: 'grant', grantId: 'g' }, now)
    state.add({ kind: 'token', jti: 'short', expiresAt: now + 60 }, now)
    state.add({ kind: 'token', jti: 'unknown' }, now)
    expect(state.size).toBe(4)
    state.add({ kind: 'client', clientId: 'other' }, now + 69)
    expect(state.size).toBe(5)
    state.add({ kind: 'client', clientId: 'other' }, now + 130)
    expect(state.size).toBe(4)
    state.add({ kind: 'client', clientId: 'other' }, now + 609)
    expect(state.size).toBe(4)
    state.add({ kind: 'client', clientId: 'other' }, now + 672)
    expect(state.size).toBe(1)
  })

  it.each([
    ['a subject', { kind: 'subject', subject: 'user' }, now + 1],
    ['a grant', { kind: 'grant', grantId: 'g' }, now],
    ['a token', { kind: 'token', jti: 'id' }, now],
  ] as const)(
    'does not take a token again that outlives the word about %s, which is forgotten',
    (_name, entry, until) => {
      const state = stateOf()
      const [before, after] = [access({ iat: until - 1, exp: now + 9_000 }), access({ iat: until, exp: now + 9_000 })]
      state.add(entry, now)
      state.add({ kind: 'client', clientId: 'other' }, now + 700)
      expect(state.size).toBe(1)
      expect([state.isGood(before), state.isGood(after)]).toEqual([false, true])
    },
  )

  it('takes tokens without a time of issue all the same', () => {
    const state = stateOf()
    state.add({ kind: 'subject', subject: 'other' }, now)
    state.add({ kind: 'client', clientId: 'other' }, now + 700)
    expect(state.isGood(access({ iat: 0, client_id: 'client' }))).toBe(true)
  })

  it('looks a token up in a table, however many entries there are', () => {
    const state = stateOf()
    for (let at = 0; at < 100_000; at++) state.add({ kind: 'token', jti: `other-${at}` }, now)
    const token = access()
    const started = process.cpuUsage()
    let good = 0
    for (let count = 0; count < 10_000; count++) good += state.isGood(token) ? 1 : 0
    const { user } = process.cpuUsage(started)
    expect(good).toBe(10_000)
    // Walking over 100,000 entries 10,000 times would take seconds.
    expect(user).toBeLessThan(1_000_000)
  })
})
