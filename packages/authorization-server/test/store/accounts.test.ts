import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { issueCode, type Principals, register, rotate, startFamily } from './principals.ts'

describe.each(engines)('what a user has on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  describe('sessions', () => {
    const open = async (userId: string, changes: { formerHash?: string; passwordHash?: string } = {}) => {
      test.clock.alignToSecond()
      const hash = randomUUID()
      const opened = await test.store.openSession({
        hash,
        userId,
        lifetimeSeconds: 600,
        formerHash: undefined,
        ...changes,
      })
      return { hash, ...opened }
    }

    it('say who is signed in', async () => {
      const { userId, username } = await register(test)
      const { hash } = await open(userId)
      const authenticatedAt = Math.floor(test.clock.now() / 1_000)
      expect(await test.store.readSession(hash)).toEqual({ userId, username, authenticatedAt })
    })

    it.each([
      [599_999, true],
      [600_000, false],
    ])('after %d ms of ten minutes are open: %s', async (waitMs, isOpen) => {
      const { hash } = await open((await register(test)).userId)
      test.clock.advance(waitMs)
      expect((await test.store.readSession(hash)) !== undefined).toBe(isOpen)
    })

    it('of before a sign-in end with it', async () => {
      const { userId } = await register(test)
      const former = await open(userId)
      await open(userId, { formerHash: former.hash })
      expect(await test.store.readSession(former.hash)).toBeUndefined()
    })

    it('can be closed', async () => {
      const { hash } = await open((await register(test)).userId)
      await test.store.closeSession(hash)
      expect(await test.store.readSession(hash)).toBeUndefined()
    })

    it.each([{ disabled: true }, { passwordHash: 'new' }])('end with a change of the user: %o', async (change) => {
      const { userId } = await register(test)
      const { hash } = await open(userId)
      await test.store.changeUser({ id: userId, ...change, actor: 'test' })
      expect(await test.store.readSession(hash)).toBeUndefined()
    })

    it('can be opened in the very second of a change of password', async () => {
      const { userId } = await register(test)
      await test.store.changeUser({ id: userId, passwordHash: 'new', actor: 'test' })
      const { hash } = await open(userId)
      expect(await test.store.readSession(hash)).toBeDefined()
    })

    it('are not opened for a disabled user', async () => {
      const { userId } = await register(test)
      await test.store.changeUser({ id: userId, disabled: true, actor: 'test' })
      expect(await open(userId)).toMatchObject({ outcome: 'user_disabled' })
    })

    it('are not opened on a password that has changed since it was checked', async () => {
      const { userId } = await register(test)
      await test.store.changeUser({ id: userId, passwordHash: 'new', actor: 'test' })
      expect(await open(userId, { passwordHash: 'hash' })).toMatchObject({ outcome: 'user_disabled' })
      expect(await open(userId, { passwordHash: 'new' })).toMatchObject({ outcome: 'opened' })
    })
  })

  describe('consents', () => {
    const consentOf = ({ userId, clientId }: Principals, ...resourceKeys: string[]) =>
      test.store.readConsent({ userId, clientId, resourceKeys })

    it('are remembered when the user was asked [RFC 6749 §10.12(b)]', async () => {
      const principals = await register(test)
      await issueCode(test, principals, { remember: true, scopes: ['read'] })
      expect(await consentOf(principals, principals.jwtKey)).toEqual(['read'])
    })

    it('are not made up when the user was not asked [RFC 6749 §10.12(b)]', async () => {
      const principals = await register(test)
      await issueCode(test, principals, { remember: false })
      expect(await consentOf(principals, principals.jwtKey)).toEqual([])
    })

    it('cover several resources only as far as each was agreed to [RFC 6749 §10.12(b)]', async () => {
      const principals = await register(test)
      await issueCode(test, principals, { remember: true, scopes: ['read', 'write'] })
      await issueCode(test, principals, { remember: true, scopes: ['read'], resourceKeys: [principals.opaqueKey] })
      expect(await consentOf(principals, principals.jwtKey, principals.opaqueKey)).toEqual(['read'])
      expect(await consentOf(principals, principals.jwtKey, 'https://other.example')).toEqual([])
    })

    it('are replaced by the latest answer', async () => {
      const principals = await register(test)
      await issueCode(test, principals, { remember: true, scopes: ['read', 'write'] })
      await issueCode(test, principals, { remember: true, scopes: ['read'] })
      expect(await consentOf(principals, principals.jwtKey)).toEqual(['read'])
    })

    it('are forgotten when the application is withdrawn', async () => {
      const principals = await register(test)
      await issueCode(test, principals, { remember: true })
      await test.store.withdrawApplication(principals)
      expect(await consentOf(principals, principals.jwtKey)).toEqual([])
    })

    const rely = (principals: Principals, scopes: readonly string[]) =>
      issueCode(test, principals, { reliesOnConsent: true, scopes })

    it('give a code without asking, as far as they go [RFC 6749 §10.12(b)]', async () => {
      const principals = await register(test)
      await issueCode(test, principals, { remember: true, scopes: ['read'] })
      await expect(rely(principals, ['read'])).resolves.toBeDefined()
      await expect(rely(principals, ['read', 'write'])).rejects.toThrow('not_agreed')
    })

    it('give no code when they were withdrawn meanwhile [RFC 6749 §10.12(b)]', async () => {
      const principals = await register(test)
      await issueCode(test, principals, { remember: true, scopes: ['read'] })
      await test.store.withdrawApplication(principals)
      await expect(rely(principals, ['read'])).rejects.toThrow('not_agreed')
    })

    it('of one client are not those of another [RFC 6749 §10.12(b)]', async () => {
      const principals = await register(test)
      await issueCode(test, principals, { remember: true })
      const { clientId } = await register(test)
      expect(await consentOf({ ...principals, clientId }, principals.jwtKey)).toEqual([])
    })
  })

  describe('applications', () => {
    it('are listed once, with all that their grants allow and since when', async () => {
      test.clock.alignToSecond()
      const principals = await register(test)
      const since = Math.floor(test.clock.now() / 1_000)
      await startFamily(test, principals, { scopes: ['read', 'offline_access'] })
      test.clock.advance(5_000)
      await startFamily(test, principals, { scopes: ['write', 'offline_access'] })
      expect(await test.store.listApplications(principals.userId)).toEqual([
        {
          clientId: principals.clientId,
          clientName: 'Test client',
          scopes: ['read', 'offline_access', 'write'],
          since,
        },
      ])
    })

    it('stay listed while they refresh', async () => {
      const family = await startFamily(test, await register(test))
      test.clock.advance(3_000_000)
      await rotate(test, family, family.presented)
      test.clock.advance(3_000_000)
      expect(await test.store.listApplications(family.userId)).toHaveLength(1)
    })

    it.each([
      ['withdrawn', (principals: Principals) => test.store.withdrawApplication(principals)],
      [
        'cut off by a new password',
        ({ userId }: Principals) => test.store.changeUser({ id: userId, passwordHash: 'n', actor: 'test' }),
      ],
      ['idle for too long', async () => test.clock.advance(3_600_000)],
      [
        'cut off with their client',
        async ({ clientId }: Principals) => {
          await test.store.updateClient({ id: clientId, disabled: true, actor: 'test' })
          await test.store.updateClient({ id: clientId, disabled: false, actor: 'test' })
        },
      ],
    ])('are not listed once %s', async (_how, end) => {
      const family = await startFamily(test, await register(test))
      await end(family)
      expect(await test.store.listApplications(family.userId)).toEqual([])
    })

    it('of another user survive a withdrawal', async () => {
      const principals = await register(test)
      const { userId } = await register(test)
      await startFamily(test, principals)
      await startFamily(test, { ...principals, userId })
      expect(await test.store.withdrawApplication(principals)).toEqual({ ended: 1 })
      expect(await test.store.listApplications(userId)).toHaveLength(1)
    })
  })

  describe('revocation', () => {
    it('of a family is done once and is another client’s never [RFC 7009 §2(a)]', async () => {
      const family = await startFamily(test, await register(test))
      const foreign = { grantId: family.grantId, clientId: (await register(test)).clientId }
      const outcomes = [
        await test.store.revokeFamily(foreign),
        await test.store.revokeFamily(family),
        await test.store.revokeFamily(family),
      ]
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['nothing_to_revoke', 'revoked', 'nothing_to_revoke'])
    })

    it('of an opaque token is done once and is another client’s never [RFC 7009 §2(a)]', async () => {
      const principals = await register(test)
      const { access } = await startFamily(test, principals, { resourceKeys: [principals.opaqueKey] })
      const [row] = await test.query('SELECT token_key FROM access_tokens WHERE jti = $1', access.jti)
      const revoke = (clientId: string) => test.store.revokeOpaque({ key: String(row?.['token_key']), clientId })
      expect(await revoke('client_of_somebody_else')).toEqual({ outcome: 'nothing_to_revoke' })
      const outcomes = await Promise.all([revoke(principals.clientId), revoke(principals.clientId)])
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['nothing_to_revoke', 'revoked'])
    })

    it('of a JWT is written once [PROTOCOL §3]', async () => {
      const { access, clientId } = await startFamily(test, await register(test))
      const outcomes = await Promise.all([1, 2].map(() => test.store.revokeJwt({ ...access, clientId })))
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['nothing_to_revoke', 'revoked'])
    })
  })
})
