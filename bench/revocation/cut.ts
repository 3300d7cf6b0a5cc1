import { openConnection } from '../token/connection.ts'
import { get, obtain, pause, until } from './calls.ts'
import type { Running } from './processes.ts'

/** What a guard did after its feed was cut, in seconds after the cut. */
export interface CutOutcome {
  /** When a strict route began to answer 503. */
  readonly strictAfter: number
  /** When a usual route began to. */
  readonly usualAfter: number
  /** Whether every call before was accepted, and none was ever answered 401. */
  readonly isClean: boolean
  /** From the moment that the feed was back to the first acceptance. */
  readonly backAfter: number
}

/** Stops the issuer (it hangs, which is worse than being gone), watches both routes, lets it go on. */
export async function cutFeed(issuer: Running, guard: Running, limitSeconds: number): Promise<CutOutcome> {
  const asking = await openConnection(issuer.port)
  const token = await obtain(asking)
  asking.close()
  await until(guard.port, '/strict', token, 200, 10_000)
  const connection = await openConnection(guard.port)
  const ask = async (path: string): Promise<number> => (await connection.send(get(path, token))).status
  if ((await ask('/')) !== 200 || (await ask('/strict')) !== 200) throw new Error('a fresh token was not accepted')
  issuer.child.kill('SIGSTOP')
  const cutAt = performance.now()
  const seconds = (): number => (performance.now() - cutAt) / 1_000
  let strictAfter = Number.NaN
  let usualAfter = Number.NaN
  let isClean = true
  while (seconds() < limitSeconds && Number.isNaN(usualAfter)) {
    const [strict, usual] = [await ask('/strict'), await ask('/')]
    if (strict === 503 && Number.isNaN(strictAfter)) strictAfter = seconds()
    if (usual === 503) usualAfter = seconds()
    if (![200, 503].includes(strict) || ![200, 503].includes(usual)) isClean = false
    if (strict === 200 && !Number.isNaN(strictAfter)) isClean = false
    await pause(20)
  }
  issuer.child.kill('SIGCONT')
  const backAt = performance.now()
  while ((await ask('/strict')) !== 200 && performance.now() - backAt < 30_000) await pause(20)
  const backAfter = (performance.now() - backAt) / 1_000
  connection.close()
  return { strictAfter, usualAfter, isClean, backAfter }
}
