import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Revocation } from '../src/index.ts'
import { guardOf, present, verdict } from './guard.ts'
import { type Issuer, type Overrides, sendJson, startIssuer } from './issuer.ts'

let issuer: Issuer
const now = Math.floor(Date.now() / 1_000)
const clock = { now: () => now * 1_000 }

beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

const lineage = { grant_id: 'leaf', grants: ['root', 'middle', 'leaf'] }
const chain = { act: { sub: 'agent-1', act: { client_id: 'agent-2', act: { sub: 'agent-3' } } } }

/** What ends the token with these claims, and the closest things that do not. PROTOCOL's table of what is sent for what. */
const rows: readonly {
  readonly what: string
  readonly claims: Overrides
  readonly ends: Revocation
  readonly spares: readonly Revocation[]
  readonly reason: string
}[] = [
  {
    what: 'one token, by its id',
    claims: {},
    ends: { kind: 'token', jti: 'token-1' },
    spares: [
      { kind: 'token', jti: 'token-2' },
      { kind: 'token', jti: 'token-' },
    ],
    reason: 'token.revoked',
  },
  {
    what: 'a grant',
    claims: lineage,
    ends: { kind: 'grant', grantId: 'leaf' },
    spares: [{ kind: 'grant', grantId: 'lea' }],
    reason: 'token.revoked',
  },
  {
    what: 'the grant that a derived token came from',
    claims: lineage,
    ends: { kind: 'grant', grantId: 'root' },
    spares: [{ kind: 'grant', grantId: 'other' }],
    reason: 'token.revoked',
  },
  {
    what: 'a subject',
    claims: {},
    ends: { kind: 'subject', subject: 'user-1' },
    spares: [
      { kind: 'subject', subject: 'user-2' },
      { kind: 'subject', subject: 'client-1' },
      { kind: 'subject', subject: 'user-1', issuedBefore: now },
    ],
    reason: 'token.cut_off',
  },
  {
    what: 'a client',
    claims: {},
    ends: { kind: 'client', clientId: 'client-1' },
    spares: [
      { kind: 'client', clientId: 'user-1' },
      { kind: 'client', clientId: 'client-1', issuedBefore: now },
    ],
    reason: 'token.cut_off',
  },
  {
    what: 'a subject at one client',
    claims: {},
    ends: { kind: 'subject at client', subject: 'user-1', clientId: 'client-1' },
    spares: [
      { kind: 'subject at client', subject: 'user-1', clientId: 'client-2' },
      { kind: 'subject at client', subject: 'user-2', clientId: 'client-1' },
      { kind: 'subject at client', subject: 'user-1', clientId: 'client-1', issuedBefore: now },
    ],
    reason: 'token.cut_off',
  },
  ...['agent-1', 'agent-2', 'agent-3'].map((actor) => ({
    what: `an actor, ${actor} of three`,
    claims: chain,
    ends: { kind: 'actor', actor } as const,
    spares: [
      { kind: 'actor', actor: 'user-1' },
      { kind: 'actor', actor, issuedBefore: now },
    ] as const,
    reason: 'token.cut_off',
  })),
  {
    what: 'everything so far',
    claims: {},
    ends: { kind: 'all' },
    spares: [{ kind: 'all', issuedBefore: now }],
    reason: 'token.cut_off',
  },
]

