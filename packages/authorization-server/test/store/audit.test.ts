import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuditRecord, findBreak } from '../../src/store/verbs/audit.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { clientSettings, type Family, issueCode, register, rotate, rotationOf, startFamily } from './principals.ts'

const actor = 'operator'

describe.each(engines)('audit on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())

  /** Records written since, without their ids and times. */
  const recordsOf = async (work: () => Promise<unknown>) => {
    const known = new Set((await test.query('SELECT id FROM audit')).map(({ id }) => id))
    await work()
    const rows = await test.query('SELECT id, kind, actor, facts FROM audit ORDER BY at_ms')
    return rows
      .filter(({ id }) => !known.has(id ?? null))
      .map(({ kind, actor: who, facts }) => ({ kind, actor: who, facts: JSON.parse(String(facts)) as unknown }))
  }

  describe('records', () => {
    it('of a client: created, changed, disabled, enabled, deleted [PROTOCOL §6]', async () => {
      const id = randomUUID()
      test.clock.advance(1)
      const records = await recordsOf(async () => {
        for (const work of [
          () => test.store.createClient({ id, settings: clientSettings, actor }),
          () => test.store.updateClient({ id, settings: clientSettings, actor }),
          () => test.store.updateClient({ id, secretHash: 'hash', actor }),
          () => test.store.updateClient({ id, disabled: true, actor }),
          () => test.store.updateClient({ id, disabled: false, actor }),
          () => test.store.deleteClient({ id, actor }),
        ]) {
          test.clock.advance(1)
          await work()
        }
      })
      const kinds = ['created', 'updated', 'updated', 'disabled', 'enabled', 'deleted'].map((what) => `client.${what}`)
      expect(records.map(({ kind }) => kind)).toEqual(kinds)
      for (const record of records) expect(record).toMatchObject({ actor, facts: { client: id } })
    })

    it('of a user: created, password changed, disabled, enabled [PROTOCOL §6]', async () => {
      let id = ''
      const records = await recordsOf(async () => {
        const created = await test.store.createUser({ username: randomUUID(), passwordHash: 'hash', actor })
        id = created.outcome === 'created' ? created.id : ''
        for (const change of [{ passwordHash: 'new' }, { disabled: true }, { disabled: false }]) {
          test.clock.advance(1)
          await test.store.changeUser({ id, ...change, actor })
        }
      })
      const kinds = ['created', 'password_changed', 'disabled', 'enabled'].map((what) => `user.${what}`)
      expect(records).toEqual(kinds.map((kind) => ({ kind, actor, facts: { user: id } })))
    })

    it('of a resource and a key [PROTOCOL §6]', async () => {
      const { jwtKey } = await register(test)
      const identifier = `${jwtKey}/other`
      const key = {
        id: randomUUID(),
        purpose: 'signing',
        algorithm: 'ES256',
        sealed: 'sealed',
        activeInSeconds: 0,
      } as const
      // The last key that signs cannot be retired.
      const other = { ...key, id: randomUUID() }
      await test.store.addKey({ key: other, onlyIfOlderThanSeconds: undefined, actor })
      test.clock.advance(1)
      const records = await recordsOf(async () => {
        const [settings] = await test.store.readResources([jwtKey])
        if (settings === undefined) throw new Error('no resource')
        const { key: _key, createdAt: _createdAt, ...rest } = settings
        await test.store.createResource({ settings: { ...rest, identifier }, actor })
        test.clock.advance(1)
        await test.store.addKey({ key, onlyIfOlderThanSeconds: undefined, actor })
        test.clock.advance(1)
        await test.store.retireKey({ id: key.id, actor })
      })
      expect(records).toEqual([
        { kind: 'resource.created', actor, facts: { resource: identifier } },
        { kind: 'key.created', actor, facts: { key: key.id, purpose: 'signing', algorithm: 'ES256' } },
        { kind: 'key.retired', actor, facts: { key: key.id } },
      ])
    })

    it('of a consent and the grant made by it, and their withdrawal [PROTOCOL §6]', async () => {
      const principals = await register(test)
      const { clientId, userId, jwtKey } = principals
      const records = await recordsOf(async () => {
        const exchange = await issueCode(test, principals, { remember: true, scopes: ['read'] })
        test.clock.advance(1)
        await test.store.redeemCode(exchange)
        test.clock.advance(1)
        await test.store.withdrawApplication(principals)
      })
      expect(records.map(({ kind }) => kind).sort()).toEqual([
        'consent.given',
        'consent.withdrawn',
        'grant.ended',
        'grant.made',
      ])
      expect(records).toContainEqual({
        kind: 'consent.given',
        actor: userId,
        facts: { client: clientId, scope: 'read', resource: jwtKey },
      })
    })

    const ends: readonly [string, string, (family: Family) => Promise<unknown>][] = [
      ['revoked', 'revoked', (family) => test.store.revokeFamily(family)],
      [
        'a copy used',
        'reuse',
        async (family) => {
          await rotate(test, family, await rotate(test, family, family.presented))
          await test.store.rotateRefresh(rotationOf(family, family.presented))
        },
      ],
      [
        'expired',
        'expired',
        async (family) => {
          test.clock.advance(3_600_000)
          await test.store.rotateRefresh(rotationOf(family, family.presented))
        },
      ],
    ]
    it.each(ends)('of a family %s [PROTOCOL §6]', async (_how, reason, end) => {
      const family = await startFamily(test, await register(test))
      const records = await recordsOf(() => end(family))
      expect(records).toMatchObject([{ kind: 'grant.ended', facts: { grant: family.grantId, reason } }])
    })

    it('of each of two hundred grants that end with their client [PROTOCOL §6]', async () => {
      const principals = await register(test)
      const families = await Promise.all(Array.from({ length: 200 }, () => startFamily(test, principals)))
      const records = await recordsOf(() => test.store.deleteClient({ id: principals.clientId, actor }))
      const ended = records.filter(({ kind }) => kind === 'grant.ended').map(({ facts }) => facts as { grant: string })
      expect(ended.map(({ grant }) => grant).sort()).toEqual(families.map(({ grantId }) => grantId).sort())
    })

    it('of a token revoked by itself, once [PROTOCOL §6]', async () => {
      const principals = await register(test)
      const { access } = await startFamily(test, principals)
      const records = await recordsOf(async () => {
        await test.store.revokeJwt({ ...access, clientId: principals.clientId })
        await test.store.revokeJwt({ ...access, clientId: principals.clientId })
      })
      expect(records).toEqual([{ kind: 'token.revoked', actor: principals.clientId, facts: { jti: access.jti } }])
    })

    it('are none for what was refused', async () => {
      const { clientId } = await register(test)
      const records = await recordsOf(async () => {
        await test.store.createClient({ id: clientId, settings: clientSettings, actor })
        await test.store.updateClient({ id: 'nobody', disabled: true, actor })
        await test.store.changeUser({ id: 'nobody', disabled: true, actor })
        await test.store.retireKey({ id: 'nothing', actor })
      })
      expect(records).toEqual([])
    })
  })

  const readAll = async (): Promise<readonly AuditRecord[]> => {
    while ((await test.store.numberAudit(100)).numbered > 0);
    return await test.store.readAudit({ after: 0, limit: 100_000 })
  }
  const beginning = { seq: 0, hash: '' }

  describe('chain', () => {
    it('is dense and unbroken under writers and two sequencers at once [PROTOCOL §6]', async () => {
      const second = await test.openAnother()
      const writing = Promise.all(Array.from({ length: 40 }, () => register(test)))
      const numbering = [test.store, second].map(async (store) => {
        for (let turn = 0; turn < 20; turn++) await store.numberAudit(7)
      })
      await Promise.all([writing, ...numbering])
      const records = await readAll()
      expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => index + 1))
      expect(findBreak(records, beginning)).toBeUndefined()
      expect(await test.query('SELECT id FROM audit WHERE seq IS NULL')).toEqual([])
    })

    it('is checked page by page [PROTOCOL §6]', async () => {
      await register(test)
      const records = await readAll()
      const head = records[1]
      if (head === undefined) throw new Error('too few records')
      const page = await test.store.readAudit({ after: head.seq, limit: 2 })
      expect(page.map(({ seq }) => seq)).toEqual([3, 4])
      expect(findBreak(page, head)).toBeUndefined()
    })

    it('has numbers only on what is committed and numbered [PROTOCOL §6]', async () => {
      const before = (await readAll()).length
      await register(test)
      expect(await test.store.readAudit({ after: before, limit: 10 })).toEqual([])
    })
  })
})

