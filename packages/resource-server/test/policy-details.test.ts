import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DetailsPolicy, holdsAuthorizationDetails } from '../src/index.ts'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'
import { challengeOf, decide, reasonOf } from './policy-demands.ts'

let issuer: Issuer
let guard: Guard

beforeAll(async () => {
  issuer = await startIssuer()
  guard = guardOf(issuer)
})
afterAll(() => issuer.close())

const payment = {
  type: 'payment',
  actions: ['initiate', 'status'],
  locations: ['https://api.example.com/payments'],
  datatypes: ['domestic'],
  privileges: ['owner'],
  identifier: 'account-1',
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditors: ['DE02', 'DE03'],
  limit: 500,
  isUrgent: false,
}
const account = { type: 'account', actions: ['list'] }
type Demand = Omit<DetailsPolicy, 'type'>

describe('authorizationDetails', () => {
  const holds = async (demand: Demand, granted: object[] = [account, payment]) =>
    reasonOf(
      await decide(
        guard,
        issuer,
        { authorizationDetails: { type: 'payment', ...demand } },
        { authorization_details: granted },
      ),
    )

  it.each<readonly [Demand, string]>([
    [{}, 'good'],
    [{ actions: 'initiate' }, 'good'],
    [{ actions: ['status', 'initiate'] }, 'good'],
    [{ actions: ['initiate', 'cancel'] }, 'token.authorization_details'],
    [{ actions: 'Initiate' }, 'token.authorization_details'],
    [{ actions: 'initiate ' }, 'token.authorization_details'],
    [{ actions: 'list' }, 'token.authorization_details'],
    [{ locations: 'https://api.example.com/payments' }, 'good'],
    [{ locations: 'https://api.example.com/payments/' }, 'token.authorization_details'],
    [{ datatypes: ['domestic'], privileges: ['owner'] }, 'good'],
    [{ privileges: 'admin' }, 'token.authorization_details'],
    [{ identifier: 'account-1' }, 'good'],
    [{ identifier: 'account-2' }, 'token.authorization_details'],
    [{ identifier: '' }, 'token.authorization_details'],
  ])('%j is judged by the object of its type: %s [RFC 9396 §2.2, RFC 9396 §12(b)]', async (demand, reason) => {
    expect(await holds(demand)).toBe(reason)
  })

  it('wants one object to hold it all: what several hold together nobody granted [RFC 9396 §2.2]', async () => {
    const demand = { actions: 'write', locations: 'b' }
    const halves = [
      { type: 'payment', actions: ['read'], locations: ['b'] },
      { type: 'payment', actions: ['write'], locations: ['a'] },
    ]
    expect(await holds(demand, halves)).toBe('token.authorization_details')
    expect(await holds(demand, [...halves, { type: 'payment', actions: ['write'], locations: ['b'] }])).toBe('good')
  })

  it.each([
    ['no list of it', { type: 'payment' }],
    ['a text that is not a list', { type: 'payment', actions: 'initiate' }],
    ['a list in a list', { type: 'payment', actions: [['initiate']] }],
    ['another case of the type', { type: 'Payment', actions: ['initiate'] }],
  ])('is not held by an object with %s [RFC 9396 §2.2]', async (_name, granted) => {
    expect(await holds({ actions: 'initiate' }, [granted])).toBe('token.authorization_details')
  })

  it('is not held by a token without any', async () => {
    const decision = await decide(guard, issuer, { authorizationDetails: { type: 'payment' } }, {})
    expect(reasonOf(decision)).toBe('token.authorization_details')
  })

  it('may make several demands, all of them', async () => {
    const policy = { authorizationDetails: [{ type: 'payment' }, { type: 'account' }] }
    const both = { authorization_details: [payment, account] }
    expect(reasonOf(await decide(guard, issuer, policy, both))).toBe('good')
    const one = { authorization_details: [payment] }
    expect(reasonOf(await decide(guard, issuer, policy, one))).toBe('token.authorization_details')
  })

  it('answers 403 insufficient_scope without a scope, which would not help [RFC 6750 §3.1(c)]', async () => {
    const policy = { scope: 'read', authorizationDetails: { type: 'payment' } } as const
    const decision = await decide(guard, issuer, policy, {})
    expect(decision).toMatchObject({ ok: false, status: 403 })
    expect(challengeOf(decision)).toEqual({
      error: 'insufficient_scope',
      error_description: 'The access token does not permit this request.',
      resource_metadata: guard.metadataUrl,
    })
  })

  it.each<readonly [object[], string]>([
    [[], 'none'],
    [[account], 'account'],
    [
      [{ type: 'payment' }, { type: 'payment', actions: ['initiate'] }],
      'without actions=initiate; without limit atLeast',
    ],
  ])('explains what %j lacks, by name and without the values of the call', async (granted, received) => {
    const authorizationDetails = { type: 'payment', actions: 'initiate', members: { limit: { atLeast: 4711 } } }
    const steps = await guard.explain(issuer.token({ authorization_details: granted }), { authorizationDetails })
    expect(steps.at(-1)).toEqual({
      check: 'authorization details',
      passed: false,
      expected: 'payment actions=initiate limit atLeast',
      received,
      spec: 'RFC 6750 §3.1',
      reason: 'token.authorization_details',
    })
  })
})

