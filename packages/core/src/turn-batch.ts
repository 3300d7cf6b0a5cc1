/**
 * What arrives in one turn of the event loop goes through together: one transaction, one tight loop of signatures. A signature
 * costs about twice as much between other work as in a loop, and one commit for many requests is what makes durability cheap.
 */
export interface TurnBatch<Job, Result> {
  /** Adds a job to the turn at hand; settles when the whole batch has run. */
  add(job: Job): Promise<Result>
}

/** How one job of a batch ended. */
export type Settled<Result> =
  | { readonly ok: true; readonly value: Result | PromiseLike<Result> }
  | { readonly ok: false; readonly error: unknown }

export interface TurnBatchOptions<Job, Result> {
  /** Runs all jobs, in the order of arrival, and says for each how it ended. A throw fails every job of the batch. */
  readonly run: (jobs: readonly Job[]) => readonly Settled<Result>[] | Promise<readonly Settled<Result>[]>
  /** When to run: `setImmediate` gathers a turn's requests, `queueMicrotask` what one round of continuations asks for. */
  readonly schedule: (flush: () => void) => void
  /** Jobs in one batch at the most; the rest goes into the next. */
  readonly limit: number
  /**
   * Whether a run that answers at once may settle only the first of its jobs, one at least, so that it does not hold the event loop:
   * the others begin the next batch.
   */
  readonly mayStopEarly?: boolean
}

interface Waiting<Job, Result> {
  readonly job: Job
  readonly resolve: (value: Result | PromiseLike<Result>) => void
  readonly reject: (error: unknown) => void
}

export function createTurnBatch<Job, Result>(options: TurnBatchOptions<Job, Result>): TurnBatch<Job, Result> {
  const { run, schedule, limit } = options
  let waiting: Waiting<Job, Result>[] = []
  let scheduled = false

  const flush = (): void => {
    scheduled = false
    const batch = waiting.length <= limit ? waiting : waiting.slice(0, limit)
    waiting = waiting.length <= limit ? [] : waiting.slice(limit)
    if (waiting.length > 0) scheduleFlush()
    settle(batch, () => run(batch.map((entry) => entry.job)), options.mayStopEarly === true ? putBack : undefined)
  }

  const putBack = (rest: readonly Waiting<Job, Result>[]): void => {
    waiting = [...rest, ...waiting]
    scheduleFlush()
  }

  const scheduleFlush = (): void => {
    if (scheduled) return
    scheduled = true
    schedule(flush)
  }

  return {
    add(job) {
      return new Promise<Result>((resolve, reject) => {
        waiting.push({ job, resolve, reject })
        scheduleFlush()
      })
    },
  }
}

function settle<Job, Result>(
  batch: readonly Waiting<Job, Result>[],
  run: () => readonly Settled<Result>[] | Promise<readonly Settled<Result>[]>,
  putBack: ((rest: readonly Waiting<Job, Result>[]) => void) | undefined,
): void {
  let results: readonly Settled<Result>[] | Promise<readonly Settled<Result>[]>
  try {
    results = run()
  } catch (error) {
    rejectAll(batch, error)
    return
  }
  if (results instanceof Promise) {
    results.then(
      (settled) => deliver(batch, settled),
      (error: unknown) => rejectAll(batch, error),
    )
  } else if (putBack !== undefined && results.length > 0 && results.length < batch.length) {
    putBack(batch.slice(results.length))
    deliver(batch.slice(0, results.length), results)
  } else {
    deliver(batch, results)
  }
}

function deliver<Job, Result>(batch: readonly Waiting<Job, Result>[], results: readonly Settled<Result>[]): void {
  for (const [index, entry] of batch.entries()) {
    const result = results[index]
    if (result?.ok) entry.resolve(result.value)
    else entry.reject(result?.error ?? new Error('the batch gave no result for this job'))
  }
}

function rejectAll<Job, Result>(batch: readonly Waiting<Job, Result>[], error: unknown): void {
  for (const entry of batch) entry.reject(error)
}
