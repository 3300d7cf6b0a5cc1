import { checkAccessTokenClaims } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { createRevocationState } from '../src/verification/revocation-state.ts'

const issuer = 'https://as.example.com'
const audience = 'https://api.example.com'
const now = 1_800_000_000

const stateOf = () =>
  createRevocationState({ onlyIssuer: issuer, longestTokenLifeSeconds: 600, clockToleranceSeconds: 10 })

function access(claims: Record<string, string | number> = {}) {
  const good = { iss: issuer, aud: audience, sub: 'user', client_id: 'client', jti: 'id', iat: now, exp: now + 300 }
  const expected = { issuer, audience, clockToleranceSeconds: 10, allowUntyped: false }
  return checkAccessTokenClaims({ ...good, ...claims }, expected, now)
}

describe('the state of revocations', () => {
  it('counts every change, so that what was good at a number still is', () => {
    const state = stateOf()
    expect(state.seq).toBe(0)
    state.add({ kind: 'grant', grantId: 'g' }, now)
    state.add({ kind: 'all' }, now)
    expect(state.seq).toBe(2)
    expect(state.isGood(access())).toBe(false)
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
