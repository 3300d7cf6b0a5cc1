import { askInTurn, awaitTurn, ClientError, memoryStore, OAuthError } from '@arctos/client'
import { describe, expect, it } from 'vitest'

/** One process that is asking the user until it is told how that ends. */
async function startAsking() {
  const turn = memoryStore()
  const user = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const ask = () => {
    begun.resolve()
    return user.promise
  }
  const first = askInTurn({ turn, ask })
  first.catch(() => undefined)
  await begun.promise
  return { turn, user, first }
}

/** Another one that comes meanwhile. */
async function startWaiting(turn: ReturnType<typeof memoryStore>, signal?: AbortSignal) {
  const waits = Promise.withResolvers<void>()
  let asked = 0
  const ask = async () => void asked++
  const result = askInTurn({ turn, ask, onWait: waits.resolve, ...(signal && { signal }) })
  result.catch(() => undefined)
  await waits.promise
  return { result, asked: () => asked }
}

describe('many processes that need the user', () => {
  it('ask once, and all are served', async () => {
    const { turn, user, first } = await startAsking()
    const others = await Promise.all([1, 2, 3].map(() => startWaiting(turn)))
    user.resolve()
    expect(await first).toBe('asked')
    expect(await Promise.all(others.map(({ result }) => result))).toEqual(['waited', 'waited', 'waited'])
    expect(others.map(({ asked }) => asked())).toEqual([0, 0, 0])
  })

  it('are all refused by one no of the user', async () => {
    const { turn, user, first } = await startAsking()
    const other = await startWaiting(turn)
    user.reject(new OAuthError('access_denied', 'The user said no', { status: undefined, receipt: undefined }))
    await expect(first).rejects.toMatchObject({ error: 'access_denied' })
    await expect(other.result).rejects.toMatchObject({ error: 'access_denied', description: 'The user said no' })
    expect(other.asked()).toBe(0)
  })

  it('give up together when nobody answers', async () => {
    const { turn, user } = await startAsking()
    const other = await startWaiting(turn)
    user.reject(new ClientError('login_timeout', 'nobody finished the login within 5 ms'))
    await expect(other.result).rejects.toMatchObject({ code: 'login_timeout' })
    expect(other.asked()).toBe(0)
  })

  it('ask again when the one that was asking is told to stop', async () => {
    const { turn, user } = await startAsking()
    const other = await startWaiting(turn)
    user.reject(new DOMException('stopped', 'AbortError'))
    expect(await other.result).toBe('asked')
    expect(other.asked()).toBe(1)
  })

  it('ask anew in a later run, whatever became of the earlier one', async () => {
    const { turn, user, first } = await startAsking()
    user.reject(new OAuthError('access_denied', undefined, { status: undefined, receipt: undefined }))
    await first.catch(() => undefined)
    expect(await askInTurn({ turn, ask: async () => undefined })).toBe('asked')
  })

  it('stop waiting when they are told to', async () => {
    const { turn, user } = await startAsking()
    const stop = new AbortController()
    const other = await startWaiting(turn, stop.signal)
    stop.abort()
    await expect(other.result).rejects.toMatchObject({ name: 'AbortError' })
    user.resolve()
  })

  it('may only wait, and do not ask themselves', async () => {
    const { turn, user } = await startAsking()
    const waits = Promise.withResolvers<void>()
    const waited = awaitTurn({ turn, onWait: waits.resolve })
    await waits.promise
    user.resolve()
    expect(await waited).toBe(true)
    expect(await awaitTurn({ turn })).toBe(false)
    expect(await turn.lease('anybody', 1_000)).toBe(true)
  })
})
