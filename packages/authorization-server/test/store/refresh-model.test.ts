import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../src/store/open-store.ts'
import { longestAccessSeconds } from '../../src/store/registered-resource.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { createRandom, createStore, type Store } from '../../src/store/store.ts'
import { defineVerb, run, type Verb } from '../../src/store/transaction.ts'
import type { IssuedAccess } from '../../src/store/verbs/access.ts'
import type { Presented } from '../../src/store/verbs/refresh.ts'
import { createTestClock, openTestStore, type TestRow, type TestStore, type TestValue } from './open-test-store.ts'
import { absoluteSeconds, type Family, idleSeconds, register, rotationOf, startFamily } from './principals.ts'

// PROTOCOL §2 once more, as small as it can be said, beside the store: random histories must end alike in both.

const windowMs = 30_000

interface Model {
  readonly family: Family
  /** The token of each generation, as its client has them. */
  readonly tokens: Presented[]
  readonly issued: IssuedAccess[]
  readonly startedAt: number
  rotatedMs: number
  idleExpiresAt: number
  ended: boolean
  /** When it ended by lapse of time or a cut-off, of which nobody was told by itself (epoch seconds). */
  untoldSince?: number | undefined
}

interface World {
  readonly test: TestStore
  store: Store
  readonly families: Model[]
  cutOffs: number
}

interface Command {
  readonly name: string
  readonly run: (world: World) => Promise<void>
}

const seconds = ({ test }: World) => Math.floor(test.clock.now() / 1_000)

function isExpired(world: World, model: Model): boolean {
  return Math.min(model.idleExpiresAt, model.startedAt + absoluteSeconds) <= seconds(world)
}

/** What the state machine says of a token so many generations old. */
function expected(world: World, model: Model, age: number, strict: boolean): string {
  if (model.ended) return 'ended'
  if (isExpired(world, model)) return 'expired'
  if (age < 0) return 'rolled_back'
  if (age === 0) return 'rotated'
  if (age > 1) return 'reused'
  return !strict || world.test.clock.now() - model.rotatedMs < windowMs ? 'replayed' : 'reused'
}

function advanceTo(world: World, model: Model, successor: Presented): void {
  model.tokens.push(successor)
  model.rotatedMs = world.test.clock.now()
  model.idleExpiresAt = seconds(world) + idleSeconds
}

async function present(world: World, model: Model, age: number, strict: boolean): Promise<void> {
  const generation = model.tokens.length - 1 - age
  if (generation < 0) return
  const token = model.tokens[generation] ?? { ...(model.tokens.at(-1) as Presented), generation }
  const says = expected(world, model, age, strict)
  const retryWindowMs = strict ? windowMs : undefined
  const answer = await world.store.rotateRefresh(rotationOf(model.family, token, { retryWindowMs }))
  expect(answer.outcome).toBe(says)
  if ('successor' in answer) {
    model.issued.push(answer.access)
    // A refresh token never has two successors (I1), and a client that retries as it may keeps its session (I6).
    if (says === 'replayed') expect(answer.successor).toEqual(model.tokens.at(-1))
    else advanceTo(world, model, answer.successor)
  } else if (says === 'reused') model.ended = true
  else if (says === 'expired') endUntold(world, model)
}

function endUntold(world: World, model: Model): void {
  model.ended = true
  model.untoldSince = seconds(world)
}

/** Three at once with the live token: whoever comes first decides, and all get the same. */
async function race(world: World, model: Model): Promise<void> {
  const says = expected(world, model, 0, true)
  const token = model.tokens.at(-1) as Presented
  const asks = [1, 2, 3].map(() => world.store.rotateRefresh(rotationOf(model.family, token)))
  const answers = await Promise.all(asks)
  const successes = answers.flatMap((answer) => ('successor' in answer ? [answer] : []))
  expect(successes).toHaveLength(says === 'rotated' ? 3 : 0)
  expect(new Set(successes.map(({ successor }) => successor.secret.toString('hex'))).size).toBeLessThan(2)
  model.issued.push(...successes.map(({ access }) => access))
  if (says === 'expired') endUntold(world, model)
  else if (successes[0] === undefined) model.ended = true
  else advanceTo(world, model, successes[0].successor)
}

const onFamily = (name: string, act: (world: World, model: Model) => Promise<void>) =>
  fc.nat(3).map(
    (index): Command => ({
      name: `${name} ${index}`,
      run: async (world) => {
        const model = world.families[index % world.families.length]
        if (model !== undefined) await act(world, model)
      },
    }),
  )

const alone = (name: string, run: Command['run']) => fc.constant<Command>({ name, run })

const waits = [1, 999, 1_000, 29_999, 30_000, 600_000, 3_599_000, 3_600_000]

const commands: fc.Arbitrary<readonly Command[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: alone('begin', begin) },
    { weight: 8, arbitrary: onFamily('refresh', (world, model) => present(world, model, 0, true)) },
    { weight: 3, arbitrary: onFamily('refresh three times at once', race) },
    { weight: 6, arbitrary: onFamily('retry', (world, model) => present(world, model, 1, true)) },
    { weight: 2, arbitrary: onFamily('retry as confidential', (world, model) => present(world, model, 1, false)) },
    { weight: 1, arbitrary: onFamily('replay an older one', (world, model) => present(world, model, 2, false)) },
    { weight: 1, arbitrary: onFamily('present a later one', (world, model) => present(world, model, -1, true)) },
    { weight: 1, arbitrary: onFamily('present a forged one', presentForged) },
    { weight: 1, arbitrary: onFamily('revoke', revoke) },
    {
      weight: 1,
      arbitrary: onFamily('change password', (world, model) => cutOff(world, model, { passwordHash: 'new' })),
    },
    { weight: 1, arbitrary: onFamily('disable', (world, model) => cutOff(world, model, { disabled: true })) },
    { weight: 4, arbitrary: fc.constantFrom(...waits).map(wait) },
    { weight: 1, arbitrary: alone('reopen', reopen) },
  ),
  { minLength: 5, maxLength: 40 },
)

