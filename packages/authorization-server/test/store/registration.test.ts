import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../src/store/engine.ts'
import type { ResourceSettings } from '../../src/store/registered-resource.ts'
import type { Store } from '../../src/store/store.ts'
import type { NewKey } from '../../src/store/verbs/keys.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { clientSettings, register } from './principals.ts'

const actor = 'test'

describe.each(engines)('registration on %s', (engine) => {
  let test: TestStore
  /** The store of a second node. */
  let second: Store
  beforeAll(async () => {
    test = await openTestStore(engine)
    second = await test.openAnother()
  })
  afterAll(() => test.close())

  const resourceSettings = (identifier: string): ResourceSettings => ({
    identifier,
    scopes: { read: 'Read' },
    tokenFormat: 'jwt',
    tokenType: 'at+jwt',
    accessTokenLifetimeSeconds: 600,
  })
  const createClient = (id?: string, store = test.store) => store.createClient({ id, settings: clientSettings, actor })
  const createResource = (identifier: string, store = test.store) =>
    store.createResource({ settings: resourceSettings(identifier), actor })
  const createUser = (username: string, store = test.store) =>
    store.createUser({ username, passwordHash: 'hash', actor })
  const newIdentifier = () => `http://${randomUUID()}.example`

  describe('clients', () => {
    it('come back as they were registered', async () => {
      const settings = { ...clientSettings, name: 'Named', scopes: ['read'] }
      const created = await test.store.createClient({ settings, secretHash: 'hash', actor })
      if (created.outcome !== 'created') throw new Error('taken')
      const client = await test.store.readClient(created.id)
      expect(client).toMatchObject({
        id: created.id,
        settings,
        secrets: [{ hash: 'hash', madeAt: client?.createdAt }],
        notBefore: 0,
        disabledAt: undefined,
      })
      expect(await test.store.listClients(undefined)).toContainEqual(client)
    })

    it('take effect at once when they are changed, on every node', async () => {
      const { clientId } = await register(test)
      await second.readClient(clientId)
      await test.store.updateClient({ id: clientId, settings: { ...clientSettings, name: 'Renamed' }, actor })
      expect(await second.readClient(clientId)).toMatchObject({ settings: { name: 'Renamed' } })
    })

    it('keep the rest when one thing is changed', async () => {
      const { clientId } = await register(test)
      const before = await test.store.readClient(clientId)
      await test.store.updateClient({ id: clientId, secretHash: 'other', actor })
      expect(await test.store.readClient(clientId)).toEqual({
        ...before,
        version: expect.any(Number),
        secrets: [{ hash: 'other', madeAt: before?.createdAt }],
      })
    })

    it('that are unknown cannot be changed or deleted', async () => {
      expect(await test.store.updateClient({ id: 'nobody', disabled: true, actor })).toEqual({ outcome: 'unknown' })
      expect(await test.store.deleteClient({ id: 'nobody', actor })).toEqual({ outcome: 'unknown' })
    })

    it('are gone when deleted', async () => {
      const { clientId } = await register(test)
      await test.store.deleteClient({ id: clientId, actor })
      expect(await test.store.readClient(clientId)).toBeUndefined()
    })

    it('are registered once under one id by two nodes at once', async () => {
      const id = randomUUID()
      const outcomes = await Promise.all([createClient(id), createClient(id, second)])
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['created', 'id_taken'])
    })

    it.each([
      ['another client', async () => (await register(test)).clientId],
      ['a user', async () => (await register(test)).userId],
      ['a resource', async () => (await register(test)).jwtKey],
      ['a resource, spelled with a slash', async () => `${(await register(test)).jwtKey}/`],
    ])('cannot take the name of %s [RFC 9700 §4.15, PROTOCOL §3]', async (_whose, name) => {
      expect(await createClient(await name())).toEqual({ outcome: 'id_taken' })
    })
  })

  describe('resources', () => {
    it('are one with and without a final slash on the host [PROTOCOL §3]', async () => {
      const identifier = newIdentifier()
      expect(await createResource(identifier)).toEqual({ outcome: 'created', key: identifier })
      expect(await createResource(`${identifier}/`)).toEqual({ outcome: 'identifier_taken' })
    })

    it('are named in tokens as they were registered [PROTOCOL §3]', async () => {
      const identifier = newIdentifier()
      expect(await createResource(`${identifier}/`)).toEqual({ outcome: 'created', key: identifier })
      expect(await test.store.readResources([identifier])).toMatchObject([
        { key: identifier, identifier: `${identifier}/` },
      ])
    })

    it('come back in the order asked for, without the unknown', async () => {
      const [one, two] = [newIdentifier(), newIdentifier()]
      await createResource(one)
      await createResource(two)
      const found = await test.store.readResources([two, newIdentifier(), one])
      expect(found.map(({ key }) => key)).toEqual([two, one])
    })

    it.each(['', '/'])(
      'cannot take the name of a client spelled with "%s" [RFC 9700 §4.15, PROTOCOL §3]',
      async (end) => {
        const identifier = newIdentifier()
        await createClient(`${identifier}${end}`)
        expect(await createResource(identifier)).toEqual({ outcome: 'identifier_taken' })
      },
    )

    it('and clients that take one name at once do not both get it [PROTOCOL §3]', async () => {
      for (let round = 0; round < 5; round++) {
        const name = newIdentifier()
        const outcomes = await Promise.all([createResource(name), createClient(name, second)])
        expect(outcomes.filter(({ outcome }) => outcome === 'created')).toHaveLength(1)
      }
    })
  })

  describe('users', () => {
    it('come back as they were created', async () => {
      const { userId, username } = await register(test)
      const user = await test.store.readUserByName(username)
      expect(user).toMatchObject({ id: userId, username, passwordHash: 'hash', notBefore: 0, disabledAt: undefined })
      expect(await test.store.listUsers(undefined)).toContainEqual(user)
    })

    it.each([
      ['a client', async () => (await register(test)).clientId],
      ['another user', async () => (await register(test)).userId],
    ])('cannot have the id of %s [RFC 9700 §4.15]', async (_whose, idOf) => {
      const user = { id: await idOf(), username: randomUUID(), passwordHash: 'hash', actor }
      expect(await test.store.createUser(user)).toEqual({ outcome: 'id_taken' })
    })

    it('are created once under one name by two nodes at once', async () => {
      const name = randomUUID()
      const outcomes = await Promise.all([createUser(name), createUser(name, second)])
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['created', 'name_taken'])
    })

    it('that are unknown cannot be changed', async () => {
      expect(await test.store.changeUser({ id: 'nobody', disabled: true, actor })).toEqual({ outcome: 'unknown' })
    })

    it('are cut off by a new password even if it also enables them', async () => {
      const { userId, username } = await register(test)
      await test.store.changeUser({ id: userId, passwordHash: 'new', disabled: false, actor })
      const user = await test.store.readUserByName(username)
      expect(user).toMatchObject({ passwordHash: 'new', disabledAt: undefined })
      expect(user?.notBefore).toBeGreaterThan(test.clock.now() / 1_000)
    })

    it('that are cut off again and again within a second have to wait, lest tokens run ahead of the clock', async () => {
      test.clock.advance(60_000)
      const { userId } = await register(test)
      const change = () => test.store.changeUser({ id: userId, passwordHash: 'new', actor })
      for (let time = 0; time < 5; time++) expect(await change()).toEqual({ outcome: 'changed' })
      await expect(change()).rejects.toBeInstanceOf(StoreUnavailable)
      test.clock.advance(1_000)
      expect(await change()).toEqual({ outcome: 'changed' })
    })

    it('are not cut off by being enabled', async () => {
      const { userId, username } = await register(test)
      await test.store.changeUser({ id: userId, disabled: false, actor })
      expect(await test.store.readUserByName(username)).toMatchObject({ notBefore: 0 })
    })
  })

  describe('keys', () => {
    const newKey = (changes: Partial<NewKey> = {}): NewKey => ({
      id: randomUUID(),
      purpose: 'signing',
      algorithm: `ES256 ${randomUUID()}`,
      publicJwk: '{}',
      sealed: 'sealed',
      activeInSeconds: 60,
      ...changes,
    })

    it('are added with times of the store’s clock', async () => {
      const key = newKey({ expiresInSeconds: 3_600 })
      await test.store.addKey({ key, onlyIfOlderThanSeconds: undefined, actor })
      const now = Math.floor(test.clock.now() / 1_000)
      const times = { createdAt: now, activeAt: now + 60, expiresAt: now + 3_600, retiredAt: undefined }
      expect(await test.store.listKeys(undefined)).toContainEqual(expect.objectContaining({ id: key.id, ...times }))
    })

    it('are added once when two nodes find one missing', async () => {
      const { algorithm } = newKey()
      const outcomes = await Promise.all(
        [test.store, second, test.store, second].map((store) =>
          store.addKey({ key: newKey({ algorithm }), onlyIfOlderThanSeconds: Number.POSITIVE_INFINITY, actor }),
        ),
      )
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['added', 'present', 'present', 'present'])
    })

    it('are replaced once when two nodes find one old', async () => {
      const { algorithm } = newKey()
      await test.store.addKey({ key: newKey({ algorithm }), onlyIfOlderThanSeconds: Number.POSITIVE_INFINITY, actor })
      test.clock.advance(10_000)
      const outcomes = await Promise.all(
        [test.store, second].map((store) =>
          store.addKey({ key: newKey({ algorithm }), onlyIfOlderThanSeconds: 9, actor }),
        ),
      )
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['added', 'present'])
    })

    it('that a resource shares are there with the resource, or neither is', async () => {
      const identifier = newIdentifier()
      const settings: ResourceSettings = { ...resourceSettings(identifier), tokenAlgorithm: 'HS256' }
      const secret = (): NewKey => ({
        id: randomUUID(),
        purpose: 'shared_secret',
        algorithm: 'HS256',
        resourceKey: identifier,
        sealed: 'sealed',
        activeInSeconds: 0,
      })
      const keys = [secret(), secret()] as const
      const outcomes = await Promise.all(
        [test.store, second].map((store, index) =>
          store.createResource({ settings, sharedSecret: keys[index === 0 ? 0 : 1], actor }),
        ),
      )
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['created', 'identifier_taken'])
      const kept = (await test.store.listKeys(undefined)).filter(({ resourceKey }) => resourceKey === identifier)
      expect(kept).toEqual([
        expect.objectContaining({ purpose: 'shared_secret', algorithm: 'HS256', activeAt: expect.any(Number) }),
      ])
      expect(await test.store.readResources([identifier])).toEqual([
        expect.objectContaining({ tokenAlgorithm: 'HS256' }),
      ])
    })

    it('that a resource shares are retired when another of this resource signs, whatever else does', async () => {
      const [resourceKey, other] = [newIdentifier(), newIdentifier()]
      const secret = (changes: Partial<NewKey> = {}): NewKey =>
        newKey({ purpose: 'shared_secret', publicJwk: undefined, resourceKey, activeInSeconds: 0, ...changes })
      const first = secret()
      const add = (key: NewKey) => test.store.addKey({ key, onlyIfOlderThanSeconds: undefined, actor })
      for (const key of [first, newKey({ activeInSeconds: 0 }), secret({ resourceKey: other })]) await add(key)
      expect(await test.store.retireKey({ id: first.id, actor })).toEqual({ outcome: 'last' })
      await add(secret())
      expect(await test.store.retireKey({ id: first.id, actor })).toEqual({ outcome: 'retired' })
      expect(await test.store.retireKey({ id: first.id, actor })).toEqual({ outcome: 'unknown' })
    })

    it('are retired once', async () => {
      const key = newKey()
      for (const each of [key, newKey({ activeInSeconds: 0 })])
        await test.store.addKey({ key: each, onlyIfOlderThanSeconds: undefined, actor })
      expect(await test.store.retireKey({ id: key.id, actor })).toEqual({ outcome: 'retired' })
      expect(await test.store.retireKey({ id: key.id, actor })).toEqual({ outcome: 'unknown' })
    })
  })
})
