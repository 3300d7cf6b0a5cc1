import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSequencer } from '../../src/feed/sequencer.ts'
import type { LedgerRow } from '../../src/store/revocation-entry.ts'
import type { Store } from '../../src/store/store.ts'
import { engines, openTestStore, type TestStore } from './open-test-store.ts'

const by = { actor: 'operator', initiator: 'admin' } as const

/** Takes something back; every call is one row. */
function revoke(store: Store): Promise<unknown> {
  const [jti, clientId] = [randomUUID(), 'client']
  return store.revokeJwt({ jti, clientId, expiresAt: 4_000_000_000 })
}

function noFault(error: unknown): void {
  throw error
}

/** Waits for something that happens by itself. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('it did not happen within ten seconds')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Reads behind a cursor until nothing is left, as whoever follows the feed does. */
async function follow(store: Store, rows: LedgerRow[], limit: number): Promise<void> {
  for (;;) {
    const page = await store.readFeed({ after: rows.at(-1)?.seq ?? 0, limit })
    rows.push(...page.rows)
    if (page.rows.length < limit) return
  }
}

describe.each(engines)('the feed on %s', (engine) => {
  let test: TestStore
  beforeAll(async () => {
    test = await openTestStore(engine)
  })
  afterAll(() => test.close())
  const unnumbered = () => test.query('SELECT id FROM revocations WHERE seq IS NULL')
  const numberAll = async () => {
    while ((await test.store.numberRevocations(100)).numbered > 0);
  }

  it('has numbered rows only, and says whether there are others [PROTOCOL §6]', async () => {
    await numberAll()
    const { head } = await test.store.readFeedHead(undefined)
    await revoke(test.store)
    expect(await test.store.readFeedHead(undefined)).toMatchObject({ head, isComplete: false })
    expect((await test.store.readFeed({ after: head, limit: 10 })).rows).toEqual([])
    await numberAll()
    expect(await test.store.readFeedHead(undefined)).toMatchObject({ head: head + 1, isComplete: true })
    expect((await test.store.readFeed({ after: head, limit: 10 })).rows).toMatchObject([{ seq: head + 1 }])
  })

  it('gives back what was told [PROTOCOL §6]', async () => {
    await numberAll()
    const { head, epoch } = await test.store.readFeedHead(undefined)
    const [expiresAt, resource] = [Math.floor(test.clock.now() / 1_000) + 600, 'https://notes.example']
    const jti = randomUUID()
    await test.store.revokeJwt({ jti, expiresAt, clientId: 'c', subject: 'u', audience: [resource] })
    await numberAll()
    expect(await test.store.readFeed({ after: head, limit: 10 })).toEqual({
      epoch,
      head: head + 1,
      rows: [
        {
          seq: head + 1,
          id: expect.stringMatching(/^[\w-]{16}$/),
          atMs: test.clock.now(),
          txn: expect.stringMatching(/^[\w-]{16}$/),
          entry: { kind: 'token', jti, expiresAt },
          reason: 'revoked',
          initiator: 'user',
          resources: [resource],
          expiresAt: expiresAt + 3_600,
        },
      ],
    })
  })

  it('is numbered densely by three nodes at once, and a cursor misses nothing [PROTOCOL §6]', async () => {
    await numberAll()
    const { head } = await test.store.readFeedHead(undefined)
    const nodes = [test.store, await test.openAnother(), await test.openAnother()]
    const seen: LedgerRow[] = []
    let isWriting = true
    const writing = Promise.all(
      nodes.map(async (store) => {
        for (let turn = 0; turn < 10; turn++) await Promise.all(Array.from({ length: 4 }, () => revoke(store)))
      }),
    ).finally(() => {
      isWriting = false
    })
    const numbering = nodes.map(async (store) => {
      while (isWriting) await store.numberRevocations(7)
    })
    const following = (async () => {
      while (isWriting) {
        await follow(test.store, seen, 5)
        // Reads of SQLite are answered within the turn: the writers have theirs, too.
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    await Promise.all([writing, following, ...numbering])
    await numberAll()
    await follow(test.store, seen, 5)
    const rows = seen.filter(({ seq }) => seq > head)
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 120 }, (_, at) => head + 1 + at))
    expect(new Set(rows.map(({ id }) => id)).size).toBe(120)
    expect(await unnumbered()).toEqual([])
  })

  it('loses nothing when a node dies between a commit and its numbering [PROTOCOL §6]', async () => {
    await numberAll()
    const { head } = await test.store.readFeedHead(undefined)
    const dying = await test.openAnother()
    await revoke(dying)
    await dying.close()
    const sequencer = createSequencer(test.store)
    expect(await sequencer.look()).toMatchObject({ head: head + 1 })
    expect(await unnumbered()).toEqual([])
  })

  it('is numbered by one at a time: who finds that another did undoes its own work [PROTOCOL §6]', async () => {
    await numberAll()
    await revoke(test.store)
    const { head } = await test.store.readFeedHead(undefined)
    // Behind the lease's back, between the reading of the head and its writing.
    const trigger = engine === 'sqlite' ? sqliteTrigger : postgresTrigger
    for (const statement of trigger) await test.query(statement)
    await expect(test.store.numberRevocations(100)).rejects.toThrow()
    await test.query(engine === 'sqlite' ? 'DROP TRIGGER intruder' : 'DROP TRIGGER intruder ON revocations')
    expect(await unnumbered()).toHaveLength(1)
    await numberAll()
    expect(await test.store.readFeedHead(undefined)).toMatchObject({ head: head + 1 })
  })

  it('keeps its head when its rows are forgotten, and leaves out what no longer matters [PROTOCOL §6]', async () => {
    await numberAll()
    const { head } = await test.store.readFeedHead(undefined)
    const expiresAt = Math.floor(test.clock.now() / 1_000) + 60
    await test.store.revokeJwt({ jti: randomUUID(), clientId: 'client', expiresAt })
    await numberAll()
    test.clock.advance((60 + 3_600) * 1_000)
    expect((await test.store.readFeed({ after: head, limit: 10 })).rows).toEqual([])
    await test.store.purgeExpired(1_000)
    expect(await test.query('SELECT id FROM revocations WHERE seq = $1', head + 1)).toEqual([])
    await revoke(test.store)
    await numberAll()
    expect((await test.store.readFeed({ after: head, limit: 10 })).rows).toMatchObject([{ seq: head + 2 }])
  })

  it('moves to another epoch with a recovery [PROTOCOL §1]', async () => {
    const own = await openTestStore(engine)
    const { epoch } = await own.store.readFeedHead(undefined)
    await own.store.recoverLostWindow({ actor: 'operator' })
    expect((await own.store.readFeedHead(undefined)).epoch).toBe(epoch + 1)
    await own.close()
  })

  describe('by a sequencer', () => {
    const started = async (store: Store) => {
      const sequencer = createSequencer(store)
      const heads: number[] = []
      sequencer.watch((head) => {
        if (head !== undefined && heads.at(-1) !== head.head) heads.push(head.head)
      })
      const stop = sequencer.start(noFault)
      await until(() => heads.length > 0)
      return { heads, stop }
    }

    it('is numbered by itself after a change of its own process, or of another [PROTOCOL §6]', async () => {
      const another = await test.openAnother()
      const { heads, stop } = await started(test.store)
      const first = heads.at(-1) ?? 0
      await revoke(test.store)
      await until(() => heads.at(-1) === first + 1)
      await revoke(another)
      await until(() => heads.at(-1) === first + 2)
      await stop()
    })

    it('tells every node, whoever numbered [PROTOCOL §6]', async () => {
      const another = await test.openAnother()
      const [one, two] = [await started(test.store), await started(another)]
      await revoke(test.store)
      await revoke(another)
      const { head } = await createSequencer(test.store).look()
      await until(() => one.heads.at(-1) === head && two.heads.at(-1) === head)
      await Promise.all([one.stop(), two.stop()])
    })

    it('says since when nothing is missing: a look is as old as it was when it began [PROTOCOL §6]', async () => {
      await numberAll()
      await revoke(test.store)
      const asOfMs = test.clock.now()
      // Time passes between the look that finds a row and the one that has its number.
      const slow = {
        ...test.store,
        numberRevocations: async (limit: number) => {
          test.clock.advance(5_000)
          return await test.store.numberRevocations(limit)
        },
      }
      expect((await createSequencer(slow).look()).asOfMs).toBe(asOfMs)
    })

    it('is only read while nothing happens', async () => {
      const fence = async () => (await test.query("SELECT fence FROM leases WHERE name = 'feed'"))[0]?.['fence']
      await numberAll()
      const before = await fence()
      let looks = 0
      const sequencer = createSequencer(test.store)
      sequencer.watch(() => {
        looks += 1
      })
      const stop = sequencer.start(noFault)
      await until(() => looks > 3)
      await stop()
      expect(await fence()).toBe(before)
    })

    it('says so once when the store does not answer, and goes on when it does', async () => {
      const faults: unknown[] = []
      const looks: boolean[] = []
      let isAway = true
      const sequencer = createSequencer({
        ...test.store,
        readFeedHead: (nothing) =>
          isAway ? Promise.reject(new Error('the store is away')) : test.store.readFeedHead(nothing),
      })
      sequencer.watch((head) => void looks.push(head !== undefined))
      const stop = sequencer.start((error) => void faults.push(error))
      await until(() => looks.length > 1)
      isAway = false
      await until(() => looks.at(-1) === true)
      await stop()
      expect(faults).toHaveLength(1)
    })
  })
})

