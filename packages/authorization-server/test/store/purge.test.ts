import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { opaqueAccessKey } from '../../src/store/opaque-access.ts'
import { startDevice } from './devices.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { absoluteSeconds, issueCode, register, rotate, startFamily } from './principals.ts'

const expiring = [
  'sessions',
  'codes',
  'device_codes',
  'grants',
  'access_tokens',
  'revoked_tokens',
  'attempts',
  'spent',
  'keys',
  'former_clients',
] as const

describe.each(engines)('purge on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  const count = async (table: string) =>
    Number((await test.query(`SELECT COUNT(*) AS rows FROM ${table}`))[0]?.['rows'])
  const seconds = () => Math.floor(test.clock.now() / 1_000)

  /** One row at least of everything that expires. */
  const fill = async () => {
    const principals = await register(test)
    const { clientId, userId, opaqueKey } = principals
    const family = await startFamily(test, principals, { resourceKeys: [opaqueKey] })
    await issueCode(test, principals)
    await startDevice(test, principals)
    const session = { hash: randomUUID(), userId, lifetimeSeconds: 600, formerHash: undefined }
    await test.store.openSession(session)
    await test.store.revokeJwt({ jti: randomUUID(), expiresAt: seconds() + 600, clientId })
    await test.store.takeAttempt([{ id: randomUUID(), count: 2, windowSeconds: 600 }])
    await test.store.spendOnce({ kind: 'assertion', owner: clientId, id: randomUUID(), expiresAt: seconds() + 600 })
    const key = { id: randomUUID(), purpose: 'receipt', algorithm: 'A256GCM', sealed: 's', activeInSeconds: 0 } as const
    await test.store.addKey({
      key: { ...key, expiresInSeconds: 600 },
      onlyIfOlderThanSeconds: undefined,
      actor: 'test',
    })
    const other = await register(test)
    await test.store.deleteClient({ id: other.clientId, actor: 'test' })
    return { ...family, session }
  }

  it('deletes nothing that is alive or still needed', async () => {
    const family = await fill()
    const before = await Promise.all(expiring.map(count))
    expect(await test.store.purgeExpired(1_000)).toEqual({ deleted: 0 })
    expect(await Promise.all(expiring.map(count))).toEqual(before)
    expect(await test.store.readSession(family.session.hash)).toBeDefined()
    expect(await rotate(test, family, family.presented)).toMatchObject({ generation: 1 })
  })

  it('keeps the row of a grant until its last access token has expired [PROTOCOL §3]', async () => {
    const family = await startFamily(test, await register(test))
    test.clock.advance((absoluteSeconds + 86_399) * 1_000)
    await test.store.purgeExpired(1_000)
    const find = () => test.query('SELECT id FROM grants WHERE id = $1', family.grantId)
    expect(await find()).toHaveLength(1)
    test.clock.advance(2_000)
    await test.store.purgeExpired(1_000)
    expect(await find()).toEqual([])
  })

  it('deletes all that is past its time', async () => {
    await fill()
    const full = await Promise.all(expiring.map(count))
    expect(full.every((rows) => rows > 0)).toBe(true)
    test.clock.advance(400 * 86_400_000)
    await test.store.purgeExpired(1_000)
    expect(await Promise.all(expiring.map(count))).toEqual(expiring.map(() => 0))
  })

  it('deletes of each kind no more than it was told', async () => {
    const expiresAt = seconds() + 10
    for (let index = 0; index < 5; index++)
      await test.store.spendOnce({ kind: 'assertion', owner: 'client', id: randomUUID(), expiresAt })
    test.clock.advance(10_000)
    expect(await test.store.purgeExpired(2)).toEqual({ deleted: 2 })
    expect(await count('spent')).toBe(3)
  })

  it('changes no answer: what is past its time is refused before it is deleted', async () => {
    const { session, access } = await fill()
    test.clock.advance(600_000)
    const token = access.form.format === 'opaque' ? access.form.token.reveal() : ''
    expect(await test.store.readSession(session.hash)).toBeUndefined()
    expect(await test.store.introspectOpaque(opaqueAccessKey(token) ?? '')).toBeUndefined()
  })
})
