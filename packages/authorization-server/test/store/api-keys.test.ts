import { randomUUID } from 'node:crypto'
import { sha256Base64url } from '@arctos/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { personalTokenClient } from '../../src/store/registered-client.ts'
import type { Store } from '../../src/store/store.ts'
import type { NewApiKey } from '../../src/store/verbs/api-keys.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'
import { clientSettings, type Principals, register } from './principals.ts'

const day = 86_400
const actor = 'test'
const newHash = () => sha256Base64url(randomUUID())

/** A key that was made, with the hash of its secret. */
interface MadeKey {
  readonly id: string
  readonly hash: string
  readonly expiresAt: number | undefined
}

function wantedOf(principals: Principals, changes: Partial<NewApiKey> = {}): NewApiKey {
  return {
    owner: { kind: 'client', clientId: principals.clientId },
    name: 'nightly export',
    resourceKey: principals.jwtKey,
    scopes: ['read'],
    secretHash: newHash(),
    lifetimeSeconds: 90 * day,
    actor,
    ...changes,
  }
}

async function makeKey(store: Store, principals: Principals, changes: Partial<NewApiKey> = {}): Promise<MadeKey> {
  const wanted = wantedOf(principals, changes)
  const created = await store.createApiKey(wanted)
  if (created.outcome !== 'created') throw new Error(`no key: ${created.outcome}`)
  return { id: created.id, hash: wanted.secretHash, expiresAt: created.expiresAt }
}

const ofUser = ({ userId }: Principals): Partial<NewApiKey> => ({ owner: { kind: 'user', userId } })

async function exchange(store: Store, hash: string, changes: { readonly scopes?: readonly string[] } = {}) {
  const key = await store.findApiKey(hash)
  if (key === undefined) return { outcome: 'unknown' } as const
  const order = { ...key, secretHash: hash, resourceKeys: [], scopes: undefined, lifetimeSeconds: 300, ...changes }
  return await store.exchangeApiKey(order)
}