describe('revoke', () => {
  it.each(rows)('ends $what [RFC 6750 §3.1(b)]', async ({ claims, ends, reason }) => {
    const guard = guardOf(issuer, clock)
    const token = issuer.token({ iat: now, ...claims })
    expect(await verdict(guard, token)).toBe('good')
    guard.revoke(ends)
    expect(await verdict(guard, token)).toBe(reason)
    expect(await verdict(guardOf(issuer, clock), token)).toBe('good')
  })

  it.each(rows)('ends $what, and nothing that only looks like it', async ({ claims, spares }) => {
    const guard = guardOf(issuer, clock)
    const token = issuer.token({ iat: now, ...claims })
    for (const entry of spares) {
      guard.revoke(entry)
      expect([entry, await verdict(guard, token)]).toEqual([entry, 'good'])
    }
  })

  it.each(rows)('ends $what where no verified token is remembered', async ({ claims, ends, reason }) => {
    const guard = guardOf(issuer, { ...clock, verifiedTokens: { size: 0 } })
    guard.revoke(ends)
    expect(await verdict(guard, issuer.token({ iat: now, ...claims }))).toBe(reason)
  })

  it('lets in what was issued from the cut-off on, and no earlier cut-off takes it back', async () => {
    const guard = guardOf(issuer, clock)
    guard.revoke({ kind: 'subject', subject: 'user-1' })
    guard.revoke({ kind: 'subject', subject: 'user-1', issuedBefore: now - 100 })
    expect(await verdict(guard, issuer.token({ iat: now }))).toBe('token.cut_off')
    expect(await verdict(guard, issuer.token({ iat: now + 1 }))).toBe('good')
  })

  it('answers like every other bad token [RFC 6750 §3.1(b)]', async () => {
    const guard = guardOf(issuer, clock)
    const expired = await present(guard, issuer.token({ iat: now - 100, exp: now - 60 }))
    const answers = await Promise.all(
      rows.map(async ({ claims, ends }) => {
        const other = guardOf(issuer, clock)
        other.revoke(ends)
        const decision = await present(other, issuer.token({ iat: now, ...claims }))
        return decision.ok ? undefined : [decision.status, decision.challenge, decision.response.body]
      }),
    )
    const usual = expired.ok ? undefined : [expired.status, expired.challenge, expired.response.body]
    expect(usual).toBeDefined()
    expect(answers).toEqual(rows.map(() => usual))
  })

  it('is a step of every explanation', async () => {
    const guard = guardOf(issuer, clock)
    const token = issuer.token({ iat: now })
    expect(await verdict(guard, token)).toBe('good')
    guard.revoke({ kind: 'token', jti: 'token-1' })
    expect((await guard.explain(token)).filter((step) => !step.passed)).toMatchObject([
      { check: 'revocation', reason: 'token.revoked', received: 'its token id' },
    ])
  })

  it('ends tokens that the issuer calls active, too [RFC 7662 §2.2]', async () => {
    issuer.answers.set('/introspect', (_request, response) =>
      sendJson(response, {
        active: true,
        sub: 'user-1',
        client_id: 'client-1',
        scope: 'read',
        iat: now,
        jti: 'opaque',
      }),
    )
    const guard = guardOf(issuer, { ...clock, introspection: { clientId: 'api', clientSecret: 'secret' } })
    expect(await verdict(guard, 'opaque-token')).toBe('good')
    guard.revoke({ kind: 'subject', subject: 'user-1' })
    expect(await verdict(guard, 'opaque-token')).toBe('token.cut_off')
  })

  it('asks whose tokens are meant where there are several issuers', async () => {
    const other = await startIssuer()
    const guard = guardOf(issuer, { ...clock, authorizationServers: [issuer.issuer, other.issuer] })
    expect(() => guard.revoke({ kind: 'subject', subject: 'user-1' })).toThrow(TypeError)
    guard.revoke({ kind: 'subject', subject: 'user-1', issuer: other.issuer })
    expect(await verdict(guard, issuer.token({ iat: now }))).toBe('good')
    expect(await verdict(guard, other.token({ iat: now }))).toBe('token.cut_off')
    await other.close()
  })

  it.each([
    ['no kind', {}],
    ['another kind', { kind: 'user', subject: 'user-1' }],
    ['no name', { kind: 'subject' }],
    ['an empty name', { kind: 'grant', grantId: '' }],
    ['milliseconds', { kind: 'all', issuedBefore: now * 1_000 }],
    ['a time that is none', { kind: 'all', issuedBefore: Number.NaN }],
  ])('refuses an entry with %s, rather than end nothing or too much', (_name, entry) => {
    expect(() => guardOf(issuer, clock).revoke(entry as Revocation)).toThrow(TypeError)
  })
})
