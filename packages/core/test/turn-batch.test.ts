import { describe, expect, it } from 'vitest'
import { createTurnBatch, type Settled } from '../src/index.ts'

const double = (jobs: readonly number[]): Settled<number>[] => jobs.map((job) => ({ ok: true, value: job * 2 }))

/** A batch whose turns end when the test says so, and which notes what ran together. */
function makeBatch(
  run = double as (jobs: readonly number[]) => ReturnType<typeof double> | Promise<Settled<number>[]>,
  limit = 100,
) {
  const turns: (() => void)[] = []
  const batches: (readonly number[])[] = []
  const batch = createTurnBatch<number, number>({
    run: (jobs) => {
      batches.push(jobs)
      return run(jobs)
    },
    schedule: (flush) => turns.push(flush),
    limit,
  })
  const endTurn = (): void => turns.shift()?.()
  return { batch, batches, turns, endTurn }
}

describe('turn batch', () => {
  it('runs what one turn brought together, in the order of arrival, once', async () => {
    const { batch, batches, turns, endTurn } = makeBatch()
    const results = [3, 1, 2].map((job) => batch.add(job))
    expect([turns.length, batches]).toEqual([1, []])
    endTurn()
    expect(batches).toEqual([[3, 1, 2]])
    expect(await Promise.all(results)).toEqual([6, 2, 4])
  })

  it('runs what the next turn brings by itself', async () => {
    const { batch, batches, endTurn } = makeBatch()
    const first = batch.add(1)
    endTurn()
    const second = batch.add(2)
    endTurn()
    expect(await Promise.all([first, second])).toEqual([2, 4])
    expect(batches).toEqual([[1], [2]])
  })

  it('does nothing in a turn that brought nothing', () => {
    const { turns, batches } = makeBatch()
    expect([turns, batches]).toEqual([[], []])
  })

  it('takes as many jobs as its limit; the rest goes into the next batches, in order', async () => {
    const { batch, batches, turns, endTurn } = makeBatch(double, 2)
    const results = [1, 2, 3, 4, 5].map((job) => batch.add(job))
    endTurn()
    expect(batches).toEqual([[1, 2]])
    expect(turns).toHaveLength(1)
    const late = batch.add(6)
    endTurn()
    endTurn()
    expect(batches).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ])
    expect(await Promise.all([...results, late])).toEqual([2, 4, 6, 8, 10, 12])
    expect(turns).toHaveLength(0)
  })

  it('puts exactly its limit into one batch', () => {
    const { batch, batches, turns, endTurn } = makeBatch(double, 2)
    void batch.add(1)
    void batch.add(2)
    endTurn()
    expect([batches, turns.length]).toEqual([[[1, 2]], 0])
  })

  it('lets one job fail without harm to the others', async () => {
    const error = new Error('poisoned')
    const { batch, endTurn } = makeBatch((jobs) =>
      jobs.map((job): Settled<number> => (job === 2 ? { ok: false, error } : { ok: true, value: job })),
    )
    const results = Promise.allSettled([1, 2, 3].map((job) => batch.add(job)))
    endTurn()
    expect(await results).toEqual([
      { status: 'fulfilled', value: 1 },
      { status: 'rejected', reason: error },
      { status: 'fulfilled', value: 3 },
    ])
  })

  it('fails every job when the run throws, and runs the next batch all the same', async () => {
    let isBroken = true
    const error = new Error('no commit')
    const { batch, endTurn } = makeBatch((jobs) => {
      if (isBroken) throw error
      return double(jobs)
    })
    const results = Promise.allSettled([batch.add(1), batch.add(2)])
    endTurn()
    expect(await results).toEqual([
      { status: 'rejected', reason: error },
      { status: 'rejected', reason: error },
    ])
    isBroken = false
    const next = batch.add(3)
    endTurn()
    expect(await next).toBe(6)
  })

  it('answers nobody before an asynchronous run has ended', async () => {
    const { promise, resolve } = Promise.withResolvers<Settled<number>[]>()
    const { batch, endTurn } = makeBatch(() => promise)
    const answered: number[] = []
    const results = [1, 2].map((job) => batch.add(job).then((value) => answered.push(value)))
    endTurn()
    await new Promise(setImmediate)
    expect(answered).toEqual([])
    resolve(double([1, 2]))
    await Promise.all(results)
    expect(answered).toEqual([2, 4])
  })

  it('fails every job when an asynchronous run rejects', async () => {
    const error = new Error('no commit')
    const { batch, endTurn } = makeBatch(() => Promise.reject(error))
    const results = Promise.allSettled([batch.add(1), batch.add(2)])
    endTurn()
    expect((await results).map((each) => each.status === 'rejected' && each.reason)).toEqual([error, error])
  })

  it('gathers the next batch while an asynchronous one still runs', async () => {
    const { promise, resolve } = Promise.withResolvers<Settled<number>[]>()
    const { batch, batches, endTurn } = makeBatch((jobs) => (jobs[0] === 1 ? promise : double(jobs)))
    const first = batch.add(1)
    endTurn()
    const second = batch.add(2)
    endTurn()
    expect(await second).toBe(4)
    resolve(double([1]))
    expect(await first).toBe(2)
    expect(batches).toEqual([[1], [2]])
  })

  it('fails a job to which the run gave no result, rather than leave it waiting', async () => {
    const { batch, endTurn } = makeBatch((jobs) => double(jobs.slice(1)))
    const results = Promise.allSettled([batch.add(1), batch.add(2)])
    endTurn()
    expect((await results).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  it('begins the next batch with what a run left undone, where that is allowed', async () => {
    const turns: (() => void)[] = []
    const batches: (readonly number[])[] = []
    const batch = createTurnBatch<number, number>({
      run: (jobs) => {
        batches.push(jobs)
        return double(jobs.slice(0, 2))
      },
      schedule: (flush) => turns.push(flush),
      limit: 3,
      mayStopEarly: true,
    })
    const results = [1, 2, 3, 4].map((job) => batch.add(job))
    turns.shift()?.()
    expect(turns).toHaveLength(1)
    turns.shift()?.()
    expect(await Promise.all(results)).toEqual([2, 4, 6, 8])
    expect(batches).toEqual([
      [1, 2, 3],
      [3, 4],
    ])
    expect(turns).toHaveLength(0)
  })

  it('takes a job that a run adds into the next batch', async () => {
    const added: Promise<number>[] = []
    const { batch, batches, endTurn } = makeBatch((jobs) => {
      if (jobs[0] === 1) added.push(batch.add(9))
      return double(jobs)
    })
    const first = batch.add(1)
    endTurn()
    endTurn()
    expect(await Promise.all([first, ...added])).toEqual([2, 18])
    expect(batches).toEqual([[1], [9]])
  })

  it.each([
    ['setImmediate', (flush: () => void) => void setImmediate(flush)],
    ['queueMicrotask', queueMicrotask],
  ])('runs by itself when scheduled with %s', async (_name, schedule) => {
    const batches: (readonly number[])[] = []
    const run = (jobs: readonly number[]) => {
      batches.push(jobs)
      return double(jobs)
    }
    const batch = createTurnBatch<number, number>({ run, schedule, limit: 100 })
    expect(await Promise.all([batch.add(1), batch.add(2)])).toEqual([2, 4])
    expect(batches).toEqual([[1, 2]])
  })
})
