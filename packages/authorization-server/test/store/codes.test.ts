import { randomBytes } from 'node:crypto'
import { codeChallengeOf, sha256Base64url } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CodeExchange } from '../../src/store/verbs/codes.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { auditOf, grantRow, issueCode, register } from './principals.ts'

describe.each(engines)('codes on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  const newCode = async (approval: Parameters<typeof issueCode>[2] = {}) => {
    test.clock.alignToSecond()
    return await issueCode(test, await register(test), approval)
  }
  const redeem = (exchange: CodeExchange, changes: Partial<CodeExchange> = {}) =>
    test.store.redeemCode({ ...exchange, ...changes })

  const wrongVerifier = { codeChallenge: codeChallengeOf('another-verifier-another-verifier-another-verifier') }

  it('gives a grant, an access token and the first refresh token [RFC 6749 §4.1.3(e)]', async () => {
    const exchange = await newCode()
    const redeemed = await redeem(exchange)
    expect(redeemed).toMatchObject({
      outcome: 'redeemed',
      scopes: ['read', 'write', 'offline_access'],
      family: { generation: 0 },
      access: { clientId: exchange.clientId, expiresAt: Math.floor(test.clock.now() / 1_000) + 600 },
    })
    expect(redeemed.outcome === 'redeemed' && (await auditOf(test, redeemed.grantId))).toEqual(['grant.made'])
  })

  it('gives no refresh token without offline_access', async () => {
    expect(await redeem(await newCode({ scopes: ['read'] }))).toMatchObject({ outcome: 'redeemed', family: undefined })
  })

  it('does not know a code that was never given [RFC 6749 §4.1.3(e)]', async () => {
    const exchange = await newCode()
    const codeHash = sha256Base64url(randomBytes(32))
    expect(await redeem(exchange, { codeHash })).toEqual({ outcome: 'unknown' })
  })

  describe('lifetime', () => {
    it('is redeemed in its last second [RFC 6749 §4.1.2(b)]', async () => {
      const exchange = await newCode()
      test.clock.advance(59_999)
      expect(await redeem(exchange)).toMatchObject({ outcome: 'redeemed' })
    })

    it('expires after sixty seconds [RFC 6749 §4.1.2(b)]', async () => {
      const exchange = await newCode()
      test.clock.advance(60_000)
      expect(await redeem(exchange)).toEqual({ outcome: 'expired', expiredAt: test.clock.now() / 1_000 })
    })
  })

  describe('redirect_uri', () => {
    const registered = 'https://client.example/callback'
    const other = 'https://client.example/other'
    it.each([
      ['authorized with one', true, registered, 'redeemed'],
      ['authorized with one', true, other, 'redirect_uri_mismatch'],
      ['authorized with one', true, `${registered}/`, 'redirect_uri_mismatch'],
      ['authorized with one', true, undefined, 'redirect_uri_mismatch'],
      ['authorized without one', false, undefined, 'redeemed'],
      ['authorized without one', false, registered, 'redeemed'],
      ['authorized without one', false, other, 'redirect_uri_mismatch'],
    ])('%s: %s, sent %s: %s [RFC 6749 §4.1.3(a)]', async (_how, redirectUriSent, redirectUri, outcome) => {
      expect(await redeem(await newCode({ redirectUriSent }), { redirectUri })).toMatchObject({ outcome })
    })
  })

  describe('failed exchanges', () => {
    const failures: readonly [string, (exchange: CodeExchange) => Promise<Partial<CodeExchange>>, string][] = [
      ['another client', async () => ({ clientId: (await register(test)).clientId }), 'foreign'],
      ['a wrong verifier', async () => wrongVerifier, 'verifier_wrong'],
      ['another redirect URI', async () => ({ redirectUri: 'https://evil.example' }), 'redirect_uri_mismatch'],
      [
        'a resource not authorized',
        async () => ({ resourceKeys: ['https://other.example'] }),
        'resource_exceeds_grant',
      ],
    ]

    it.each(failures)(
      'with %s do not spend the code [RFC 6749 §4.1.3(d), RFC 7636 §4.6(a), PROTOCOL §3]',
      async (_who, wrong, outcome) => {
        const exchange = await newCode()
        const changes = await wrong(exchange)
        for (let attempt = 1; attempt < 10; attempt++) expect(await redeem(exchange, changes)).toEqual({ outcome })
        expect(await redeem(exchange)).toMatchObject({ outcome: 'redeemed' })
      },
    )

    it.each(failures)('with %s spend it the tenth time [PROTOCOL §3]', async (_who, wrong, outcome) => {
      const exchange = await newCode()
      const changes = await wrong(exchange)
      for (let attempt = 1; attempt < 10; attempt++) expect(await redeem(exchange, changes)).toEqual({ outcome })
      // Another client learns nothing of the code, not even this.
      const tenth = outcome === 'foreign' ? 'foreign' : 'too_many_attempts'
      expect(await redeem(exchange, changes)).toEqual({ outcome: tenth })
      expect(await redeem(exchange)).toEqual({ outcome: 'replayed', grantId: undefined })
    })

    it('made at once are all counted [PROTOCOL §3]', async () => {
      const exchange = await newCode()
      const answers = await Promise.all(Array.from({ length: 20 }, () => redeem(exchange, wrongVerifier)))
      expect(answers.filter(({ outcome }) => outcome === 'verifier_wrong')).toHaveLength(9)
      expect(await redeem(exchange)).not.toHaveProperty('access')
    })
  })

  describe('replay', () => {
    it('with client and verifier ends the grant [RFC 6749 §4.1.2(a), PROTOCOL §3]', async () => {
      const exchange = await newCode()
      const redeemed = await redeem(exchange)
      const grantId = redeemed.outcome === 'redeemed' ? redeemed.grantId : ''
      expect(await redeem(exchange)).toEqual({ outcome: 'replayed', grantId })
      expect(await grantRow(test, grantId)).toMatchObject({ ended_reason: 'code_replayed' })
      expect(await auditOf(test, grantId)).toEqual(['grant.made', 'grant.ended code_replayed'])
    })

    it('counts long after the code has expired [RFC 6749 §4.1.2(a)]', async () => {
      const exchange = await newCode()
      await redeem(exchange)
      test.clock.advance(3_599_000)
      await test.store.purgeExpired(10_000)
      expect(await redeem(exchange)).toMatchObject({ outcome: 'replayed' })
    })

    it.each([
      ['without the verifier', wrongVerifier, 'spent'],
      ['by another client', { clientId: 'client_of_somebody_else' }, 'foreign'],
    ])('%s is denied and ends nothing [PROTOCOL §3]', async (_how, changes, outcome) => {
      const exchange = await newCode()
      const redeemed = await redeem(exchange)
      expect(await redeem(exchange, changes)).toEqual({ outcome })
      expect(redeemed.outcome === 'redeemed' && (await grantRow(test, redeemed.grantId))).toMatchObject({
        ended_at: null,
      })
    })
  })

  describe('resources', () => {
    it('may be fewer than were authorized [RFC 8707 §2.2]', async () => {
      const [one, two] = [await register(test), await register(test)]
      const exchange = await issueCode(test, one, { resourceKeys: [one.jwtKey, two.jwtKey] })
      expect(await redeem(exchange, { resourceKeys: [two.jwtKey] })).toMatchObject({
        access: { audience: [two.jwtKey] },
      })
    })

    it('are all of those authorized when none is named [RFC 8707 §2.2]', async () => {
      const [one, two] = [await register(test), await register(test)]
      const exchange = await issueCode(test, one, { resourceKeys: [one.jwtKey, two.jwtKey] })
      expect(await redeem(exchange)).toMatchObject({ access: { audience: [one.jwtKey, two.jwtKey] } })
    })

    it('cannot share a token when they issue different kinds [RFC 9068 §3(b)]', async () => {
      const one = await register(test)
      const exchange = await issueCode(test, one, { resourceKeys: [one.jwtKey, one.opaqueKey] })
      expect(await redeem(exchange)).toEqual({ outcome: 'resource_exceeds_grant' })
      expect(await redeem(exchange, { resourceKeys: [one.opaqueKey] })).toMatchObject({ outcome: 'redeemed' })
    })
  })

  describe('assertion', () => {
    it('spent before stops the exchange and leaves the code [PROTOCOL §2 A6]', async () => {
      const exchange = await newCode()
      const assertion = { kind: 'assertion', owner: exchange.clientId, id: 'jti', expiresAt: 4e9 } as const
      await test.store.spendOnce(assertion)
      expect(await redeem(exchange, { assertion })).toEqual({ outcome: 'assertion_replayed' })
      expect(await redeem(exchange)).toMatchObject({ outcome: 'redeemed' })
    })
  })

  describe('principals', () => {
    it.each([
      [
        'the user was disabled',
        (exchange: Names) => test.store.changeUser({ id: exchange.userId, disabled: true, actor: 'test' }),
      ],
      [
        'the password changed',
        (exchange: Names) => test.store.changeUser({ id: exchange.userId, passwordHash: 'n', actor: 'test' }),
      ],
      [
        'the client was disabled',
        (exchange: Names) => test.store.updateClient({ id: exchange.clientId, disabled: true, actor: 'test' }),
      ],
    ])('cannot redeem a code given before %s [PROTOCOL §1]', async (_what, change) => {
      const principals = await register(test)
      const exchange = await issueCode(test, principals)
      await change(principals)
      expect(await redeem(exchange)).toEqual({ outcome: 'principal_disabled' })
    })

    it('cannot redeem a code given before a withdrawal [PROTOCOL §1]', async () => {
      const principals = await register(test)
      const exchange = await issueCode(test, principals)
      await test.store.withdrawApplication(principals)
      expect(await redeem(exchange)).toEqual({ outcome: 'unknown' })
    })

    it('keep the replay of a code known after a withdrawal [RFC 6749 §4.1.2(a)]', async () => {
      const principals = await register(test)
      const exchange = await issueCode(test, principals)
      await redeem(exchange)
      await test.store.withdrawApplication(principals)
      expect(await redeem(exchange)).toMatchObject({ outcome: 'replayed' })
    })

    it('get no code once disabled', async () => {
      const principals = await register(test)
      await test.store.changeUser({ id: principals.userId, disabled: true, actor: 'test' })
      await expect(issueCode(test, principals)).rejects.toThrow('principal_disabled')
    })

    it('get no code for a sign-in that a new password has ended', async () => {
      const principals = await register(test)
      const authenticatedAt = Math.floor(test.clock.now() / 1_000)
      await test.store.changeUser({ id: principals.userId, passwordHash: 'new', actor: 'test' })
      await expect(issueCode(test, principals, { authenticatedAt })).rejects.toThrow('principal_disabled')
    })
  })

  describe('consent form', () => {
    it('sent from two tabs at once gives one code [RFC 6749 §10.12(b)]', async () => {
      const principals = await register(test)
      const form = { kind: 'consent_form', owner: principals.userId, id: 'form', expiresAt: 4e9 } as const
      const asks = await Promise.allSettled([1, 2].map(() => issueCode(test, principals, { form })))
      expect(asks.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    })

    it('is spent by the first choice, whatever the second is', async () => {
      const principals = await register(test)
      const form = { kind: 'consent_form', owner: principals.userId, id: 'form', expiresAt: 4e9 } as const
      expect(await test.store.spendOnce(form)).toEqual({ outcome: 'spent' })
      await expect(issueCode(test, principals, { form })).rejects.toThrow('form_spent')
    })
  })
})

interface Names {
  readonly clientId: string
  readonly userId: string
}
