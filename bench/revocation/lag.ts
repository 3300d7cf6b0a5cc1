import { type Connection, openConnection } from '../token/connection.ts'
import { get, obtain, pause, redeem, revoke, until } from './calls.ts'
import { codesOf } from './processes.ts'
import type { Site } from './site.ts'

/** Calls to each guard, besides those that are watched, in a second. */
export const loadPerSecond = 200
const backgroundTokens = 20
/** A watched token is shown again so long after each answer, in milliseconds. */
const watchEveryMs = 1
/** After so long a guard that still accepts has failed, in milliseconds. */
const patienceMs = 20_000

export interface Lags {
  /** From the acknowledged revocation to the last acceptance, in milliseconds; one for each round and guard; 0: none after it. */
  readonly lags: readonly number[]
  /** Calls of the background load that ended otherwise than accepted. */
  readonly wrong: number
  readonly calls: number
}

/** What is taken back: a token, by its client; or a user's grant, by its refresh token, with the access token that came of it. */
export type TakenBack = 'tokens' | 'grants'

/**
 * Takes back one after the other while every guard is shown the token all the time. All times are of this process's clock, and an
 * acceptance counts when its answer arrives, which is later than when it was decided.
 */
export async function measureLags({ issuer, guardPorts }: Site, rounds: number, what: TakenBack): Promise<Lags> {
  const connection = await openConnection(issuer.port)
  const codes = what === 'grants' ? await codesOf(issuer, rounds) : []
  for (const port of guardPorts) await until(port, '/', await obtain(connection), 200, 10_000)
  const load = await startLoad(connection, guardPorts)
  const lags: number[] = []
  try {
    for (let round = 0; round < rounds; round++) {
      const code = codes[round]
      const grant = code === undefined ? undefined : await redeem(connection, code)
      const token = grant?.access_token ?? (await obtain(connection))
      const watches = await Promise.all(guardPorts.map((port) => watch(port, token)))
      await pause(10 + (round % 7) * 5)
      await revoke(connection, grant?.refresh_token ?? token)
      const acknowledged = performance.now()
      const last = await Promise.all(watches.map((each) => each.lastAcceptance()))
      lags.push(...last.map((at) => Math.max(0, at - acknowledged)))
    }
  } finally {
    await load.stop()
    connection.close()
  }
  return { lags, wrong: load.wrong(), calls: load.calls() }
}

interface Watch {
  /** When the last acceptance arrived; resolves once the token was refused three times running. */
  readonly lastAcceptance: () => Promise<number>
}

/** Shows a token to a guard all the time. Resolves once it was accepted for the first time. */
async function watch(port: number, token: string): Promise<Watch> {
  const connection = await openConnection(port)
  const request = get('/', token)
  const first = await connection.send(request)
  if (first.status !== 200) throw new Error(`a fresh token was answered with ${first.status}`)
  let last = performance.now()
  const started = last
  const ended = (async () => {
    for (let refusals = 0; refusals < 3; ) {
      await pause(watchEveryMs)
      const { status } = await connection.send(request)
      if (status === 200) {
        last = performance.now()
        refusals = 0
      } else if (status === 401) refusals += 1
      else throw new Error(`a revoked token was answered with ${status}`)
      if (last - started > patienceMs) throw new Error('a revoked token was still accepted after 20 s')
    }
    connection.close()
    return last
  })()
  ended.catch(() => undefined)
  return { lastAcceptance: () => ended }
}

interface Load {
  readonly stop: () => Promise<void>
  readonly wrong: () => number
  readonly calls: () => number
}

/** A steady stream of good calls to every guard, with tokens that stay good. */
async function startLoad(issuer: Connection, guardPorts: readonly number[]): Promise<Load> {
  const tokens: string[] = []
  while (tokens.length < backgroundTokens) tokens.push(await obtain(issuer))
  let running = true
  let wrong = 0
  let calls = 0
  const loops = guardPorts.flatMap((port) =>
    [0, 1].map(async (offset) => {
      const connection = await openConnection(port)
      const everyMs = 2_000 / loadPerSecond
      let next = performance.now()
      for (let turn = offset; running; turn++) {
        const { status } = await connection.send(get('/', tokens[turn % tokens.length] as string))
        calls += 1
        if (status !== 200) wrong += 1
        next = Math.max(next + everyMs, performance.now() - 100)
        await pause(Math.max(0, next - performance.now()))
      }
      connection.close()
    }),
  )
  return {
    async stop() {
      running = false
      await Promise.all(loops)
    },
    wrong: () => wrong,
    calls: () => calls,
  }
}