async function begin(world: World): Promise<void> {
  if (world.families.length >= 4) return
  // Two families of one user now and then: what ends the one by theft must leave the other alone.
  const principals = world.families.length % 2 === 1 ? world.families.at(-1)?.family : undefined
  const family = await startFamily({ ...world.test, store: world.store }, principals ?? (await register(world.test)))
  world.families.push({
    family,
    tokens: [family.presented],
    issued: [family.access],
    startedAt: seconds(world),
    rotatedMs: world.test.clock.now(),
    idleExpiresAt: seconds(world) + idleSeconds,
    ended: false,
  })
}

async function presentForged(world: World, model: Model): Promise<void> {
  const forged = { ...(model.tokens.at(-1) as Presented), secret: randomBytes(32) }
  const says = model.ended ? 'ended' : isExpired(world, model) ? 'expired' : 'forked'
  expect(await world.store.rotateRefresh(rotationOf(model.family, forged))).toMatchObject({ outcome: says })
  if (says === 'expired') endUntold(world, model)
  model.ended = true
}

/** Whoever revokes what ended untold has it told, as long as a token of it may live. */
async function revoke(world: World, model: Model): Promise<void> {
  const isUntold = model.untoldSince !== undefined && model.untoldSince > seconds(world) - longestAccessSeconds
  const outcome = model.ended && !isUntold ? 'nothing_to_revoke' : 'revoked'
  expect(await world.store.revokeFamily(model.family)).toEqual({ outcome })
  model.ended = true
  model.untoldSince = undefined
}

/** Ends all that the user has; enables the user again, for the next family. */
async function cutOff(world: World, model: Model, change: { passwordHash?: string; disabled?: boolean }) {
  const { userId } = model.family
  // So many within a second, and the store would ask to wait.
  world.cutOffs += 1
  if (world.cutOffs % 4 === 0) world.test.clock.advance(4_000)
  await world.store.changeUser({ id: userId, ...change, actor: 'test' })
  if (change.disabled) await world.store.changeUser({ id: userId, disabled: false, actor: 'test' })
  for (const other of world.families) {
    if (other.family.userId !== userId || other.ended) continue
    const token = other.tokens.at(-1) as Presented
    const says = isExpired(world, other) ? 'expired' : 'principal_disabled'
    expect(await world.store.rotateRefresh(rotationOf(other.family, token))).toMatchObject({ outcome: says })
    endUntold(world, other)
  }
}

function wait(milliseconds: number): Command {
  return { name: `wait ${milliseconds} ms`, run: async ({ test }) => test.clock.advance(milliseconds) }
}

/** As after a restart, with a clock that was set back meanwhile. */
async function reopen(world: World): Promise<void> {
  if (world.test.address === ':memory:') return
  const { clock } = world.test
  const behind = await openStore({ database: world.test.address, now: () => clock.now() - 86_400_000 })
  await behind.closeSession('none')
  await behind.close()
  await world.store.close()
  world.store = await openStore({ database: world.test.address, now: clock.now, connections: 4 })
}

async function checkAll(world: World): Promise<void> {
  for (const model of world.families) {
    const { grantId } = model.family
    const rows = await world.test.query('SELECT generation, ended_at FROM grants WHERE id = $1', grantId)
    // One live leaf, and it is the one that its client has (I3).
    expect(rows).toMatchObject([{ generation: model.tokens.length - 1 }])
    expect(rows[0]?.['ended_at'] !== null).toBe(model.ended)
    for (const access of model.issued) expect(await world.store.introspectJwt(access)).toBe(!model.ended)
  }
}

/** A store that lives in memory, and as long as it is open. */
async function openInMemory(): Promise<TestStore> {
  const clock = createTestClock()
  const engine = openSqlite(':memory:', { now: clock.now, random: createRandom() })
  const store = createStore(engine)
  await store.migrate()
  const ask = defineVerb({
    kind: 'read',
    *run(_moment, [text, ...values]: readonly [string, ...TestValue[]]): Verb<readonly TestRow[]> {
      return (yield* run(text, ...values)).rows
    },
  })
  return {
    engine: 'sqlite',
    store,
    clock,
    address: ':memory:',
    query: async (...statement) => (await engine.read({ verb: ask, input: statement as never })) as TestRow[],
    openAnother: () => Promise.reject(new Error('there is only one')),
    close: store.close,
  }
}

describe('random histories of refresh families', () => {
  it.each([
    ['SQLite in memory', 600, openInMemory],
    ['SQLite', 25, () => openTestStore('sqlite')],
    ['PostgreSQL', 10, () => openTestStore('postgres')],
  ])('end on %s as the state machine says, %d times [PROTOCOL §2]', async (_where, numRuns, open) => {
    const test = await open()
    const inMemory = test.address === ':memory:'
    const history = async (list: readonly Command[]) => {
      test.clock.alignToSecond()
      const store = inMemory ? test.store : await openStore({ database: test.address, now: test.clock.now })
      const world: World = { test, store, families: [], cutOffs: 0 }
      await begin(world)
      for (const command of list) await command.run(world)
      await checkAll(world)
      if (!inMemory) await world.store.close()
    }
    await fc.assert(fc.asyncProperty(commands, history), { numRuns, seed: 2 })
    await test.close()
  })
})
