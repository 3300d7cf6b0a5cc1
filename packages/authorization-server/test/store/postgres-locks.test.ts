import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../../src/store/engine.ts'
import { defineVerb, run, type Verb } from '../../src/store/transaction.ts'
import { countUp, mark, openTestEngine, type TestEngine } from './open-test-engine.ts'
import { openTestStore, type TestStore } from './open-test-store.ts'
import { type Family, issueCode, register, rotationOf, startFamily, successOf } from './principals.ts'

describe('rows of PostgreSQL that another transaction holds', () => {
  let test: TestStore
  let engine: TestEngine
  beforeAll(async () => {
    test = await openTestStore('postgres')
    // PostgreSQL looks for a deadlock a second after it began; a test need not wait for that.
    await test.query(`ALTER DATABASE ${new URL(test.address).pathname.slice(1)} SET deadlock_timeout = '10ms'`)
    engine = openTestEngine(test)
  })
  afterAll(async () => {
    await engine.close()
    await test.close()
  })

  /** Begins a transaction with this statement; returns what commits it. */
  const hold = async (statement: string, ...values: (string | number)[]) => {
    const client = new pg.Client({ connectionString: test.address })
    await client.connect()
    await client.query('BEGIN')
    await client.query(statement, values)
    return async () => {
      await client.query('COMMIT')
      await client.end()
    }
  }
  const holdGrant = ({ grantId }: Family) => hold('SELECT id FROM grants WHERE id = $1 FOR UPDATE', grantId)
  const newFamily = async (): Promise<Family> => startFamily(test, await register(test))
  const refresh = (family: Family) => test.store.rotateRefresh(rotationOf(family, family.presented))

  /** Whether a change has an answer, after others have come and gone. */
  const isAnswered = async (change: Promise<unknown>) => {
    let answered = false
    change.then(
      () => {
        answered = true
      },
      () => {
        answered = true
      },
    )
    for (let turn = 0; turn < 5; turn++) await engine.change(mark, randomUUID())
    return answered
  }

  it('delay only those who need them, and those succeed when they are free [PROTOCOL §4]', async () => {
    const families = await Promise.all(Array.from({ length: 64 }, newFamily))
    const [held] = families
    if (held === undefined) throw new Error('no family')
    const release = await holdGrant(held)
    const asks = families.map(refresh)
    const others = await Promise.all(asks.slice(1))
    expect(others.every(({ outcome }) => outcome === 'rotated')).toBe(true)
    expect(await isAnswered(asks[0] as Promise<unknown>)).toBe(false)
    await release()
    expect(await asks[0]).toMatchObject({ outcome: 'rotated' })
  })

  it('are not taken for free by who may only share them, and keep nobody from the rest [PROTOCOL §4]', async () => {
    const family = await newFamily()
    const release = await hold('SELECT id FROM users WHERE id = $1 FOR SHARE', family.userId)
    // In one batch: the one shares the user, as the owner of its grant, the other changes it.
    const refreshing = refresh(family)
    const cutting = test.store.cutOffSubject({ userId: family.userId, actor: 'test', initiator: 'admin' })
    expect(await isAnswered(cutting)).toBe(false)
    const isGrantFree = () => test.query('SELECT id FROM grants WHERE id = $1 FOR UPDATE NOWAIT', family.grantId)
    await expect.poll(isGrantFree, { timeout: 1_000, interval: 10 }).toHaveLength(1)
    await release()
    expect((await refreshing).outcome).toMatch(/^(rotated|principal_disabled)$/)
    expect(await cutting).toMatchObject({ outcome: 'cut_off' })
  })

  it('do not use up the connections, however many wait for one row [PROTOCOL §4]', async () => {
    const [held, other] = [await newFamily(), await newFamily()]
    const release = await holdGrant(held)
    const waiting: Promise<unknown>[] = []
    for (let turn = 0; turn < 40; turn++) {
      waiting.push(refresh(held))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await refresh(other)).toMatchObject({ outcome: 'rotated' })
    await release()
    const answers = (await Promise.all(waiting)) as Awaited<ReturnType<typeof refresh>>[]
    expect(new Set(answers.map((answer) => successOf(answer).successor.secret.toString('hex'))).size).toBe(1)
  })

  it('do not let those who wait for one keep out those who wait for another [PROTOCOL §4]', async () => {
    const [held, other] = [await newFamily(), await newFamily()]
    const [release, releaseOther] = [await holdGrant(held), await holdGrant(other)]
    const waiting: Promise<unknown>[] = []
    for (let turn = 0; turn < 10; turn++) {
      waiting.push(refresh(held))
      expect(await isAnswered(waiting.at(-1) as Promise<unknown>)).toBe(false)
    }
    const second = refresh(other)
    expect(await isAnswered(second)).toBe(false)
    await releaseOther()
    expect(await second).toMatchObject({ outcome: 'rotated' })
    await release()
    await Promise.all(waiting)
  })

  it('are locked in one order by all, so that nobody waits in a circle [PROTOCOL §4]', async () => {
    const [one, two] = [await test.openAnother(), await test.openAnother()]
    for (let round = 0; round < 15; round++) {
      const family = await newFamily()
      await Promise.all([
        ...[0, 1, 2].map(() => one.rotateRefresh(rotationOf(family, family.presented))),
        two.withdrawApplication(family),
        two.rotateRefresh(rotationOf(family, family.presented)),
        one.deleteClient({ id: family.clientId, actor: 'test' }),
      ])
    }
    // A connection tells what it counted when it ends.
    await Promise.all([one.close(), two.close()])
    const counted = 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'
    expect(await test.query(counted)).toEqual([{ deadlocks: 0 }])
  })

  it('held for too long fail the change soon [PROTOCOL §2 A16]', async () => {
    const family = await newFamily()
    const release = await holdGrant(family)
    const start = performance.now()
    await expect(refresh(family)).rejects.toBeInstanceOf(StoreUnavailable)
    expect(performance.now() - start).toBeLessThan(3_000)
    await release()
    expect(await refresh(family)).toMatchObject({ outcome: 'rotated' })
  })

  it('by one after the other who shares them keep no revocation waiting for ever [PROTOCOL §1]', async () => {
    const { clientId } = await register(test)
    const share = () =>
      hold(
        'SELECT 1 FROM issuer_state i, clients c WHERE i.id = 1 AND c.id = $1 FOR SHARE OF i FOR SHARE OF c',
        clientId,
      )
    const release = await share()
    const cutting = test.store.cutOffClient({ clientId, actor: 'operator', initiator: 'admin' })
    const isWaiting = () =>
      test.query(
        `SELECT 1 AS waiting FROM pg_locks WHERE NOT granted AND locktype = 'relation'
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      )
    await expect.poll(isWaiting, { timeout: 1_000, interval: 5 }).toHaveLength(1)
    // Comes before the first has gone, and stays until the revocation is done.
    const next = share()
    await release()
    expect(await cutting).toMatchObject({ outcome: 'cut_off' })
    await (await next)()
  })

  describe('by a revocation under way', () => {
    const revocations: readonly [string, (family: Family, at: number) => Promise<() => Promise<void>>][] = [
      ['of the user', ({ userId }, at) => hold('UPDATE users SET not_before = $1 WHERE id = $2', at, userId)],
      ['of the client', ({ clientId }, at) => hold('UPDATE clients SET not_before = $1 WHERE id = $2', at, clientId)],
      ['of all', (_family, at) => hold('UPDATE issuer_state SET not_before = $1', at)],
    ]
    const uses: readonly [
      string,
      (family: Family) => Promise<() => Promise<{ outcome: string; access?: { issuedAt: number } }>>,
    ][] = [
      ['a refresh', async (family) => () => refresh(family)],
      [
        'a code’s redemption',
        async (family) => {
          const exchange = await issueCode(test, family)
          return () => test.store.redeemCode(exchange)
        },
      ],
      ['an approval', async (family) => async () => ({ outcome: await issueCode(test, family).then(() => 'issued') })],
    ]

    for (const [whose, revoke] of revocations) {
      it.each(uses)(
        `${whose} keep %s waiting, so that nothing is issued beside it [PROTOCOL §1]`,
        async (_what, use) => {
          test.clock.alignToSecond()
          const family = await newFamily()
          const issue = await use(family)
          const cutOff = test.clock.now() / 1_000 + 1
          const release = await revoke(family, cutOff)
          // Later than the cut-off that is not committed yet: issued now, it would outlive the revocation.
          test.clock.advance(2_000)
          const issuing = issue()
          expect(await isAnswered(issuing)).toBe(false)
          await release()
          expect(await issuing).not.toHaveProperty('access')
          await test.query('UPDATE issuer_state SET not_before = 0 RETURNING id')
        },
      )
    }

    it('of the client keep client credentials waiting, which then lie behind it [PROTOCOL §1]', async () => {
      const { clientId, jwtKey } = await register(test)
      const cutOff = Math.floor(test.clock.now() / 1_000) + 1
      const release = await hold('UPDATE clients SET not_before = $1 WHERE id = $2', cutOff, clientId)
      const order = { clientId, scopes: ['read'], resourceKeys: [jwtKey], assertion: undefined }
      const issuing = test.store.issueForClient(order)
      expect(await isAnswered(issuing)).toBe(false)
      await release()
      expect(await issuing).toMatchObject({ access: { issuedAt: cutOff } })
    })
  })

  describe('by a refresh under way', () => {
    const by = { actor: 'operator', initiator: 'admin' } as const
    const share = (table: string, id: string | number) => hold(`SELECT id FROM ${table} WHERE id = $1 FOR SHARE`, id)
    const levels: readonly [
      string,
      (family: Family) => Promise<() => Promise<void>>,
      (family: Family) => Promise<unknown>,
    ][] = [
      ['a grant', holdGrant, ({ grantId }) => test.store.revokeGrant({ grantId, ...by })],
      [
        'a client',
        ({ clientId }) => share('clients', clientId),
        (family) => test.store.cutOffClient({ ...family, ...by }),
      ],
      ['a subject', ({ userId }) => share('users', userId), (family) => test.store.cutOffSubject({ ...family, ...by })],
      [
        'a user at one client',
        ({ userId }) => share('users', userId),
        (family) => test.store.cutOffUserAtClient({ ...family, ...by }),
      ],
      ['an actor', () => share('issuer_state', 1), () => test.store.cutOffActor({ actorId: 'agent', ...by })],
      ['all', () => share('issuer_state', 1), () => test.store.cutOffAll(by)],
    ]
    it.each(levels)(
      'keep the revocation of %s waiting, so that it ends what that gives [PROTOCOL §1]',
      async (_what, holdRow, revoke) => {
        test.clock.advance(10_000)
        const family = await newFamily()
        const release = await holdRow(family)
        const revoking = revoke(family)
        expect(await isAnswered(revoking)).toBe(false)
        await release()
        expect(await revoking).toMatchObject({ outcome: expect.stringMatching(/^(revoked|cut_off)$/) })
      },
    )
  })

  it('held by two that wait for each other are tried again [PROTOCOL §4]', async () => {
    const [one, other] = [randomUUID(), randomUUID()]
    await Promise.all([engine.change(mark, one), engine.change(mark, other)])
    const both = defineVerb({
      kind: 'change',
      *run(transaction, ids: readonly string[]): Verb<void> {
        for (const id of ids) {
          yield* countUp.run(transaction, id)
          // Long enough for the other one to hold its first row, too.
          yield* run('SELECT pg_sleep(0.1)')
        }
      },
    })
    const second = openTestEngine(test)
    await Promise.all([engine.change(both, [one, other]), second.change(both, [other, one])])
    await second.close()
    const counts = await test.query('SELECT full_at_ms FROM attempts WHERE id IN ($1, $2)', one, other)
    expect(counts).toEqual([{ full_at_ms: 2 }, { full_at_ms: 2 }])
  })

  it.each([
    ['twice', 2, 'fulfilled'],
    ['always', 1_000, 'rejected'],
  ])('for which the database asks to try again %s: %s [PROTOCOL §4]', async (_how, failures, status) => {
    let tries = 0
    const unlucky = defineVerb({
      kind: 'change',
      *run(transaction, id: string): Verb<void> {
        yield* mark.run(transaction, id)
        tries += 1
        if (tries <= failures) yield* run("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")
      },
    })
    const id = randomUUID()
    const [result] = await Promise.allSettled([engine.change(unlucky, id)])
    expect(result?.status).toBe(status)
    expect(await test.query('SELECT id FROM attempts WHERE id = $1', id)).toHaveLength(status === 'fulfilled' ? 1 : 0)
  })

  it('do not limit a change of very many rows to the time of a request', async () => {
    const slow = defineVerb({
      kind: 'change',
      bulk: true,
      *run(transaction, id: string): Verb<string> {
        yield* run('SELECT pg_sleep(1.9)')
        return yield* mark.run(transaction, id)
      },
    })
    const id = randomUUID()
    expect(await engine.change(slow, id)).toBe(id)
  })

  it('work with a single connection, too', async () => {
    const narrow = openTestEngine(test, 1)
    const ids = Array.from({ length: 100 }, () => randomUUID())
    expect(await Promise.all(ids.map((id) => narrow.change(mark, id)))).toEqual(ids)
    await narrow.close()
  })
})
