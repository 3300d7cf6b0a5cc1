import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Guard, guardOf, present, verdict } from './guard.ts'
import { type Issuer, makeKey, startIssuer } from './issuer.ts'

let issuer: Issuer
let guard: Guard

beforeAll(async () => {
  issuer = await startIssuer()
  guard = guardOf(issuer)
  await guard.reload()
})
afterAll(() => issuer.close())

it('looks at tokens of 8 KB at the most [RFC 6750 §3.1(b)]', async () => {
  const token = issuer.token()
  const padded = (length: number) => token + 'A'.repeat(length - token.length)
  expect(await verdict(guard, padded(8_192))).toBe('token.signature')
  expect(await verdict(guard, padded(8_193))).toBe('token.malformed')
})

it('takes a jti of 512 characters, and none of 513 [RFC 9068 §4(i)]', async () => {
  expect(await verdict(guard, issuer.token({ jti: 'x'.repeat(512) }))).toBe('good')
  expect(await verdict(guard, issuer.token({ jti: 'x'.repeat(513) }))).toBe('token.claim_invalid')
})

it('gives each of many requests at once its own access', async () => {
  const subjects = Array.from({ length: 200 }, (_, number) => `user-${number}`)
  const decisions = await Promise.all(subjects.map((sub) => present(guard, issuer.token({ sub }))))
  expect(decisions.map((decision) => decision.ok && decision.access.subject)).toEqual(subjects)
})

describe('one guard never speaks for another', () => {
  it('refuses a token at the second of two guards with other audiences', async () => {
    const other = guardOf(issuer, { resource: 'https://other.example.com' })
    const token = issuer.token()
    expect([await verdict(guard, token), await verdict(other, token)]).toEqual(['good', 'token.audience'])
  })

  it('finds keys by issuer and kid: one issuer cannot sign for another [RFC 8725 §3.8(a)(b)]', async () => {
    const second = await startIssuer()
    const twin = makeKey('ES256', issuer.key.kid)
    second.published = [twin.jwk]
    const both = guardOf(issuer, { authorizationServers: [issuer.issuer, second.issuer] })
    expect(await verdict(both, second.token({}, {}, twin))).toBe('good')
    expect(await verdict(both, issuer.token())).toBe('good')
    expect(await verdict(both, issuer.token({}, {}, twin))).toBe('token.signature')
    expect(await verdict(both, second.token({}, {}, issuer.key))).toBe('token.signature')
    await second.close()
  })

  it('decides alike whatever forwarding headers say [RFC 9068 §4(c)]', async () => {
    const headers = {
      authorization: `Bearer ${issuer.token()}`,
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
    }
    const decision = await guard.authorize({ method: 'GET', url: '/', headers: { ...headers, authorization: [] } }, {})
    expect((await guard.authorize({ method: 'GET', url: '/', headers }, {})).ok).toBe(true)
    expect(decision.ok || decision.challenge).toBe(
      'Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"',
    )
  })
})

describe('the switch for untyped tokens', () => {
  it('takes a JWT of no special type, but no ID token [RFC 9068 §4(a)]', async () => {
    const lenient = guardOf(issuer, { typ: 'JWT' })
    expect(await verdict(lenient, issuer.token({}, { typ: 'JWT' }))).toBe('good')
    expect(await verdict(lenient, issuer.token())).toBe('good')
    expect(await verdict(lenient, issuer.token({ nonce: 'n' }, { typ: 'JWT' }))).toBe('token.type')
    expect(await verdict(lenient, issuer.token({ jti: undefined }, { typ: 'JWT' }))).toBe('token.claim_invalid')
    expect(await verdict(lenient, issuer.token({}, { typ: 'logout+jwt' }))).toBe('token.type')
  })
})

it('answers every refused token alike on the wire [RFC 6750 §3.1(b)]', async () => {
  const tokens = ['garbage', issuer.token({ exp: 1 }), issuer.token({ aud: 'x' }), issuer.token({}, {}, makeKey())]
  const decisions = await Promise.all(tokens.map((token) => present(guard, token)))
  const answers = decisions.map((decision) => (decision.ok ? '' : `${decision.challenge} ${decision.response.body}`))
  expect(new Set(answers).size).toBe(1)
})