describe.each(engines)('API keys on %s', (engine) => {
  let test: TestStore
  let principals: Principals
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  beforeEach(async () => {
    principals = await register(test)
  })
  afterAll(() => test.close())

  const isLive = async (hash: string) => (await test.store.introspectApiKey(hash)) !== undefined
  const auditOf = async (id: string) => {
    const rows = await test.query('SELECT kind, facts FROM audit ORDER BY kind')
    return rows.filter(({ facts }) => String(facts).includes(id)).map(({ kind }) => kind)
  }
  const toldOf = async (id: string): Promise<readonly Readonly<Record<string, unknown>>[]> => {
    const rows = await test.query('SELECT entry, resources FROM revocations ORDER BY entry')
    return rows
      .map(({ entry, resources }) => ({ ...(JSON.parse(String(entry)) as Record<string, unknown>), resources }))
      .filter((entry) => JSON.stringify(entry).includes(id))
  }

  it('are listed with what they are for, for their owner alone', async () => {
    const own = await makeKey(test.store, principals)
    const personal = await makeKey(test.store, principals, { ...ofUser(principals), name: 'my laptop' })
    const other = await register(test)
    await makeKey(test.store, other, ofUser(other))
    const now = Math.floor(test.clock.now() / 1_000)
    expect(await test.store.listApiKeys({ kind: 'client', clientId: principals.clientId })).toEqual([
      {
        id: own.id,
        name: 'nightly export',
        clientId: principals.clientId,
        userId: undefined,
        username: undefined,
        resourceKey: principals.jwtKey,
        scopes: ['read'],
        issuedAt: now,
        expiresAt: now + 90 * day,
        endedAt: undefined,
        state: 'active',
        lastUsedAt: undefined,
        secrets: [
          { mark: expect.stringMatching(/^[0-9a-f]{12}$/), madeAt: now, expiresAt: undefined, lastUsedAt: undefined },
        ],
      },
    ])
    const [mine, ...others] = await test.store.listApiKeys({ kind: 'user', userId: principals.userId })
    expect([mine?.id, mine?.clientId, mine?.username, others]).toEqual([
      personal.id,
      personalTokenClient,
      principals.username,
      [],
    ])
  })

  it('are written down and told, each change once [DESIGN §6]', async () => {
    const key = await makeKey(test.store, principals)
    await test.store.rotateApiKey({ keyId: key.id, secretHash: newHash(), lifetimeSeconds: day, actor })
    const mark = Buffer.from(key.hash, 'base64url').toString('hex', 0, 6)
    await test.store.removeApiKeySecret({ keyId: key.id, mark, actor })
    expect(await test.store.endApiKey({ keyId: key.id, actor })).toEqual({ outcome: 'ended' })
    expect(await test.store.endApiKey({ keyId: key.id, actor })).toEqual({ outcome: 'unknown' })
    expect(await auditOf(key.id)).toEqual([
      'api_key.created',
      'api_key.ended',
      'api_key.rotated',
      'api_key.secret_removed',
    ])
    const resources = principals.jwtKey
    expect(await toldOf(key.id)).toEqual([{ kind: 'grant', grantId: key.id, clientId: principals.clientId, resources }])
    const credential = { kind: 'credential', principal: 'client', id: principals.clientId, credential: 'api_key' }
    const changes = (await toldOf(principals.clientId)).filter(({ kind }) => kind === 'credential')
    expect(changes).toEqual(
      ['create', 'delete', 'revoke', 'update'].map((change) => ({ ...credential, change, resources })),
    )
  })

  describe('are not made', () => {
    const refusals: readonly [string, (principals: Principals) => Partial<NewApiKey>, object][] = [
      ['for nobody', () => ({ owner: { kind: 'client', clientId: 'nobody' } }), { outcome: 'owner_unknown' }],
      ['for an unknown user', () => ({ owner: { kind: 'user', userId: 'nobody' } }), { outcome: 'owner_unknown' }],
      [
        'for the client of personal tokens',
        () => ({ owner: { kind: 'client', clientId: personalTokenClient } }),
        { outcome: 'owner_not_allowed' },
      ],
      ['for an unknown resource', () => ({ resourceKey: 'https://x.example' }), { outcome: 'resource_unknown' }],
      ['without a scope', () => ({ scopes: [] }), { outcome: 'scope_missing' }],
      [
        'with a scope that the resource does not declare',
        () => ({ scopes: ['read', 'delete'] }),
        { outcome: 'scope_not_allowed', scope: 'delete' },
      ],
    ]
    it.each(refusals)('%s', async (_, changes, refused) => {
      expect(await test.store.createApiKey(wantedOf(principals, changes(principals)))).toEqual(refused)
    })

    it('for what introspects', async () => {
      const settings = { ...clientSettings, grantTypes: [], resourceServerOf: principals.jwtKey }
      const created = await test.store.createClient({ settings, secretHash: newHash(), actor })
      const clientId = created.outcome === 'created' ? created.id : ''
      const wanted = wantedOf(principals, { owner: { kind: 'client', clientId } })
      expect(await test.store.createApiKey(wanted)).toEqual({ outcome: 'owner_not_allowed' })
    })

    it('beyond a hundred live ones of one owner', async () => {
      const make = () => test.store.createApiKey(wantedOf(principals, ofUser(principals)))
      const { id } = await makeKey(test.store, principals, ofUser(principals))
      const columns = 'name, client_id, user_id, resource_key, scope, issued_at, not_before, expires_at'
      await test.query(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 98)
         INSERT INTO api_keys (id, ${columns}) SELECT id || i, ${columns} FROM api_keys, n WHERE id = $1`,
        id,
      )
      const outcomes = await Promise.all([make(), make()])
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['created', 'too_many'])
      await test.store.endApiKey({ keyId: id, actor })
      expect(await make()).toMatchObject({ outcome: 'created' })
    })
  })

  it('expire at their second, and never only where somebody asked for it', async () => {
    const [short, never] = [
      await makeKey(test.store, principals, { lifetimeSeconds: day }),
      await makeKey(test.store, principals, { lifetimeSeconds: 'never' }),
    ]
    test.clock.alignToSecond()
    test.clock.advance((day - 2) * 1_000)
    expect(await isLive(short.hash)).toBe(true)
    test.clock.advance(2_000)
    expect([await isLive(short.hash), await exchange(test.store, short.hash)]).toEqual([false, { outcome: 'expired' }])
    test.clock.advance(4_000 * day * 1_000)
    expect(await isLive(never.hash)).toBe(true)
  })

  describe('with two secrets', () => {
    it('work by both, until the overlap is over [DESIGN §6]', async () => {
      const key = await makeKey(test.store, principals)
      const next = newHash()
      const order = { keyId: key.id, secretHash: next, lifetimeSeconds: 90 * day, overlapSeconds: 3_600, actor }
      expect(await test.store.rotateApiKey(order)).toMatchObject({ outcome: 'rotated' })
      expect([await isLive(key.hash), await isLive(next)]).toEqual([true, true])
      test.clock.advance(3_601_000)
      expect([await isLive(key.hash), await isLive(next)]).toEqual([false, true])
      // There is room for another one again.
      expect(await test.store.rotateApiKey({ ...order, secretHash: newHash() })).toMatchObject({ outcome: 'rotated' })
    })

    it('take no third one, and give back the first', async () => {
      const key = await makeKey(test.store, principals)
      const rotate = (secretHash: string) =>
        test.store.rotateApiKey({ keyId: key.id, secretHash, lifetimeSeconds: 90 * day, actor })
      const next = newHash()
      await rotate(next)
      expect(await rotate(newHash())).toEqual({ outcome: 'full' })
      const mark = Buffer.from(key.hash, 'base64url').toString('hex', 0, 6)
      expect(await test.store.removeApiKeySecret({ keyId: key.id, mark, actor })).toEqual({ outcome: 'removed' })
      expect(await test.store.removeApiKeySecret({ keyId: key.id, mark, actor })).toEqual({ outcome: 'unknown' })
      expect([await isLive(key.hash), await isLive(next)]).toEqual([false, true])
      const last = Buffer.from(next, 'base64url').toString('hex', 0, 6)
      expect(await test.store.removeApiKeySecret({ keyId: key.id, mark: last, actor })).toEqual({ outcome: 'last' })
    })

    it('do not let the first one live longer than it was made for', async () => {
      const key = await makeKey(test.store, principals, { lifetimeSeconds: day })
      const next = newHash()
      await test.store.rotateApiKey({ keyId: key.id, secretHash: next, lifetimeSeconds: 90 * day, actor })
      test.clock.advance((day + 1) * 1_000)
      expect([await isLive(key.hash), await isLive(next)]).toEqual([false, true])
    })

    it('come from nobody but their owner, and to no dead key', async () => {
      const key = await makeKey(test.store, principals, ofUser(principals))
      const order = { keyId: key.id, secretHash: newHash(), lifetimeSeconds: day, actor }
      expect(await test.store.rotateApiKey({ ...order, userId: 'another' })).toEqual({ outcome: 'unknown' })
      expect(await test.store.endApiKey({ keyId: key.id, userId: 'another', actor })).toEqual({ outcome: 'unknown' })
      await test.store.endApiKey({ keyId: key.id, userId: principals.userId, actor })
      expect(await test.store.rotateApiKey(order)).toEqual({ outcome: 'not_live' })
    })
  })

  it('may do no more than the resource declares and the client may ask for now [RFC 8693 §2.2.1, DESIGN §6]', async () => {
    const key = await makeKey(test.store, principals, { scopes: ['read', 'write'] })
    const scopesNow = async () => (await test.store.introspectApiKey(key.hash))?.scopes
    expect(await scopesNow()).toEqual(['read', 'write'])
    await test.store.updateClient({
      id: principals.clientId,
      settings: { ...clientSettings, scopes: ['write'] },
      actor,
    })
    expect(await scopesNow()).toEqual(['write'])
    const [row] = await test.query('SELECT settings FROM resources WHERE resource_key = $1', principals.jwtKey)
    const settings = JSON.stringify({ ...(JSON.parse(String(row?.['settings'])) as object), scopes: { read: 'Read' } })
    await test.query(
      'UPDATE resources SET settings = $1, version = $2 WHERE resource_key = $3',
      settings,
      77,
      principals.jwtKey,
    )
    expect(await scopesNow()).toEqual([])
    expect(await exchange(test.store, key.hash, { scopes: ['write'] })).toEqual({
      outcome: 'scope_exceeds_key',
      missing: 'write',
    })
    expect(await exchange(test.store, key.hash)).toMatchObject({ outcome: 'issued', access: { scopes: [] } })
  })

  describe('end, with what was given for them, by', () => {
    const by = { actor, initiator: 'admin' } as const
    const ends: readonly [string, (store: Store, principals: Principals, keyId: string) => Promise<unknown>][] = [
      ['the key', (store, _, keyId) => store.endApiKey({ keyId, actor })],
      ['the key, as the grant that it is', (store, _, grantId) => store.revokeGrant({ grantId, ...by })],
      [
        'the client, which brings it back',
        (store, _, keyId) => store.revokeApiKey({ keyId, clientId: personalTokenClient }),
      ],
      ['the subject', (store, { userId }) => store.cutOffSubject({ userId, ...by })],
      ['a new password', (store, { userId }) => store.changeUser({ id: userId, passwordHash: 'new', actor })],
      [
        'the user at the client, for longer than the cut-off is kept',
        async (store, { userId }) => {
          await store.cutOffUserAtClient({ userId, clientId: personalTokenClient, ...by })
          await test.query('DELETE FROM cut_offs')
        },
      ],
      [
        'the user being disabled, if only for a while',
        async (store, { userId: id }) => {
          await store.changeUser({ id, disabled: true, actor })
          await store.changeUser({ id, disabled: false, actor })
        },
      ],
      ['the client of personal tokens', (store) => store.cutOffClient({ clientId: personalTokenClient, ...by })],
      ['everything being cut off', (store) => store.cutOffAll(by)],
      ['a recovery', (store) => store.recoverLostWindow({ actor })],
    ]
    it.each(ends)('%s [PROTOCOL §7]', async (_, end) => {
      const key = await makeKey(test.store, principals, ofUser(principals))
      const given = await exchange(test.store, key.hash)
      if (given.outcome !== 'issued') throw new Error(given.outcome)
      expect(await test.store.introspectJwt(given.access)).toBe(true)
      await end(test.store, principals, key.id)
      expect(await isLive(key.hash)).toBe(false)
      expect(await test.store.introspectJwt(given.access)).toBe(false)
      expect(await exchange(test.store, key.hash)).toMatchObject({
        outcome: expect.stringMatching(/^ended|principal_disabled$/),
      })
      // What is made afterwards lives.
      test.clock.advance(5_000)
      const next = await makeKey(test.store, principals, ofUser(principals))
      const again = await exchange(test.store, next.hash)
      expect(again.outcome === 'issued' && (await test.store.introspectJwt(again.access))).toBe(true)
    })

    it('their client being deleted, also when there is one of its name again [PROTOCOL §7]', async () => {
      const key = await makeKey(test.store, principals)
      await test.store.deleteClient({ id: principals.clientId, actor })
      await test.store.createClient({ id: principals.clientId, settings: clientSettings, actor })
      expect([await isLive(key.hash), await auditOf(key.id)]).toEqual([false, ['api_key.created', 'api_key.ended']])
    })
  })

  it('say when they were used last, exactly, in one write for all of them', async () => {
    const key = await makeKey(test.store, principals)
    const others = Array.from({ length: 300 }, () => ({ hash: newHash(), usedAt: 1_800_000_000 }))
    await test.store.recordSecretUses([...others, { hash: key.hash, usedAt: 1_800_000_007 }])
    // Another node was slower to write down an earlier use.
    await test.store.recordSecretUses([{ hash: key.hash, usedAt: 1_800_000_003 }])
    const [listed] = await test.store.listApiKeys({ kind: 'client', clientId: principals.clientId })
    expect([listed?.lastUsedAt, listed?.secrets[0]?.lastUsedAt]).toEqual([1_800_000_007, 1_800_000_007])
    const [count] = await test.query('SELECT COUNT(*) AS rows FROM secret_uses WHERE used_at = 1800000000')
    expect(count?.['rows']).toBe(300)
  })

  it('are forgotten a month after their end, with their secrets', async () => {
    const key = await makeKey(test.store, principals)
    await test.store.endApiKey({ keyId: key.id, actor })
    test.clock.advance(29 * day * 1_000)
    await test.store.purgeExpired(10_000)
    expect((await test.query('SELECT 1 AS kept FROM api_keys WHERE id = $1', key.id)).length).toBe(1)
    test.clock.advance(2 * day * 1_000)
    await test.store.purgeExpired(10_000)
    expect(await test.query('SELECT 1 AS kept FROM api_keys WHERE id = $1', key.id)).toEqual([])
    expect(await test.query('SELECT 1 AS kept FROM api_key_secrets WHERE key_id = $1', key.id)).toEqual([])
  })

  describe('secrets of clients', () => {
    const add = (changes: { readonly lifetimeSeconds?: number; readonly overlapSeconds?: number } = {}) =>
      test.store.addClientSecret({ clientId: principals.clientId, hash: newHash(), actor, ...changes })

    it('are two at the most, each with its times, and told of', async () => {
      const now = Math.floor(test.clock.now() / 1_000)
      expect(await add({ lifetimeSeconds: day, overlapSeconds: 60 })).toMatchObject({
        outcome: 'added',
        secrets: [
          { madeAt: now, expiresAt: now + 60 },
          { madeAt: now, expiresAt: now + day },
        ],
      })
      expect(await add()).toEqual({ outcome: 'full' })
      test.clock.advance(60_000)
      expect(await add()).toMatchObject({ outcome: 'added', secrets: [{ expiresAt: now + day }, { madeAt: now + 60 }] })
      const [first] = (await test.store.listClientSecrets(principals.clientId)) ?? []
      const removal = { clientId: principals.clientId, mark: first?.mark ?? '', actor }
      expect(await test.store.removeClientSecret(removal)).toMatchObject({ outcome: 'removed', secrets: [{}] })
      expect(await test.store.removeClientSecret(removal)).toEqual({ outcome: 'secret_unknown' })
      const told = (await toldOf(principals.clientId)).map(({ credential, change }) => `${credential} ${change}`)
      expect(told).toEqual(['client_secret create', 'client_secret create', 'client_secret delete'])
      expect(await auditOf(principals.clientId)).toEqual([
        'client.created',
        'client.secret_added',
        'client.secret_added',
        'client.secret_removed',
      ])
    })

    it('are for clients that exist and use them', async () => {
      const settings = { ...clientSettings, authenticationMethods: ['none' as const], grantTypes: [] }
      const created = await test.store.createClient({ settings, actor })
      const clientId = created.outcome === 'created' ? created.id : ''
      const added = await test.store.addClientSecret({ clientId, hash: newHash(), actor })
      const unknown = await test.store.addClientSecret({ clientId: 'nobody', hash: newHash(), actor })
      expect([added, unknown]).toEqual([{ outcome: 'no_method' }, { outcome: 'unknown' }])
      expect(await test.store.removeClientSecret({ clientId: 'nobody', mark: '', actor })).toEqual({
        outcome: 'unknown',
      })
      expect(await test.store.listClientSecrets('nobody')).toBeUndefined()
    })
  })
})

// Real time here: races are about the order in which things really happen.
describe.each(engines)('races of exchange against revocation on %s', (engine) => {
  let test: TestStore
  let second: Store
  beforeAll(async () => {
    test = await openTestStore(engine, { now: undefined })
    second = await test.openAnother()
  })
  afterAll(() => test.close())

  const revocations: readonly [string, (principals: Principals, keyId: string) => Promise<unknown>][] = [
    ['its end', (_, keyId) => second.endApiKey({ keyId, actor })],
    ['a change of password', ({ userId: id }) => second.changeUser({ id, passwordHash: 'new', actor })],
  ]
  it.each(revocations)('leave nothing alive after %s [DESIGN §6]', async (_, revoke) => {
    for (let round = 0; round < 15; round++) {
      const principals = await register(test)
      const key = await makeKey(test.store, principals, ofUser(principals))
      const asks = Array.from({ length: 6 }, (_, at) => exchange(at % 2 === 0 ? test.store : second, key.hash))
      const [given] = await Promise.all([Promise.all(asks), revoke(principals, key.id)])
      const issued = given.flatMap((each) => (each.outcome === 'issued' ? [each.access] : []))
      const live = await Promise.all(issued.map((access) => test.store.introspectJwt(access)))
      expect([live.includes(true), (await exchange(test.store, key.hash)).outcome === 'issued']).toEqual([false, false])
    }
  })
})
