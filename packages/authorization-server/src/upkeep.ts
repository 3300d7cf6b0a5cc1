import type { ServerContext } from './context.ts'
import type { LeakSender } from './leaks/webhook.ts'

const auditIntervalMs = 200
const keysIntervalMs = 5_000
const statusListsIntervalMs = 1_000
const purgeIntervalMs = 30_000
const usesIntervalMs = 60_000
const noticesIntervalMs = 1_000
const auditPage = 200
const purgePage = 500

/**
 * The work of a node besides requests: it numbers what was taken back and the audit log, keeps the keys fresh, deletes what is past
 * its time. Any number of nodes may do it beside each other. A failure is tried again the next time, for each step stands by itself.
 */
export function startUpkeep(context: ServerContext): () => Promise<void> {
  const { store, keys, statusLists } = context
  const loops = [
    context.sequencer.start((error) => noteFault(context, 'feed', error)),
    context.feed.start(),
    startLoop(context, 'sequencer', auditIntervalMs, async (isEnding) => {
      // An idle node writes nothing.
      if (await store.isAuditNumbered(undefined)) return
      while ((await store.numberAudit(auditPage)).numbered === auditPage && !isEnding());
    }),
    startLoop(context, 'keys', keysIntervalMs, async () => {
      await keys.maintain()
      await keys.maintainEvents()
    }),
    watchKeys(context),
    // Until nothing is left: rows expire as fast as they are made, and a page a time could fall behind.
    startLoop(context, 'purge', purgeIntervalMs, async (isEnding) => {
      while ((await store.purgeExpired(purgePage)).deleted >= purgePage && !isEnding());
    }),
    ...(context.leakSender === undefined ? [] : [startNotices(context, context.leakSender)]),
    // One write a minute for all that was used, and one at the end.
    startLoop(context, 'uses', usesIntervalMs, () => context.secretUses.flush()),
  ]
  if (statusLists !== undefined)
    loops.push(startLoop(context, 'status lists', statusListsIntervalMs, statusLists.publishDue))
  return async () => {
    await Promise.all(loops.map((stop) => stop()))
    await context.secretUses.flush().catch((error: unknown) => noteFault(context, 'uses', error))
  }
}

/** Tells of leaks, where somebody wants to know. */
function startNotices(context: ServerContext, { sendDue }: LeakSender): () => Promise<void> {
  return startLoop(context, 'leak notices', noticesIntervalMs, async (isEnding) => {
    const { failed, why } = await sendDue(isEnding)
    if (failed > 0) throw new Error(`${failed} did not arrive, and are tried again: ${why}`)
  })
}

/** Reads the keys as soon as anything was taken back, for it may have been one of them: a withdrawn key signs and proves nothing. */
function watchKeys(context: ServerContext): () => Promise<void> {
  let seen: number | undefined
  let reading: Promise<void> | undefined
  const unwatch = context.sequencer.watch((position) => {
    // While they are read: the next look, moments later, finds that there is more.
    if (position === undefined || position.head === seen || reading !== undefined) return
    seen = position.head
    reading = context.keys
      .maintain()
      .catch((error: unknown) => noteFault(context, 'keys', error))
      .finally(() => {
        reading = undefined
      })
  })
  return async () => {
    unwatch()
    await reading
  }
}

function noteFault(context: ServerContext, name: string, error: unknown): void {
  const fault = error instanceof Error ? `${error.name}: ${error.message}` : 'not an error'
  context.journal.write({ endpoint: `upkeep ${name}`, fault: fault.slice(0, 300) })
}

function startLoop(
  context: ServerContext,
  name: string,
  intervalMs: number,
  work: (isEnding: () => boolean) => Promise<void>,
): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let busy = false
  let ending = false
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    running = work(() => ending)
      .catch((error: unknown) => noteFault(context, name, error))
      .finally(() => {
        busy = false
      })
  }, intervalMs)
  timer.unref()
  return async () => {
    ending = true
    clearInterval(timer)
    await running
  }
}
