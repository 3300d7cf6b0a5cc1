import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, makeKey, type Overrides, sendJson, sendStatus, startIssuer } from './issuer.ts'
import { decide, reasonOf, type TestPolicy } from './policy-demands.ts'

let issuer: Issuer
let guard: Guard
/** What the issuer says of every token. */
let answer: unknown
/** Which tokens it was asked about. */
let asked: string[]

beforeEach(async () => {
  issuer = await startIssuer()
  asked = []
  answer = { active: true }
  issuer.answers.set('/introspect', async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    asked.push(new URLSearchParams(body).get('token') ?? '')
    sendJson(response, answer)
  })
  guard = guardOf(issuer, { introspection: { clientId: 'rs', clientSecret: 'secret', maxAgeSeconds: 60 } })
})
afterEach(() => issuer.close())

const reasonFor = async (claims: Overrides = {}) =>
  reasonOf(await decide(guard, issuer, { scope: 'read', fresh: true }, claims))

/** One token, again and again. */
const presenting = (token: string) => async () => {
  const request = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } }
  return reasonOf(await guard.authorize(request, { scope: 'read', fresh: true }))
}

describe('fresh', () => {
  it('asks about a JWT on every request, whatever is remembered', async () => {
    const ask = presenting(issuer.token())
    for (const _ of [1, 2, 3]) expect(await ask()).toBe('good')
    expect(asked).toHaveLength(3)
  })

  it('asks for each of several requests that arrive together', async () => {
    const ask = presenting(issuer.token())
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(['good', 'good', 'good'])
    expect(asked).toHaveLength(3)
  })

  it('asks about an opaque token, too, whatever is remembered', async () => {
    answer = { active: true, client_id: 'client-1', scope: 'read' }
    const request = { method: 'GET', url: '/', headers: { authorization: 'Bearer opaque' } }
    for (const _ of [1, 2]) expect(reasonOf(await guard.authorize(request, { scope: 'read' }))).toBe('good')
    expect(asked).toHaveLength(1)
    for (const _ of [1, 2]) expect(reasonOf(await guard.authorize(request, { fresh: true }))).toBe('good')
    expect(asked).toHaveLength(3)
  })

  it('asks nobody on other routes', async () => {
    expect(reasonOf(await decide(guard, issuer, { scope: 'read', fresh: false }, {}))).toBe('good')
    expect(asked).toEqual([])
  })

  it('ends a token on every route that its issuer no longer knows, also one that was remembered [RFC 7662 §2.2]', async () => {
    const token = issuer.token()
    const request = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } }
    expect(reasonOf(await guard.authorize(request, {}))).toBe('good')
    answer = { active: false }
    expect(reasonOf(await guard.authorize(request, { fresh: true }))).toBe('token.inactive')
    expect(reasonOf(await guard.authorize(request, {}))).toBe('token.revoked')
    expect(reasonOf(await guard.authorize(request, { fresh: true }))).toBe('token.revoked')
    expect(asked).toHaveLength(1)
  })

  it('ends no token for the sake of an explanation, which may be that of a forged one', async () => {
    answer = { active: false }
    const forged = issuer.token({}, {}, makeKey('ES256', issuer.key.kid))
    await guard.explain(forged, { fresh: true })
    expect(reasonOf(await decide(guard, issuer, {}, {}))).toBe('good')
  })

  it('refuses what is taken back while the issuer is asked', async () => {
    issuer.answers.set('/introspect', (_request, response) => {
      guard.revoke({ kind: 'subject', subject: 'user-1' })
      sendJson(response, { active: true })
    })
    expect(await reasonFor()).toBe('token.cut_off')
  })

  it('asks nobody about a JWT that is bad by its own word', async () => {
    expect(await reasonFor({ exp: 1 })).toBe('token.expired')
    const strange = issuer.token({}, {}, makeKey('ES256', issuer.key.kid))
    const request = { method: 'GET', url: '/', headers: { authorization: `Bearer ${strange}` } }
    expect(reasonOf(await guard.authorize(request, { fresh: true }))).toBe('token.signature')
    expect(asked).toEqual([])
  })

  it('sends no token to an issuer that did not issue it', async () => {
    const other = await startIssuer()
    const both = guardOf(issuer, {
      authorizationServers: [issuer.issuer, other.issuer],
      introspection: { clientId: 'rs', clientSecret: 'secret', issuer: other.issuer },
    })
    expect(reasonOf(await decide(both, issuer, { fresh: true }, {}))).toBe('token.issuer')
    const steps = await both.explain(issuer.token(), { fresh: true })
    expect(steps.filter((step) => !step.passed).map((step) => step.check)).toEqual(['issuer to ask'])
    expect([asked, other.hitsOf('/introspect')]).toEqual([[], 0])
    await other.close()
  })
})

