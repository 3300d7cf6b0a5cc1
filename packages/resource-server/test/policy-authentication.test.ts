import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'
import { challengeOf, decide, reasonOf } from './policy-demands.ts'

const now = 1_900_000_000
let issuer: Issuer
let guard: Guard

beforeAll(async () => {
  issuer = await startIssuer()
  guard = guardOf(issuer, { now: () => now * 1_000, clockToleranceSeconds: 10 })
})
afterAll(() => issuer.close())

const claims = (overrides: object) => ({ iat: now - 5, exp: now + 300, ...overrides })

describe('acr', () => {
  it.each([
    ['mfa', 'mfa', 'good'],
    ['pwd', 'mfa', 'token.authentication_context'],
    ['MFA', 'mfa', 'token.authentication_context'],
    [undefined, 'mfa', 'token.authentication_context'],
    ['mfa', ['phr', 'mfa'], 'good'],
    ['pwd', ['phr', 'mfa'], 'token.authentication_context'],
    ['phr mfa', ['phr', 'mfa'], 'token.authentication_context'],
  ])('%j is judged for a route that wants %j: %s [RFC 9470 §3(a), RFC 9470 §6.1]', async (acr, wanted, reason) => {
    expect(reasonOf(await decide(guard, issuer, { acr: wanted }, claims({ acr })))).toBe(reason)
  })
})

describe('maxAgeSeconds', () => {
  it.each([
    [now - 300, 'good'],
    // The clocks of issuer and resource may differ by the tolerance.
    [now - 310, 'good'],
    [now - 311, 'token.authentication_age'],
    [now + 10, 'good'],
    [now + 11, 'token.authentication_age'],
    [undefined, 'token.authentication_age'],
  ])('of 300 judges auth_time %j: %s [RFC 9470 §3(c), RFC 9470 §6.1]', async (time, reason) => {
    expect(reasonOf(await decide(guard, issuer, { maxAgeSeconds: 300 }, claims({ auth_time: time })))).toBe(reason)
  })

  it('of 0 takes who signed in just now', async () => {
    expect(reasonOf(await decide(guard, issuer, { maxAgeSeconds: 0 }, claims({ auth_time: now })))).toBe('good')
  })
})

describe('the challenge', () => {
  it('says 401, the code and what to ask for, preferred first [RFC 9470 §3(a)(b)]', async () => {
    const decision = await decide(guard, issuer, { acr: ['urn:phr', 'mfa'] }, claims({ acr: 'pwd' }))
    expect(decision).toMatchObject({ status: 401, response: { status: 401 } })
    expect(challengeOf(decision)).toEqual({
      error: 'insufficient_user_authentication',
      error_description: 'The request needs another or a more recent authentication of the user.',
      acr_values: 'urn:phr mfa',
      resource_metadata: guard.metadataUrl,
    })
  })

  it('says max_age as a whole number of seconds [RFC 9470 §3(c)(d)]', async () => {
    const decision = await decide(guard, issuer, { maxAgeSeconds: 300 }, claims({ auth_time: now - 900 }))
    expect(decision.ok ? '' : decision.challenge).toContain(', max_age="300", ')
    expect(challengeOf(decision)).not.toHaveProperty('acr_values')
  })

  it.each([
    ['both fail', { acr: 'pwd', auth_time: now - 900 }],
    ['only the context fails', { acr: 'pwd', auth_time: now }],
    ['only the age fails', { acr: 'mfa', auth_time: now - 900 }],
  ])(
    'asks for both at once when %s, so that mending one breaks not the other [RFC 9470 §3(e)]',
    async (_name, held) => {
      const decision = await decide(guard, issuer, { acr: 'mfa', maxAgeSeconds: 300 }, claims(held))
      expect(challengeOf(decision)).toMatchObject({ acr_values: 'mfa', max_age: '300' })
    },
  )

  it('asks for the scope, too, where that is lacking as well [RFC 9470 §3(f)]', async () => {
    const policy = { scope: 'write', acr: 'mfa' } as const
    const decision = await decide(guard, issuer, policy, claims({ scope: 'read' }))
    expect(challengeOf(decision)).toMatchObject({
      error: 'insufficient_user_authentication',
      acr_values: 'mfa',
      scope: 'write',
    })
  })

  it('names authentication in no other refusal', async () => {
    const policy = { scope: 'write', acr: 'mfa', maxAgeSeconds: 300 } as const
    const held = claims({ acr: 'mfa', auth_time: now, scope: 'read' })
    const challenge = challengeOf(await decide(guard, issuer, policy, held))
    expect(challenge).toMatchObject({ error: 'insufficient_scope', scope: 'write' })
    expect(Object.keys(challenge)).not.toContain('acr_values')
    expect(Object.keys(challenge)).not.toContain('max_age')
  })

  it('tells what is needed only to who has a good token [RFC 9470 §9(b)]', async () => {
    const decision = await decide(guard, issuer, { acr: 'mfa' }, claims({ exp: now - 60 }))
    expect(reasonOf(decision)).toBe('token.expired')
    expect(decision.ok ? '' : decision.challenge).not.toContain('acr')
  })
})

it('explain lists both steps with what was expected and received', async () => {
  const steps = await guard.explain(issuer.token(claims({ acr: 'pwd' })), { acr: ['phr', 'mfa'], maxAgeSeconds: 300 })
  expect(steps.slice(-2)).toEqual([
    {
      check: 'authentication context',
      passed: false,
      expected: 'one of phr mfa',
      received: 'pwd',
      spec: 'RFC 9470 §3',
      reason: 'token.authentication_context',
    },
    {
      check: 'authentication age',
      passed: false,
      expected: 'at most 300 s',
      received: 'no auth_time',
      spec: 'RFC 9470 §3',
      reason: 'token.authentication_age',
    },
  ])
})
