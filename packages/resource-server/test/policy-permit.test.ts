import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Access, RefusalReport } from '../src/index.ts'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'
import { challengeOf, decide, reasonOf } from './policy-demands.ts'

let issuer: Issuer
let guard: Guard
let reports: RefusalReport[]
let lines: string[]

beforeEach(async () => {
  issuer = await startIssuer()
  reports = []
  lines = []
  guard = guardOf(issuer, {
    onRefusal: (report) => void reports.push(report),
    journal: (line) => void lines.push(line),
    introspection: { clientId: 'rs', clientSecret: 'secret' },
  })
})
afterEach(() => issuer.close())

const granted = [{ type: 'payment', actions: ['initiate'], limit: 100 }]
const request = { method: 'POST', url: '/payments?to=DE02', headers: {} }
const atLeast = (limit: number) => ({
  authorizationDetails: { type: 'payment', members: { limit: { atLeast: limit } } },
})

async function accessOf(claims: object): Promise<Access> {
  const decision = await decide(guard, issuer, {}, { ...claims })
  if (!decision.ok) throw new Error(decision.reason)
  return decision.access
}

describe('permit', () => {
  it('lets a call through whose arguments are within what was granted', async () => {
    const access = await accessOf({ authorization_details: granted })
    expect(guard.permit(access, atLeast(100), request)).toEqual({ ok: true, access })
    expect([reports, lines]).toEqual([[], []])
  })

  it('refuses another with the answer that the guard would give [RFC 6750 §3.1(c)]', async () => {
    const access = await accessOf({ authorization_details: granted })
    const decision = guard.permit(access, atLeast(101), request)
    expect(decision).toMatchObject({
      ok: false,
      reason: 'token.authorization_details',
      status: 403,
      response: {
        status: 403,
        headers: { 'arctos-receipt': decision.ok ? '' : decision.receipt, 'cache-control': 'no-store' },
        body: '{"error":"insufficient_scope","error_description":"The access token does not permit this request."}',
      },
    })
    expect(challengeOf(decision)).toMatchObject({ error: 'insufficient_scope' })
  })

  it('reports it, with a receipt and without the query or the values of the call', async () => {
    const access = await accessOf({ authorization_details: granted })
    const decision = guard.permit(access, atLeast(4711), request)
    const receipt = decision.ok ? undefined : decision.receipt
    expect(reports).toMatchObject([
      { reason: 'token.authorization_details', method: 'POST', path: '/payments', receipt },
    ])
    expect(guard.findRefusal(receipt ?? '')).toEqual(reports[0])
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ receipt, owner: 'client-1' })
    expect(lines[0]).not.toMatch(/4711|DE02/)
  })

  it('asks for a stronger authentication where the call wants one [RFC 9470 §3]', async () => {
    const access = await accessOf({ acr: 'pwd' })
    const decision = guard.permit(access, { acr: 'mfa', maxAgeSeconds: 60 })
    expect(decision).toMatchObject({ ok: false, status: 401 })
    expect(challengeOf(decision)).toMatchObject({ acr_values: 'mfa', max_age: '60' })
  })

  it('judges scopes, audiences and actors as a route does', async () => {
    const access = await accessOf({ act: { sub: 'agent-1' } })
    expect(reasonOf(guard.permit(access, { scope: 'read' }))).toBe('good')
    expect(reasonOf(guard.permit(access, { scope: 'write' }))).toBe('token.scope')
    expect(reasonOf(guard.permit(access, { actor: 'none' }))).toBe('token.actor')
  })

  it('throws for what is no policy, and for a fresh answer, which needs the token', async () => {
    const access = await accessOf({})
    const argument = undefined as unknown as number
    expect(() => guard.permit(access, atLeast(argument))).toThrow(TypeError)
    expect(() => guard.permit(access, { fresh: true })).toThrow(TypeError)
    expect(reports).toEqual([])
  })
})