describe('findBreak', () => {
  let test: TestStore
  let records: readonly AuditRecord[]
  beforeAll(async () => {
    test = await openTestStore('sqlite')
    await register(test)
    await register(test)
    await test.store.numberAudit(100)
    records = await test.store.readAudit({ after: 0, limit: 100 })
  })
  afterAll(() => test.close())

  const broken = (page: readonly (AuditRecord | undefined)[]) =>
    findBreak(page as readonly AuditRecord[], { seq: 0, hash: '' })
  const without = (index: number) => records.filter((_, at) => at !== index)

  it('finds nothing in a whole log', () => {
    expect(records.length).toBeGreaterThanOrEqual(8)
    expect(broken(records)).toBeUndefined()
  })

  it.each([
    { kind: 'client.deleted' },
    { actor: 'somebody else' },
    { facts: '{}' },
    { atMs: 0 },
    { id: 'other' },
    { hash: 'other' },
    { previousHash: 'other' },
    { seq: 99 },
  ])('names the record that was edited: %o [PROTOCOL §6]', (edit) => {
    const edited = records.map((record, index) => (index === 3 ? { ...record, ...edit } : record))
    expect(broken(edited)).toBe(edited[3])
  })

  it('names the record behind one that was deleted [PROTOCOL §6]', () => {
    expect(broken(without(3))).toBe(records[4])
  })

  it('names the record behind one that was deleted, though the rest was renumbered [PROTOCOL §6]', () => {
    const renumbered = without(3).map((record, index) => ({ ...record, seq: index + 1 }))
    expect(broken(renumbered)).toBe(renumbered[3])
  })

  it('names the first of two that changed places [PROTOCOL §6]', () => {
    expect(broken([...records.slice(0, 3), records[4], records[3], ...records.slice(5)])).toBe(records[4])
  })

  it('names a record that was put in between [PROTOCOL §6]', () => {
    const forged = { ...(records[3] as AuditRecord), id: 'forged' }
    const shifted = records.slice(3).map((record) => ({ ...record, seq: record.seq + 1 }))
    expect(broken([...records.slice(0, 3), forged, ...shifted])).toBe(forged)
  })

  it('names a record that was put at the end [PROTOCOL §6]', () => {
    const last = records.at(-1) as AuditRecord
    const forged = { ...last, seq: last.seq + 1, previousHash: last.hash, id: 'forged' }
    expect(broken([...records, forged])).toBe(forged)
  })

  it('names a record that was changed in the database [PROTOCOL §6]', async () => {
    await test.query("UPDATE audit SET actor = 'nobody' WHERE seq = 2 RETURNING id")
    const page = await test.store.readAudit({ after: 0, limit: 100 })
    expect(broken(page)).toMatchObject({ seq: 2, actor: 'nobody' })
  })
})
