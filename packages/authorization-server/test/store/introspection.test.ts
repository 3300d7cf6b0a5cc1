import { randomBytes } from 'node:crypto'
import { sha256Base64url } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { opaqueAccessKey } from '../../src/store/opaque-access.ts'
import type { IssuedAccess } from '../../src/store/verbs/access.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { clientSettings, type Family, register, rotate, rotationOf, startFamily, successOf } from './principals.ts'

describe.each(engines)('introspection on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  const isLive = async (access: IssuedAccess): Promise<boolean> =>
    access.form.format === 'jwt'
      ? await test.store.introspectJwt(access)
      : (await test.store.introspectOpaque(opaqueAccessKey(access.form.token.reveal()) ?? '')) !== undefined

  describe.each(['jwt', 'opaque'] as const)('of a user’s %s token', (format) => {
    const newFamily = async (): Promise<Family> => {
      test.clock.alignToSecond()
      const principals = await register(test)
      return await startFamily(test, principals, { resourceKeys: [principals[`${format}Key`]] })
    }

    const ends: readonly [string, (family: Family) => Promise<unknown>][] = [
      ['its family was revoked', (family) => test.store.revokeFamily(family)],
      [
        'its refresh token was reused',
        async (family) => {
          await rotate(test, family, await rotate(test, family, family.presented))
          await test.store.rotateRefresh(rotationOf(family, family.presented))
        },
      ],
      [
        'its client was disabled',
        ({ clientId }) => test.store.updateClient({ id: clientId, disabled: true, actor: 'test' }),
      ],
      [
        'its client was disabled for a moment',
        async ({ clientId }) => {
          await test.store.updateClient({ id: clientId, disabled: true, actor: 'test' })
          await test.store.updateClient({ id: clientId, disabled: false, actor: 'test' })
        },
      ],
      ['its client was deleted', ({ clientId }) => test.store.deleteClient({ id: clientId, actor: 'test' })],
      ['its user was disabled', ({ userId }) => test.store.changeUser({ id: userId, disabled: true, actor: 'test' })],
      [
        'its user was disabled for a moment',
        async ({ userId }) => {
          await test.store.changeUser({ id: userId, disabled: true, actor: 'test' })
          await test.store.changeUser({ id: userId, disabled: false, actor: 'test' })
        },
      ],
      [
        'the password changed',
        ({ userId }) => test.store.changeUser({ id: userId, passwordHash: 'new', actor: 'test' }),
      ],
      ['the application was withdrawn', (family) => test.store.withdrawApplication(family)],
      ['the row of its grant is gone', ({ grantId }) => test.query('DELETE FROM grants WHERE id = $1', grantId)],
      ['its user is gone', ({ userId }) => test.query('DELETE FROM users WHERE id = $1', userId)],
      ['it was revoked by its id', ({ access, clientId }) => test.store.revokeJwt({ ...access, clientId })],
    ]

    it('says that it is active [RFC 7662 §2.2(a)]', async () => {
      expect(await isLive((await newFamily()).access)).toBe(true)
    })

    it.each(ends)('says that it is inactive when %s [PROTOCOL §3, RFC 7662 §4(c)]', async (_what, end) => {
      const family = await newFamily()
      await end(family)
      expect(await isLive(family.access)).toBe(false)
    })

    it('says that the token of a refresh is inactive, too, when the family was revoked [PROTOCOL §2]', async () => {
      const family = await newFamily()
      const { access } = successOf(await test.store.rotateRefresh(rotationOf(family, family.presented)))
      await test.store.revokeFamily(family)
      expect(await isLive(access)).toBe(false)
    })

    it('says that one issued in the very second of a cut-off, but after it, is active [PROTOCOL §1]', async () => {
      const family = await newFamily()
      await test.store.changeUser({ id: family.userId, passwordHash: 'new', actor: 'test' })
      const again = await startFamily(test, family, { resourceKeys: [family[`${format}Key`]] })
      expect(await isLive(again.access)).toBe(true)
    })

    it.each([
      [
        'the password changed',
        (family: Family) => test.store.changeUser({ id: family.userId, passwordHash: 'newer', actor: 'test' }),
      ],
      [
        'its client was disabled for a moment',
        async ({ clientId }: Family) => {
          await test.store.updateClient({ id: clientId, disabled: true, actor: 'test' })
          await test.store.updateClient({ id: clientId, disabled: false, actor: 'test' })
        },
      ],
    ])('says that it is inactive when %s in the second of an earlier cut-off [PROTOCOL §1]', async (_what, revoke) => {
      const family = await newFamily()
      await test.store.changeUser({ id: family.userId, passwordHash: 'new', actor: 'test' })
      const again = await startFamily(test, family, { resourceKeys: [family[`${format}Key`]] })
      await revoke(family)
      expect(await isLive(again.access)).toBe(false)
    })
  })

  describe('of a client’s own token', () => {
    const issue = async (clientId: string, resourceKey: string) => {
      const order = { clientId, scopes: ['read'], resourceKeys: [resourceKey], assertion: undefined }
      const issued = await test.store.issueForClient(order)
      if (issued.outcome !== 'issued') throw new Error(issued.outcome)
      return issued.access
    }

    it.each(['jwtKey', 'opaqueKey'] as const)('says that it is active: %s [RFC 7662 §2.2(a)]', async (key) => {
      const principals = await register(test)
      expect(await isLive(await issue(principals.clientId, principals[key]))).toBe(true)
    })

    it('stores nothing of a JWT', async () => {
      const { clientId, jwtKey } = await register(test)
      await issue(clientId, jwtKey)
      expect(await test.query('SELECT 1 AS one FROM access_tokens WHERE client_id = $1', clientId)).toEqual([])
    })

    it('is refused to a disabled client', async () => {
      const { clientId, jwtKey } = await register(test)
      await test.store.updateClient({ id: clientId, disabled: true, actor: 'test' })
      await expect(issue(clientId, jwtKey)).rejects.toThrow('client_disabled')
    })

    it('stays inactive when a client of the same name is registered again [PROTOCOL §1]', async () => {
      const { clientId, jwtKey } = await register(test)
      const former = await issue(clientId, jwtKey)
      await test.store.deleteClient({ id: clientId, actor: 'test' })
      await test.store.createClient({ id: clientId, settings: clientSettings, actor: 'test' })
      expect(await isLive(former)).toBe(false)
      expect(await isLive(await issue(clientId, jwtKey))).toBe(true)
    })
  })

  it('does not know an opaque token that was never issued [RFC 7662 §2.2(a)]', async () => {
    expect(await test.store.introspectOpaque(sha256Base64url(randomBytes(32)))).toBeUndefined()
  })

  it.each([
    [599_999, true],
    [600_000, false],
  ])('after %d ms an opaque token of ten minutes is active: %s [RFC 7662 §4(a)]', async (waitMs, active) => {
    test.clock.alignToSecond()
    const principals = await register(test)
    const family = await startFamily(test, principals, { resourceKeys: [principals.opaqueKey] })
    test.clock.advance(waitMs)
    expect(await isLive(family.access)).toBe(active)
  })

  it('gives back what an opaque token says [RFC 7662 §2.2(b), RFC 9470 §6.2]', async () => {
    const principals = await register(test)
    const { access, grantId } = await startFamily(test, principals, { resourceKeys: [principals.opaqueKey] })
    if (access.form.format !== 'opaque') throw new Error('not opaque')
    const { form, ...facts } = access
    expect(await test.store.introspectOpaque(opaqueAccessKey(form.token.reveal()) ?? '')).toEqual({ ...facts, grantId })
  })

  describe('of a refresh family', () => {
    it('gives the grant while it lives', async () => {
      const family = await startFamily(test, await register(test))
      expect(await test.store.readLiveGrant(family.grantId)).toMatchObject({
        id: family.grantId,
        userId: family.userId,
      })
    })

    it.each([
      ['revoked', (family: Family) => test.store.revokeFamily(family)],
      ['cut off', (family: Family) => test.store.changeUser({ id: family.userId, passwordHash: 'new', actor: 'test' })],
      ['expired', async () => test.clock.advance(3_600_000)],
    ])('gives nothing once it is %s', async (_what, end) => {
      const family = await startFamily(test, await register(test))
      await end(family)
      expect(await test.store.readLiveGrant(family.grantId)).toBeUndefined()
    })
  })

  describe('after a cut-off of all tokens', () => {
    it('finds those before it inactive and those after it active [PROTOCOL §1, PROTOCOL §7]', async () => {
      test.clock.alignToSecond()
      const principals = await register(test)
      const before = await startFamily(test, principals)
      await test.query('UPDATE issuer_state SET not_before = $1 RETURNING id', test.clock.now() / 1_000 + 1)
      const after = await startFamily(test, principals)
      expect([await isLive(before.access), await isLive(after.access)]).toEqual([false, true])
      expect(await test.store.rotateRefresh(rotationOf(before, before.presented))).toEqual({
        outcome: 'principal_disabled',
      })
      expect(await test.store.rotateRefresh(rotationOf(after, after.presented))).toMatchObject({ outcome: 'rotated' })
    })
  })
})
