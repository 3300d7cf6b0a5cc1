import { type ResourceServer, resourceServer } from '@arctos/resource-server'
import { type FuzzInput, type Material, nextInput, strategyNames } from './fuzz-inputs.ts'
import { createFuzzIssuer, type FuzzIssuer, resource } from './fuzz-issuer.ts'
import { type Chance, createChance } from './fuzz-random.ts'

/** Asks a guard; `undefined` where the connection was cut without an answer. */
export type AskGuard = (input: FuzzInput) => Promise<number | undefined>

/** What came of many inputs. */
export interface FuzzOutcome {
  readonly count: number
  readonly letIn: number
  readonly refused: number
  readonly cut: number
  readonly byStrategy: Readonly<Record<string, number>>
  /** A sentence for each input that was answered wrong, at most ten, with the input. */
  readonly problems: readonly string[]
}

/** A guard, and the world in which it is asked. */
export interface FuzzWorld {
  readonly api: ResourceServer<'read' | 'write'>
  readonly issuer: FuzzIssuer
  readonly chance: Chance
  readonly now: () => number
  readonly advance: (ms: number) => void
}

export function createFuzzWorld(seed: number): FuzzWorld {
  const chance = createChance(seed)
  const issuer = createFuzzIssuer(chance)
  let nowMs = Date.UTC(2030, 0, 1)
  const now = () => nowMs
  const api = resourceServer({
    resource,
    authorizationServers: [issuer.issuer],
    scopes: { read: 'Read', write: 'Write' },
    fetch: issuer.fetch,
    now,
    journal: () => {},
  })
  const advance = (ms: number): void => {
    nowMs += ms
  }
  return { api, issuer, chance, now, advance }
}

/** Asks the guard itself. */
export function askInProcess({ api }: FuzzWorld): AskGuard {
  const decide = api.guard({ scope: 'read' })
  return async ({ method, query, authorization }) => {
    const decision = await decide({ method, url: `/read${query}`, headers: { authorization: [...authorization] } })
    return decision.ok ? 200 : decision.status
  }
}

const roundSize = 1_000
const answerLimitMs = 20_000
const problemLimit = 10
const goodTokens = 4

/**
 * Sends inputs in rounds: those of a round at once, so that tokens of unknown keys wait for their turn together. Between rounds
 * the clock moves, so that it is their turn again.
 */
export async function fuzz(world: FuzzWorld, count: number, ask: AskGuard, roundOf = roundSize): Promise<FuzzOutcome> {
  const counts = { letIn: 0, refused: 0, cut: 0 }
  const byStrategy: Record<string, number> = Object.fromEntries(strategyNames.map((name) => [name, 0]))
  const problems: string[] = []
  const complain = (sentence: string, input: FuzzInput): void => {
    if (problems.length < problemLimit) problems.push(`${sentence}: ${JSON.stringify(input)}`)
  }
  const judge = async (input: FuzzInput): Promise<void> => {
    byStrategy[input.strategy] = (byStrategy[input.strategy] ?? 0) + 1
    let status: number | undefined
    try {
      status = await ask(input)
    } catch (error) {
      return complain(`threw ${error instanceof Error ? error.message : 'something'}`, input)
    }
    if (status === undefined) counts.cut += 1
    else if (status < 300) counts.letIn += 1
    else counts.refused += 1
    if (status !== undefined && status >= 500) complain(`answered ${status}`, input)
    if (status !== undefined && status < 300 && input.letIn === 'never') complain('let in', input)
    if (status !== 200 && input.letIn === 'must') complain(`refused a good token with ${status}`, input)
  }

  for (let done = 0; done < count; done += roundOf) {
    const material = materialOf(world, done)
    const inputs = Array.from({ length: Math.min(roundOf, count - done) }, () => nextInput(world.chance, material))
    await withinLimit(Promise.all(inputs.map(judge)), done)
    world.advance(roundStepMs)
  }
  return { count, ...counts, byStrategy, problems }
}

const roundStepMs = 3_000

function materialOf({ issuer, now }: FuzzWorld, round: number): Material {
  const nowSeconds = Math.floor(now() / 1_000)
  const header = JSON.stringify(issuer.header())
  const tokens = Array.from({ length: goodTokens }, (_, number) =>
    issuer.sign(header, JSON.stringify(issuer.claims(nowSeconds, `good-${round}-${number}`))),
  )
  return { issuer, nowSeconds, tokens }
}

async function withinLimit(work: Promise<unknown>, done: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${answerLimitMs} ms, after ${done} inputs`)),
    answerLimitMs,
  )
  try {
    await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