describe('the answer', () => {
  it.each<readonly [string, object, string]>([
    ['no', { active: false }, 'token.inactive'],
    ['nothing but active', { active: true }, 'good'],
    ['the same', { active: true, sub: 'user-1', client_id: 'client-1', jti: 'token-1', scope: 'read' }, 'good'],
    ['another resource', { active: true, aud: 'https://other.example.com' }, 'token.audience'],
    ['another subject', { active: true, sub: 'user-2' }, 'token.claim_invalid'],
    ['another client', { active: true, client_id: 'client-2' }, 'token.claim_invalid'],
    ['another token', { active: true, jti: 'token-2' }, 'token.claim_invalid'],
    ['another issuer', { active: true, iss: 'https://as.example.org' }, 'token.claim_invalid'],
    ['an end that is past', { active: true, exp: 1 }, 'token.expired'],
    ['an end that is none', { active: true, exp: 'soon' }, 'token.claim_invalid'],
    ['a key', { active: true, cnf: { jkt: 'x' } }, 'token.sender_constrained'],
    ['a token type', { active: true, token_type: 'DPoP' }, 'token.sender_constrained'],
    ['another use', { active: true, token_use: 'refresh_token' }, 'token.type'],
    ['fewer scopes', { active: true, scope: 'other' }, 'token.scope'],
    ['scopes in another form', { active: true, scope: ['read'] }, 'token.claim_invalid'],
  ])('that says %s (%j) makes the token: %s [RFC 7662 §2.2]', async (_name, said, reason) => {
    answer = said
    expect(await reasonFor()).toBe(reason)
  })

  it('gives a token no scope and no time that it did not have', async () => {
    const end = Math.floor(Date.now() / 1_000) + 60
    answer = { active: true, scope: 'read write admin', exp: end + 9_000 }
    const decision = await decide(guard, issuer, { fresh: true }, { scope: 'read', exp: end })
    expect(decision).toMatchObject({ ok: true, access: { scopes: ['read'], expiresAt: end } })
  })

  it('takes scopes and time away', async () => {
    const end = Math.floor(Date.now() / 1_000) + 60
    answer = { active: true, scope: 'read', exp: end }
    const decision = await decide(guard, issuer, { fresh: true }, { scope: 'write read', exp: end + 60 })
    expect(decision).toMatchObject({ ok: true, access: { scopes: ['read'], expiresAt: end } })
  })

  it.each<readonly [TestPolicy, object]>([
    [{ authorizationDetails: { type: 'payment' } }, { authorization_details: [{ type: 'payment' }] }],
    [{ acr: 'mfa' }, { acr: 'mfa' }],
    [{ maxAgeSeconds: 60 }, { auth_time: Math.floor(Date.now() / 1_000) }],
    [{ actor: { required: true } }, { act: { sub: 'agent-1' } }],
  ])('is what %j is judged by: %j [RFC 9470 §6.2, RFC 9396 §9.2(a), RFC 8693 §4.1(g)]', async (policy, said) => {
    expect(reasonOf(await decide(guard, issuer, { ...policy, fresh: true }, {}))).not.toBe('good')
    answer = { active: true, ...said }
    expect(reasonOf(await decide(guard, issuer, { ...policy, fresh: true }, {}))).toBe('good')
  })

  it('about an opaque token is read like a token, and as strictly [RFC 9470 §6.2, RFC 8693 §4.1(g)]', async () => {
    const policy = { acr: 'mfa', maxAgeSeconds: 60, authorizationDetails: { type: 'payment' }, actor: { maxDepth: 1 } }
    const said = { active: true, client_id: 'client-1', acr: 'mfa', auth_time: Math.floor(Date.now() / 1_000) }
    const request = { method: 'GET', url: '/', headers: { authorization: 'Bearer opaque' } }
    answer = { ...said, authorization_details: [{ type: 'payment' }], act: { sub: 'agent-1' } }
    expect(reasonOf(await guard.authorize(request, { ...policy, fresh: true }))).toBe('good')
    answer = { ...said, authorization_details: [{ type: 'payment' }], act: 'agent-1' }
    expect(reasonOf(await guard.authorize(request, { ...policy, fresh: true }))).toBe('token.claim_invalid')
  })

  it('cannot be had in an outage: 503, for nobody knows [RFC 9110 §15.6.4]', async () => {
    issuer.answers.set('/introspect', sendStatus(500))
    const decision = await decide(guard, issuer, { fresh: true }, {})
    expect(decision).toMatchObject({ ok: false, reason: 'introspection.unavailable', status: 503 })
  })

  it('is explained after the token', async () => {
    answer = { active: true, aud: 'https://other.example.com' }
    const steps = await guard.explain(issuer.token(), { fresh: true })
    const checks = steps.map(({ check }) => check)
    expect(checks.indexOf('active now')).toBeGreaterThan(checks.indexOf('signature'))
    expect(steps.filter((step) => !step.passed)).toMatchObject([
      { check: 'audience now', reason: 'token.audience', received: 'https://other.example.com' },
    ])
  })
})
