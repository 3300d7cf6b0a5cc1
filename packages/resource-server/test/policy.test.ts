import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accessOf, type Policy } from '../src/index.ts'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'

let issuer: Issuer
let guard: Guard

beforeAll(async () => {
  issuer = await startIssuer()
  guard = guardOf(issuer)
})
afterAll(() => issuer.close())

describe('a policy', () => {
  const cases: [string, Policy<'read' | 'write'>, string | undefined, boolean][] = [
    ['no scope', {}, undefined, true],
    ['one scope', { scope: 'read' }, 'read', true],
    ['one scope', { scope: 'read' }, 'write', false],
    ['one scope', { scope: 'read' }, undefined, false],
    ['all of several', { scope: ['read', 'write'] }, 'write read', true],
    ['all of several', { scope: ['read', 'write'] }, 'read', false],
    ['any of several', { scope: { any: ['read', 'write'] } }, 'write', true],
    ['any of several', { scope: { any: ['read', 'write'] } }, 'other', false],
  ]
  it.each(cases)(
    'of %s: %j meets a token of %s [RFC 9068 §4(o), RFC 6750 §3.1(c)]',
    async (_name, policy, scope, holds) => {
      const headers = { authorization: `Bearer ${issuer.token({ scope })}` }
      const decision = await guard.authorize({ method: 'GET', url: '/', headers }, policy)
      expect(decision.ok ? 'good' : decision.reason).toBe(holds ? 'good' : 'token.scope')
    },
  )

  it.each([
    [{ scope: ['read', 'write'] }, 'read write'],
    [{ scope: { any: ['write', 'read'] } }, 'write'],
  ] as [Policy<'read' | 'write'>, string][])(
    'of %j asks once for the scope %j [RFC 6750 §3(d)(e)(f)(g)]',
    async (policy, scope) => {
      const headers = { authorization: `Bearer ${issuer.token({ scope: 'other' })}` }
      const decision = await guard.authorize({ method: 'GET', url: '/', headers }, policy)
      const challenge = decision.ok ? '' : (decision.challenge ?? '')
      const names = [...challenge.matchAll(/(\w+)="([^"\\]*)"/g)].map(([, name]) => name)
      expect(challenge).toContain(`, scope="${scope}", `)
      // No realm, and no error_uri that would have to be a URI: each name stands once.
      expect(names).toEqual(['error', 'error_description', 'scope', 'resource_metadata'])
    },
  )

  it('asks for no scope in the answer to a malformed request', async () => {
    const request = { method: 'GET', url: '/', headers: { authorization: 'Bearer' } }
    const decision = await guard.authorize(request, { scope: 'read' })
    expect(decision.ok || decision.challenge).not.toContain('scope')
  })

  it('writes error and description in their own characters, without error_uri [RFC 6750 §3(h)(i)]', async () => {
    const decision = await guard.authorize({
      method: 'GET',
      url: '/',
      headers: { authorization: 'Bearer "\\\u00e9\r\nx' },
    })
    const challenge = decision.ok ? '' : (decision.challenge ?? '')
    expect(challenge).toMatch(
      /^Bearer error="[\x20-\x21\x23-\x5b\x5d-\x7e]+", error_description="[\x20-\x21\x23-\x5b\x5d-\x7e]+", /,
    )
    expect(challenge).not.toContain('error_uri')
  })
})

describe('accessOf', () => {
  it('gives what a guard put on the request', async () => {
    const headers = { authorization: `Bearer ${issuer.token()}` }
    const decision = await guard.authorize({ method: 'GET', url: '/', headers })
    expect(decision.ok && accessOf({ access: decision.access })).toBe(decision.ok && decision.access)
  })

  it('throws for a request that passed no guard', () => {
    expect(() => accessOf({})).toThrow(TypeError)
  })
})
