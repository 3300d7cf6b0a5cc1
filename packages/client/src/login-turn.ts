import { randomBytes } from 'node:crypto'
import { parseJsonObjectText, readString, Secret } from '@arctos/core'
import { ClientError, OAuthError } from './errors.ts'
import { keepLease, leaseMs, lookAgainMs } from './session-lease.ts'
import type { SessionStore } from './session-store.ts'

/**
 * How several processes that need the user ask once. The store of the turn is one of its own, a file for instance: its lease is
 * the right to ask, and how the asking ended is noted in it. Nothing of the session gets into it.
 */
export interface LoginTurn {
  readonly turn: SessionStore
  /** Called once, when it turns out that another process is asking. */
  readonly onWait?: () => void
  /** Gives up waiting for the other process. */
  readonly signal?: AbortSignal
}

/**
 * Runs `ask`, which logs the user in and stores the session, unless another process does so already: then waits for that one and
 * returns `waited`, or throws as it failed. If the other process ends without a word, this one asks. One browser tab, that is, for
 * however many processes (RFC 8252 §7.3 has each listen on a port of its own).
 */
export async function askInTurn(
  options: LoginTurn & { readonly ask: () => Promise<unknown> },
): Promise<'asked' | 'waited'> {
  const { turn, ask } = options
  const owner = newName()
  if (!(await takeTurn(options, owner))) return 'waited'
  const stopRenewing = keepLease(turn, owner)
  let end: End | undefined
  try {
    await ask()
    end = { outcome: 'logged in' }
    return 'asked'
  } catch (error) {
    end = endOf(error)
    throw error
  } finally {
    await stopRenewing()
    if (end !== undefined) await note(turn, end)
    // If that fails, it ends by itself.
    await turn.lease(owner, 0).catch(() => undefined)
  }
}

/** Waits while another process asks the user. Returns whether one did; throws as it failed. */
export async function awaitTurn(options: LoginTurn): Promise<boolean> {
  const owner = newName()
  let waited = false
  const onWait = (): void => {
    waited = true
    options.onWait?.()
  }
  if (await takeTurn({ ...options, onWait }, owner)) await options.turn.lease(owner, 0)
  return waited
}

/** Takes the lease; or waits until another process has noted how its asking ended, and returns `false`. */
async function takeTurn({ turn, onWait, signal }: LoginTurn, owner: string): Promise<boolean> {
  const before = (await turn.read())?.reveal()
  let changed: () => void = () => undefined
  let stopWatching: (() => void) | undefined
  try {
    for (;;) {
      signal?.throwIfAborted()
      const isOurs = await turn.lease(owner, leaseMs)
      // Read after the lease was asked for: another process may have finished just before.
      const now = (await turn.read())?.reveal()
      if (now !== before && now !== undefined) {
        if (isOurs) await turn.lease(owner, 0)
        return settle(now)
      }
      if (isOurs) return true
      const pause = Promise.withResolvers<void>()
      changed = pause.resolve
      if (stopWatching === undefined) {
        onWait?.()
        stopWatching = turn.watch(() => changed())
      }
      signal?.addEventListener('abort', changed, { once: true })
      const timer = setTimeout(changed, lookAgainMs)
      await pause.promise
      clearTimeout(timer)
      signal?.removeEventListener('abort', changed)
    }
  } finally {
    stopWatching?.()
  }
}

interface End {
  readonly outcome: 'logged in' | 'refused' | 'failed'
  readonly code?: string
  readonly description?: string | undefined
}

/** What concerns everybody who waits; a process that was told to stop says nothing, and the next one asks. */
function endOf(error: unknown): End | undefined {
  if (error instanceof OAuthError) return { outcome: 'refused', code: error.error, description: error.description }
  return error instanceof ClientError && error.code === 'login_timeout'
    ? { outcome: 'failed', code: error.message }
    : undefined
}

async function note(turn: SessionStore, end: End): Promise<void> {
  const text = new Secret(JSON.stringify({ id: newName(), ...end }))
  try {
    // Only the holder of the lease writes.
    await turn.compareAndSwap(await turn.read(), text)
  } catch {
    // What cannot be noted costs the others a tab of their own; the login itself is as it is.
  }
}

function settle(text: string): false {
  const end = parseJsonObjectText(text)
  const code = (end && readString(end, 'code')) ?? 'unknown'
  const outcome = end?.['outcome']
  if (outcome === 'logged in') return false
  const description = end && readString(end, 'description')
  if (outcome === 'refused') throw new OAuthError(code, description, { status: undefined, receipt: undefined })
  throw new ClientError('login_timeout', `another process asked the user: ${code}`)
}

function newName(): string {
  return randomBytes(12).toString('hex')
}
