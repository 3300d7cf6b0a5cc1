import { describe, expect, it } from 'vitest'
import { engines, openTestStore } from './open-test-store.ts'
import { clientSettings, issueCode, register, startFamily } from './principals.ts'

describe.each(engines)('applications with access on %s', (engine) => {
  it('lists a confidential client that would get access without asking, after its grant is gone', async () => {
    const test = await openTestStore(engine)
    const principals = await register(test)
    const { clientId, userId } = principals
    const { grantId } = await startFamily(test, principals, { remember: true })
    await test.store.revokeFamily({ grantId, clientId })
    expect(await test.store.listApplications(userId)).toMatchObject([{ clientId, clientName: clientSettings.name }])

    await test.store.withdrawApplication({ userId, clientId })
    expect(await test.store.listApplications(userId)).toEqual([])
    await test.close()
  })

  it('does not list a public client without a grant, which is asked for again each time [RFC 8252 §8.6]', async () => {
    const test = await openTestStore(engine)
    const principals = await register(test)
    const settings = { ...clientSettings, authenticationMethods: ['none' as const], grantTypes: ['authorization_code'] }
    await test.store.updateClient({ id: principals.clientId, settings, actor: 'test' })
    await issueCode(test, principals, { remember: true })
    expect(await test.store.listApplications(principals.userId)).toEqual([])
    await test.close()
  })

  it('finds an account by every spelling of its name that looks the same', async () => {
    const test = await openTestStore(engine)
    const created = await test.store.createUser({ username: 'ﬁona ', passwordHash: 'hash', actor: 'test' })
    expect(await test.store.readUserByName('fiona')).toMatchObject({ username: 'fiona' })
    expect(created.outcome).toBe('created')
    const again = await test.store.createUser({ username: 'fiona', passwordHash: 'hash', actor: 'test' })
    expect(again).toEqual({ outcome: 'name_taken' })
    await test.close()
  })
})
