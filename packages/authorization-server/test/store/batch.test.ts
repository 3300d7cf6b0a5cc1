import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../src/store/engine.ts'
import { countUp, mark, openTestEngine, poisoned, poisons, type TestEngine } from './open-test-engine.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { clientSettings, register } from './principals.ts'

describe.each(engines)('a batch on %s', (engineName) => {
  let test: TestStore
  let engine: TestEngine
  beforeAll(async () => {
    test = await openTestStore(engineName)
    engine = openTestEngine(test)
  })
  afterAll(async () => {
    await engine.close()
    await test.close()
  })

  const isCommitted = async (id: string) => (await test.query('SELECT id FROM attempts WHERE id = $1', id)).length === 1
  const newIds = (count: number) => Array.from({ length: count }, () => randomUUID())

  it.each(poisons.flatMap((how) => [0, 31, 63].map((place) => [how, place] as const)))(
    'in which one %s, in place %d of 64, does the other 63 [PROTOCOL §4]',
    async (how, place) => {
      const ids = newIds(64)
      const asks = ids.map((id, index) =>
        index === place ? engine.change(poisoned, { id, how }) : engine.change(mark, id),
      )
      const results = await Promise.allSettled(asks)
      expect(results.map(({ status }) => status)).toEqual(
        ids.map((_, index) => (index === place ? 'rejected' : 'fulfilled')),
      )
      const committed = await Promise.all(ids.map(isCommitted))
      expect(committed).toEqual(ids.map((_, index) => index !== place))
    },
  )

  it('names a failure as the store’s, with its cause [PROTOCOL §4]', async () => {
    const failure = engine.change(poisoned, { id: randomUUID(), how: 'throws' })
    await expect(failure).rejects.toBeInstanceOf(StoreUnavailable)
    await expect(failure).rejects.toMatchObject({ cause: expect.objectContaining({ message: 'a fault of ours' }) })
  })

  it('survives any number of poisoned ones [PROTOCOL §4]', async () => {
    const ids = newIds(64)
    const results = await Promise.allSettled(
      ids.map((id, index) =>
        index % 2 === 0 ? engine.change(poisoned, { id, how: 'throws' }) : engine.change(mark, id),
      ),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(32)
  })

  it('refuses bad settings by themselves [PROTOCOL §4, RFC 6749 §10.14(a)]', async () => {
    const bad = { ...clientSettings, authenticationMethods: [] }
    const results = await Promise.allSettled([
      test.store.createClient({ settings: bad, actor: 'test' }),
      test.store.createClient({ settings: clientSettings, actor: 'test' }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  })

  it('does what meets on one row in the order of arrival [PROTOCOL §4]', async () => {
    const [id = '', ...others] = newIds(4)
    await engine.change(mark, id)
    for (const other of others) await engine.change(mark, other)
    const counts = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        engine.change(countUp, index % 2 === 0 ? id : (others[index % 3] ?? id)),
      ),
    )
    expect(counts.filter((_, index) => index % 2 === 0)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
  })

  it('answers nobody before the commit [PROTOCOL §4]', async () => {
    const ids = newIds(64)
    const seen = await Promise.all(ids.map(async (id) => isCommitted(await engine.change(mark, id))))
    expect(seen).toEqual(ids.map(() => true))
  })

  it('takes a thousand at once', async () => {
    const ids = newIds(1_000)
    expect(await Promise.all(ids.map((id) => engine.change(mark, id)))).toEqual(ids)
  })

  it('writes no audit record for what it undid [PROTOCOL §6]', async () => {
    const { clientId } = await register(test)
    const before = await test.query('SELECT id FROM audit')
    const bad = { ...clientSettings, name: '' }
    const change = test.store.updateClient({ id: clientId, settings: bad, disabled: true, actor: 'test' })
    await expect(change).rejects.toBeInstanceOf(StoreUnavailable)
    expect(await test.query('SELECT id FROM audit')).toHaveLength(before.length)
  })

  it('keeps the answers of many users apart [PROTOCOL §4]', async () => {
    const all = await Promise.all(Array.from({ length: 30 }, () => register(test)))
    const answers = await Promise.all(
      all.map(({ clientId, jwtKey }) =>
        test.store.issueForClient({ clientId, scopes: ['read'], resourceKeys: [jwtKey], assertion: undefined }),
      ),
    )
    const facts = answers.map((answer) =>
      answer.outcome === 'issued' ? [answer.access.clientId, ...answer.access.audience] : [],
    )
    expect(facts).toEqual(all.map(({ clientId, jwtKey }) => [clientId, jwtKey]))
  })

  it('is refused once the store is closed', async () => {
    const closed = openTestEngine(test)
    await closed.close()
    await expect(closed.change(mark, randomUUID())).rejects.toBeInstanceOf(StoreUnavailable)
  })
})

describe.each(engines)('without a schema, %s', (engine) => {
  it('refuses changes and reads', async () => {
    const test = await openTestStore(engine, { migrated: false })
    await expect(test.store.closeSession('hash')).rejects.toBeInstanceOf(StoreUnavailable)
    await expect(test.store.readSession('hash')).rejects.toBeInstanceOf(StoreUnavailable)
    await test.close()
  })
})
