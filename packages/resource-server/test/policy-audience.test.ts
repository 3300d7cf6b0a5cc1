import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, resource, startIssuer } from './issuer.ts'
import { challengeOf, decide, reasonOf } from './policy-demands.ts'

const payments = `${resource}/payments`
const refunds = `${resource}/refunds`
let issuer: Issuer
let guard: Guard

beforeAll(async () => {
  issuer = await startIssuer()
  guard = guardOf(issuer, { audiences: [payments, refunds] })
})
afterAll(() => issuer.close())

describe('audience', () => {
  it.each([
    [payments, [resource, payments], 'good'],
    [payments, [resource], 'token.audience'],
    [payments, [resource, refunds], 'token.audience'],
    [payments, [resource, `${payments}/`], 'token.audience'],
    [[payments, refunds], [resource, payments, refunds], 'good'],
    [[payments, refunds], [resource, payments], 'token.audience'],
    // It narrows: the resource itself is still asked for.
    [payments, [payments], 'token.audience'],
    [payments, payments, 'token.audience'],
  ])('%j is judged for a token with aud %j: %s [RFC 9068 §4(c)]', async (audience, aud, reason) => {
    expect(reasonOf(await decide(guard, issuer, { audience }, { aud }))).toBe(reason)
  })

  it('makes a token for another part of the resource a bad token [RFC 9068 §4(i)]', async () => {
    const decision = await decide(guard, issuer, { audience: payments }, { aud: [resource, refunds] })
    expect(decision).toMatchObject({ ok: false, status: 401 })
    expect(challengeOf(decision)).toMatchObject({ error: 'invalid_token' })
  })

  it('is explained beside the audience of the resource', async () => {
    const steps = await guard.explain(issuer.token(), { audience: payments })
    expect(steps.filter(({ check }) => check.startsWith('audience'))).toMatchObject([
      { check: 'audience', passed: true, expected: resource, received: resource },
      { check: 'audience of the route', passed: false, expected: payments, received: resource },
    ])
  })
})
