import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Guard, guardOf, present } from './guard.ts'
import { type Issuer, makeKey, resource, startIssuer } from './issuer.ts'

let issuer: Issuer
let guard: Guard

beforeAll(async () => {
  issuer = await startIssuer()
  guard = guardOf(issuer)
  await guard.reload()
})
afterAll(() => issuer.close())

describe('explain', () => {
  it('lists every step of a decision, in order', async () => {
    const steps = await guard.explain(issuer.token(), { scope: 'read' })
    expect(steps.every((step) => step.passed)).toBe(true)
    expect(steps.map((step) => step.check)).toEqual([
      'form',
      'type',
      'algorithm on offer',
      'trusted issuer',
      'key',
      'signature',
      'issuer',
      'audience',
      'expiry claim',
      'expiry',
      'issue time claim',
      'start claim',
      'issue time',
      'subject',
      'client',
      'token id',
      'sender constraint',
      'scope claim',
      'revocation',
      'scope',
    ])
  })

  it('says what was expected and received, with the clause', async () => {
    const steps = await guard.explain(issuer.token({ aud: 'https://other.example.com' }))
    expect(steps.find((step) => !step.passed)).toEqual({
      check: 'audience',
      passed: false,
      expected: resource,
      received: 'https://other.example.com',
      spec: 'RFC 9068 §4',
      reason: 'token.audience',
    })
  })

  it('goes on after the first failure', async () => {
    const token = issuer.token(
      { aud: 'other', exp: 1, scope: 'other' },
      { typ: 'JWT' },
      makeKey('ES256', issuer.key.kid),
    )
    const failed = (await guard.explain(token, { scope: 'write' })).filter((step) => !step.passed)
    expect(failed.map((step) => step.reason)).toEqual([
      'token.type',
      'token.signature',
      'token.audience',
      'token.expired',
      'token.scope',
    ])
  })

  it('looks at the claims of a stranger too', async () => {
    const failed = (await guard.explain(issuer.token({ iss: 'https://as.example.org', aud: 'other' }))).filter(
      (step) => !step.passed,
    )
    expect(failed.map((step) => step.check)).toEqual(['trusted issuer', 'issuer', 'audience'])
  })

  it('explains a request as well as a token', async () => {
    const steps = await guard.explain({ method: 'GET', url: '/', headers: { authorization: 'Basic YTpi' } })
    expect(steps).toMatchObject([{ check: 'credentials', reason: 'credentials.missing', received: 'another scheme' }])
  })

  it('decides exactly as authorize does', async () => {
    const now = Math.floor(Date.now() / 1_000)
    const strange = makeKey('ES256', issuer.key.kid)
    const claims = fc.record(
      {
        iss: fc.constantFrom(issuer.issuer, 'https://as.example.org', 1),
        aud: fc.constantFrom(resource, [resource], 'other', undefined),
        exp: fc.constantFrom(now + 60, now - 60, undefined, 'soon'),
        iat: fc.constantFrom(now, now + 120),
        nbf: fc.constantFrom(now - 60, now + 120, 'soon'),
        client_id: fc.constantFrom('client-1', ''),
        scope: fc.constantFrom('read', 'read write', '', 7),
        cnf: fc.constantFrom({ jkt: 'x' }, undefined),
      },
      { requiredKeys: [] },
    )
    const header = fc.record(
      {
        typ: fc.constantFrom('at+jwt', 'JWT', 7),
        kid: fc.constantFrom(issuer.key.kid, undefined),
        alg: fc.constantFrom('ES256', 'RS256', 'none'),
        crit: fc.constantFrom(undefined, ['exp']),
      },
      { requiredKeys: [] },
    )
    const key = fc.constantFrom(issuer.key, strange)
    const scope = fc.constantFrom('read', 'write')
    await fc.assert(
      fc.asyncProperty(claims, header, key, scope, async (claims, header, key, scope) => {
        const token = issuer.token(claims, header, key)
        const decision = await present(guard, token, scope)
        const failed = (await guard.explain(token, { scope })).find((step) => !step.passed)
        expect(failed?.reason).toBe(decision.ok ? undefined : decision.reason)
      }),
      { numRuns: 500 },
    )
  })
})
