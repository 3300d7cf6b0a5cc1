import type { Engine } from '../../src/store/engine.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { createRandom } from '../../src/store/store.ts'
import { type ChangeVerb, defineVerb, run, type Verb } from '../../src/store/transaction.ts'
import type { TestStore } from './open-test-store.ts'

/** An engine beside the store of a test, for verbs that no store has. */
export interface TestEngine extends Omit<Engine, 'change'> {
  readonly change: <Input, Result>(verb: ChangeVerb<Input, Result>, input: Input) => Promise<Result>
}

export function openTestEngine(
  { engine, address, clock }: Pick<TestStore, 'engine' | 'address' | 'clock'>,
  connections = 8,
): TestEngine {
  const sources = { now: clock.now, random: createRandom() }
  const opened = engine === 'sqlite' ? openSqlite(address, sources) : openPostgres(address, { ...sources, connections })
  return {
    ...opened,
    change: async (verb, input) => (await opened.change({ verb, input } as never)) as never,
  }
}

/** Writes a row of its own, which says that it was committed. */
export const mark = defineVerb({
  kind: 'change',
  *run(_transaction, id: string): Verb<string> {
    yield* run('INSERT INTO attempts (id, full_at_ms, expires_at) VALUES ($1, 0, 4000000000)', id)
    return id
  },
})

/** Writes its row, too, and then fails as something in it says. */
export const poisoned = defineVerb({
  kind: 'change',
  *run(transaction, { id, how }: { readonly id: string; readonly how: Poison }): Verb<string> {
    yield* mark.run(transaction, id)
    switch (how) {
      case 'throws':
        throw new TypeError('a fault of ours')
      case 'breaks a constraint':
        yield* run('INSERT INTO attempts (id, full_at_ms, expires_at) VALUES ($1, NULL, 0)', `${id} again`)
        return id
      case 'writes a row twice':
        return yield* mark.run(transaction, id)
      case 'asks nonsense':
        yield* run('SELECT nothing FROM nowhere')
        return id
    }
  },
})

export const poisons = ['throws', 'breaks a constraint', 'writes a row twice', 'asks nonsense'] as const
type Poison = (typeof poisons)[number]

/** Counts up one row that it holds, and says what it made of it. */
export const countUp = defineVerb({
  kind: 'change',
  *run(_transaction, id: string): Verb<number> {
    const { rows } = yield* run(
      'UPDATE attempts SET full_at_ms = full_at_ms + 1 WHERE id = $1 RETURNING full_at_ms',
      id,
    )
    return Number(rows[0]?.['full_at_ms'])
  },
  locks: (id) => [{ table: 'attempts', key: id, mode: 'update' }],
})
