import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../src/store/engine.ts'
import { openStore } from '../../src/store/open-store.ts'
import type { Store } from '../../src/store/store.ts'
import { defineVerb, first, type Verb } from '../../src/store/transaction.ts'
import { mark, openTestEngine, type TestEngine } from './open-test-engine.ts'
import { openTestStore, type TestStore } from './open-test-store.ts'
import { openWire, type Wire } from './postgres-wire.ts'
import { type Family, grantRow, register, rotationOf, startFamily, successOf } from './principals.ts'

describe('PostgreSQL that fails', () => {
  let test: TestStore
  let wire: Wire
  /** The store by way of the wire. */
  let store: Store
  let engine: TestEngine
  beforeAll(async () => {
    test = await openTestStore('postgres')
    wire = await openWire(test.address)
    store = await openStore({ database: wire.address, now: test.clock.now, connections: 8 })
    engine = openTestEngine({ ...test, address: wire.address })
  })
  afterAll(async () => {
    await store.close()
    await engine.close()
    await wire.close()
    await test.close()
  })

  const newFamily = async (): Promise<Family> => startFamily(test, await register(test))
  const refresh = (family: Family) => store.rotateRefresh(rotationOf(family, family.presented))

  describe('while a COMMIT has no answer', () => {
    it('fails the change, and the retry gets the successor that was committed [PROTOCOL §2 A16, PROTOCOL §4]', async () => {
      const family = await newFamily()
      wire.loseAnswerToCommit()
      await expect(refresh(family)).rejects.toBeInstanceOf(StoreUnavailable)
      expect(await grantRow(test, family.grantId)).toMatchObject({ generation: 1 })
      expect(successOf(await refresh(family))).toMatchObject({ outcome: 'replayed', successor: { generation: 1 } })
    })

    it('fails the change that was not committed, and the retry does it [PROTOCOL §2 A16]', async () => {
      const family = await newFamily()
      wire.loseCommit()
      await expect(refresh(family)).rejects.toBeInstanceOf(StoreUnavailable)
      expect(successOf(await refresh(family))).toMatchObject({ outcome: 'rotated' })
    })

    it('answers nobody of the batch, those who only read and the refused included [PROTOCOL §4]', async () => {
      const family = await newFamily()
      const order = { clientId: family.clientId, scopes: [], resourceKeys: [family.jwtKey], assertion: undefined }
      wire.loseAnswerToCommit()
      const results = await Promise.allSettled([
        refresh(family),
        store.issueForClient(order),
        store.rotateRefresh(rotationOf(family, family.presented, { clientId: 'client_of_somebody_else' })),
        store.revokeFamily({ grantId: 'nothing', clientId: 'nobody' }),
      ])
      expect(results.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
    })
  })

  it('that closes every connection under way recovers without a restart [PROTOCOL §2 A16]', async () => {
    const families = await Promise.all(Array.from({ length: 16 }, newFamily))
    const asks = families.map((family) => refresh(family).catch((error: unknown) => error))
    await test.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()',
    )
    for (const answer of await Promise.all(asks)) {
      if (answer instanceof Error) expect(answer).toBeInstanceOf(StoreUnavailable)
      else expect(answer).toHaveProperty('successor')
    }
    for (const family of families) expect(await refresh(family)).toMatchObject({ successor: { generation: 1 } })
  })

  it('ends the transaction of a node that goes silent in it, so that others get its rows', async () => {
    const patience = defineVerb({
      kind: 'change',
      *run(_transaction, _all: undefined): Verb<unknown> {
        return (yield* first("SELECT current_setting('idle_in_transaction_session_timeout') AS idle"))?.['idle']
      },
    })
    expect(await engine.change(patience, undefined)).toBe('3s')
  })

  it('that goes silent is given up soon, and heard again [PROTOCOL §2 A16]', async () => {
    const family = await newFamily()
    await refresh(family)
    wire.freeze()
    const start = performance.now()
    const results = await Promise.allSettled([
      refresh(family),
      engine.change(mark, randomUUID()),
      store.readClient(family.clientId),
      store.introspectJwt(family.access),
    ])
    expect(results.map((result) => result.status === 'rejected' && result.reason.name)).toEqual(
      Array(4).fill('StoreUnavailable'),
    )
    expect(performance.now() - start).toBeLessThan(3_500)
    wire.thaw()
    expect(await refresh(family)).toMatchObject({ outcome: 'replayed' })
  })

  it('that goes silent at a COMMIT is given up soon, and the retry does it [PROTOCOL §2 A16]', async () => {
    const family = await newFamily()
    wire.freezeAtCommit()
    const start = performance.now()
    await expect(refresh(family)).rejects.toBeInstanceOf(StoreUnavailable)
    expect(performance.now() - start).toBeLessThan(3_500)
    wire.thaw()
    expect(await refresh(family)).toMatchObject({ successor: { generation: 1 } })
  })

  it('that is not there fails changes and reads at once [PROTOCOL §2 A16]', async () => {
    const nowhere = new URL(test.address)
    nowhere.port = '1'
    const absent = await openStore({ database: nowhere.href })
    await expect(absent.closeSession('hash')).rejects.toBeInstanceOf(StoreUnavailable)
    await expect(absent.readSession('hash')).rejects.toBeInstanceOf(StoreUnavailable)
    await absent.close()
  })
})
