import { describe, expect, it } from 'vitest'
import { checkAccessTokenClaims, type JsonValue, parseClaims } from '../src/index.ts'
import { claimsWith, expected, now } from './access-token-claims.ts'
import { refusalOf } from './refusal-of.ts'

const read = (name: string, value: JsonValue) => checkAccessTokenClaims(claimsWith({ [name]: value }), expected, now)
const factsFor = (name: string, value: JsonValue) => {
  const { reason, facts } = refusalOf(() => read(name, value))
  return [reason, facts['check']]
}
const chain = (levels: number): JsonValue =>
  levels === 1 ? { sub: 'agent-1' } : { sub: `agent-${levels}`, act: chain(levels - 1) }

describe('acr', () => {
  it('names the authentication context [RFC 9470 §6.1(a)]', () => {
    expect(read('acr', 'urn:example:mfa').acr).toBe('urn:example:mfa')
  })

  it.each([[null], [''], [2], [['mfa']], ['x'.repeat(513)]])('%j is refused [RFC 9470 §6.1(a)]', (acr) => {
    expect(factsFor('acr', acr)).toEqual(['token.claim_invalid', 'acr claim'])
  })
})

describe('auth_time', () => {
  it('says when the user was authenticated [RFC 9470 §6.1(a)]', () => {
    expect(read('auth_time', now - 90.5).authenticatedAt).toBe(now - 90.5)
  })

  it.each([[null], [String(now)], [-1], [now * 1_000], [[now]]])('%j is refused [RFC 9470 §6.1(a)]', (time) => {
    expect(factsFor('auth_time', time)).toEqual(['token.claim_invalid', 'auth_time claim'])
  })
})

describe('authorization_details', () => {
  it('lists what was granted, frozen all the way down [RFC 9396 §9.1]', () => {
    const { authorizationDetails } = read('authorization_details', [{ type: 'payment', amount: { currency: 'EUR' } }])
    expect(authorizationDetails).toEqual([{ type: 'payment', amount: { currency: 'EUR' } }])
    const [detail] = authorizationDetails
    expect([authorizationDetails, detail, detail?.['amount']].every((part) => Object.isFrozen(part))).toBe(true)
  })

  it('may have 64 objects and no 65th', () => {
    const details = Array.from({ length: 65 }, () => ({ type: 'payment' }))
    expect(read('authorization_details', details.slice(1)).authorizationDetails).toHaveLength(64)
    expect(factsFor('authorization_details', details)).toEqual(['token.claim_invalid', 'authorization_details claim'])
  })

  it.each([
    [null],
    ['[]'],
    [{ type: 'payment' }],
    [[{}]],
    [[null]],
    [['payment']],
    [[[{ type: 'payment' }]]],
    [[{ type: 'payment' }, { type: '' }]],
    [[{ type: 7 }]],
    [[{ type: 'x'.repeat(513) }]],
  ])('%j is refused: a list of objects with a type each [RFC 9396 §2(a)(b)]', (details) => {
    expect(factsFor('authorization_details', details)).toEqual(['token.claim_invalid', 'authorization_details claim'])
  })

  it('has no type by way of its prototype [RFC 9396 §2(b)]', () => {
    const text = JSON.stringify(claimsWith({})).replace(/}$/, ',"authorization_details":[{"__proto__":{"type":"x"}}]}')
    const claims = parseClaims(Buffer.from(text))
    expect(refusalOf(() => checkAccessTokenClaims(claims, expected, now)).reason).toBe('token.claim_invalid')
  })
})

describe('act', () => {
  it('lists who acts, the one who acts now first [RFC 8693 §4.1(a)]', () => {
    const act = { sub: 'agent-2', client_id: 'c-2', act: { sub: 'agent-1', iss: 'https://as.example.org' } }
    expect(read('act', act).actors).toEqual([
      { subject: 'agent-2', clientId: 'c-2', issuer: undefined },
      { subject: 'agent-1', clientId: undefined, issuer: 'https://as.example.org' },
    ])
  })

  it('may name a client alone', () => {
    expect(read('act', { client_id: 'agent' }).actors).toEqual([
      { subject: undefined, clientId: 'agent', issuer: undefined },
    ])
  })

  it('says nothing of time or audience [RFC 8693 §4.1(b)]', () => {
    expect(read('act', { sub: 'agent', exp: 1, nbf: now + 900, aud: 'other' }).actors).toHaveLength(1)
  })

  it('cannot be changed', () => {
    const { actors } = read('act', { sub: 'agent' })
    expect([actors, actors[0]].every((part) => Object.isFrozen(part))).toBe(true)
  })

  it('may be 8 levels deep, and not 9', () => {
    expect(read('act', chain(8)).actors).toHaveLength(8)
    expect(factsFor('act', chain(9))).toEqual(['token.claim_invalid', 'act claim'])
  })

  it.each([
    [null],
    ['agent'],
    [[{ sub: 'agent' }]],
    [{}],
    [{ iss: 'https://as.example.org' }],
    [{ sub: '' }],
    [{ sub: 7 }],
    [{ sub: 'x'.repeat(513) }],
    [{ sub: 'agent', client_id: 7 }],
    [{ sub: 'agent', iss: null }],
    [{ sub: 'agent', act: null }],
    [{ sub: 'agent', act: {} }],
  ])('%j is refused: each level names somebody [RFC 8693 §4.1(c)]', (act) => {
    expect(factsFor('act', act)).toEqual(['token.claim_invalid', 'act claim'])
  })
})