const sqliteTrigger = [
  `CREATE TRIGGER intruder AFTER UPDATE OF seq ON revocations BEGIN UPDATE feed_state SET head = head + 1; END`,
]
const postgresTrigger = [
  `CREATE FUNCTION intrude() RETURNS trigger AS 'BEGIN UPDATE feed_state SET head = head + 1; RETURN NEW; END' LANGUAGE plpgsql`,
  `CREATE TRIGGER intruder AFTER UPDATE ON revocations FOR EACH ROW EXECUTE FUNCTION intrude()`,
]

describe('the feed on postgres, with several nodes', () => {
  let test: TestStore
  let another: Store
  beforeAll(async () => {
    test = await openTestStore('postgres')
    another = await test.openAnother()
  })
  afterAll(() => test.close())

  it('shows a row that was written first and committed last behind those before it [PROTOCOL §6]', async () => {
    const rows: LedgerRow[] = []
    const columns = 'id, at_ms, txn, entry, reason, initiator, expires_at'
    const values = `'late', 1, 'late', '{"kind":"all","issuedBefore":1}', 'revoked', 'admin', 4000000000`
    await test.query('BEGIN')
    await test.query(`INSERT INTO revocations (${columns}) VALUES (${values})`)
    await revoke(another)
    await createSequencer(another).look()
    await follow(another, rows, 10)
    await test.query('COMMIT')
    await createSequencer(another).look()
    await follow(another, rows, 10)
    expect(rows.map(({ seq, id }) => [seq, id === 'late'])).toEqual([
      [1, false],
      [2, true],
    ])
  })

  it('passes a hint on from process to process [PROTOCOL §6]', async () => {
    let hints = 0
    const unwatch = test.store.watchFeed(() => {
      hints += 1
    })
    // The connection that listens needs a moment.
    await until(async () => {
      await another.hintFeed()
      return hints > 1
    })
    unwatch()
  })

  it('needs no hints: a node that hears nothing learns by asking [PROTOCOL §6]', async () => {
    const sequencer = createSequencer(test.store)
    let head = 0
    sequencer.watch((seen) => {
      head = seen?.head ?? head
    })
    const stop = sequencer.start(noFault)
    const listening =
      "SELECT pid FROM pg_stat_activity WHERE application_name = 'arctos feed hints' AND pid <> pg_backend_pid()"
    await until(async () => (await test.query(listening)).length > 0)
    await test.query(`SELECT pg_terminate_backend(pid) FROM (${listening}) l`)
    const before = (await another.readFeedHead(undefined)).head
    await another.cutOffAll(by)
    await until(() => head === before + 1)
    await stop()
  })
})