describe('holdsAuthorizationDetails', () => {
  const holds = (members: NonNullable<DetailsPolicy['members']>) =>
    holdsAuthorizationDetails({ authorizationDetails: [account, payment] }, { type: 'payment', members })

  it.each<readonly [NonNullable<DetailsPolicy['members']>, boolean]>([
    [{ 'instructedAmount.currency': { equals: 'EUR' } }, true],
    [{ 'instructedAmount.currency': { equals: 'eur' } }, false],
    [{ 'instructedAmount.currency': { oneOf: ['USD', 'EUR'] } }, true],
    [{ 'instructedAmount.currency': { oneOf: ['USD', 'CHF'] } }, false],
    [{ 'instructedAmount.amount': { atLeast: 123.5 } }, true],
    [{ 'instructedAmount.amount': { atLeast: '123.50' } }, true],
    [{ 'instructedAmount.amount': { atLeast: 123.51 } }, false],
    [{ 'instructedAmount.amount': { equals: 123.5 } }, false],
    [{ limit: { atLeast: 500 } }, true],
    [{ limit: { atLeast: 500.01 } }, false],
    [{ limit: { atMost: 500 } }, true],
    [{ limit: { atMost: 499 } }, false],
    [{ limit: { atLeast: 100, atMost: 499 } }, false],
    [{ limit: { equals: 500 } }, true],
    [{ limit: { equals: '500' } }, false],
    [{ isUrgent: { equals: false } }, true],
    [{ isUrgent: { equals: true } }, false],
    [{ creditors: { includes: 'DE03' } }, true],
    [{ creditors: { includes: 'DE04' } }, false],
    [{ creditors: { equals: 'DE02' } }, false],
    [{ identifier: { includes: 'account' } }, false],
    [{ instructedAmount: { equals: 'EUR' } }, false],
    [{ missing: { equals: 'EUR' } }, false],
    [{ 'missing.amount': { atMost: 1 } }, false],
    [{ 'creditors.0': { equals: 'DE02' } }, false],
    [{ 'creditors.length': { equals: 2 } }, false],
    [{ 'type.length': { equals: 7 } }, false],
    [{ 'constructor.name': { equals: 'Object' } }, false],
    [{ '__proto__.x': { equals: 1 } }, false],
    [{ limit: { equals: 500 }, isUrgent: { equals: true } }, false],
  ])('compares the arguments of a call: %j is %s [RFC 9396 §12(b)]', (members, expected) => {
    expect(holds(members)).toBe(expected)
  })

  it.each([
    '1e9',
    '0x10',
    ' 5',
    '5 ',
    '+5',
    '',
    '05',
    '9999999999999999',
    'NaN',
    'Infinity',
    null,
    true,
    [600],
    { n: 600 },
  ])('finds no limit in %j', (limit) => {
    const granted = { authorizationDetails: [{ type: 'payment', limit }] }
    expect(holdsAuthorizationDetails(granted, { type: 'payment', members: { limit: { atLeast: 1 } } })).toBe(false)
    expect(holdsAuthorizationDetails(granted, { type: 'payment', members: { limit: { atMost: 1 } } })).toBe(false)
  })

  it('takes no argument that is missing', () => {
    const equals = undefined as unknown as string
    expect(() => holds({ limit: { equals } })).toThrow(TypeError)
  })
})
