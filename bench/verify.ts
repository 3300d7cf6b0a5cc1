import { type Figure, median, type Report, round } from './report.ts'
import { type AlgorithmName, algorithms, makeTokens, type TokenSet } from './verify/tokens.ts'
import { awsJwtVerify, fastJwt, jose, jsonWebToken, ours, rawSignature, type Verifier } from './verify/verifiers.ts'

const rounds = 7
const tokenCount = 4_096
const cacheSize = 10_000
/** Hits are so short that one pass over the tokens says little. */
const cachedPasses = 20

/** CPU time of a raw signature check on the machine and Node of the study that the limits come from, in µs. */
const studied: Readonly<Record<AlgorithmName, number>> = { RS256: 18.6, ES256: 65.3, Ed25519: 91 }
/** How much above the raw signature a strict verification is meant to cost at the most; printed, not judged. */
const aims: Readonly<Record<AlgorithmName, number>> = { RS256: 1.25, ES256: 1.12, Ed25519: 1.1 }

const fresh = 'a fresh string'
const raw = 'raw signature'
const strict = 'Arctos, strict, no cache'
const fastestPeer = 'fastest library'
const cached = 'Arctos, cached'
const cachedPeer = 'fast-jwt, cached'
const peers = ['fast-jwt', 'jsonwebtoken', 'aws-jwt-verify', 'jose']

/** One thing to measure: how long a pass over the tokens takes. */
interface Contestant {
  readonly name: string
  readonly passes: number
  readonly run: (order: Uint16Array) => void | Promise<void>
  /** µs of CPU time for one token, one a round. */
  readonly costs: number[]
}

type Results = ReadonlyMap<AlgorithmName, readonly Contestant[]>

/** What the check of one JWT costs beyond its signature, beside four libraries in the same run. */
export async function measure(): Promise<Report> {
  const results = new Map<AlgorithmName, readonly Contestant[]>()
  const sets = new Map(algorithms.map((algorithm) => [algorithm, makeTokens(algorithm, tokenCount)]))
  // A memory is measured while there is only one: several in one process would push each other out of the processor's caches.
  for (const [algorithm, set] of sets) {
    const each = [strings(set), one(cached, set, await ours(set, cacheSize), cachedPasses)]
    each.push(one(cachedPeer, set, fastJwt(set, cacheSize), cachedPasses))
    await runRounds(each)
    results.set(algorithm, each)
  }
  const others = new Map<AlgorithmName, readonly Contestant[]>()
  for (const [algorithm, set] of sets) others.set(algorithm, await contestants(set))
  for (const each of others.values()) await runRounds(each, 32)
  return report(others, results)
}

/** In turns of a slice of the tokens each, so that a noisy moment hits all of them alike. */
async function runRounds(each: readonly Contestant[], slices = 1): Promise<void> {
  const length = tokenCount / slices
  // The first round is for the compilers.
  for (let turn = -1; turn < rounds; turn++) {
    const order = shuffled(tokenCount)
    const sums = each.map(() => 0)
    for (let slice = 0; slice < slices; slice++) {
      const part = order.subarray(slice * length, (slice + 1) * length)
      for (const [index, contestant] of each.entries()) {
        sums[index] = (sums[index] as number) + (await cpuMicroseconds(contestant, part)) / slices
      }
    }
    if (turn < 0) continue
    for (const [index, { costs }] of each.entries()) costs.push(sums[index] as number)
  }
}

function one(name: string, set: TokenSet, verify: Verifier, passes = 1): Contestant {
  return {
    name,
    passes,
    costs: [],
    run(order) {
      for (const index of order) verify(textOf(set, index))
    },
  }
}

/** What every other row is freed of: making the string of the token. */
function strings(set: TokenSet): Contestant {
  return one(fresh, set, (token) => token, cachedPasses)
}

async function contestants(set: TokenSet): Promise<readonly Contestant[]> {
  const verifyRaw = rawSignature(set)
  const mustVerify = await ours(set, 0)
  const verifyJose = jose(set)
  return [
    strings(set),
    {
      name: raw,
      passes: 1,
      costs: [],
      run(order) {
        for (const index of order) verifyRaw(index)
      },
    },
    one(strict, set, (token) => {
      if (mustVerify(token) instanceof Promise) throw new Error('not answered at once')
    }),
    one('fast-jwt', set, fastJwt(set, 0)),
    ...(set.alg === 'EdDSA' ? [] : [one('jsonwebtoken', set, jsonWebToken(set))]),
    one('aws-jwt-verify', set, awsJwtVerify(set)),
    {
      name: 'jose',
      passes: 1,
      costs: [],
      async run(order) {
        for (const index of order) await verifyJose(textOf(set, index))
      },
    },
  ]
}

/** A string of its own each time, as a parser of HTTP makes it. */
function textOf({ tokens }: TokenSet, index: number): string {
  return (tokens[index] as Buffer).toString('latin1')
}

async function cpuMicroseconds({ run, passes }: Contestant, order: Uint16Array): Promise<number> {
  const before = process.cpuUsage()
  for (let pass = 0; pass < passes; pass++) await run(order)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / (passes * order.length)
}

/** The numbers below `count`, each once, in random order. */
function shuffled(count: number): Uint16Array {
  const order = Uint16Array.from({ length: count }, (_, index) => index)
  for (let at = count - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1))
    const moved = order[at] as number
    order[at] = order[other] as number
    order[other] = moved
  }
  return order
}

function report(verified: Results, remembered: Results): Report {
  /** µs over the bare string, one a round. */
  const costs = (algorithm: AlgorithmName, name: string): readonly number[] => {
    const from = name === cached || name === cachedPeer ? remembered : verified
    const [base, ...others] = from.get(algorithm) ?? []
    if (name === fastestPeer) {
      const each = peers.map((peer) => costs(algorithm, peer)).filter((values) => values.length > 0)
      return Array.from({ length: rounds }, (_, turn) => Math.min(...each.map((values) => values[turn] as number)))
    }
    const own = others.find((other) => other.name === name)?.costs ?? []
    return name === raw ? own : own.map((value, turn) => value - (base?.costs[turn] as number))
  }
  const combine = (above: readonly number[], below: readonly number[], of: (a: number, b: number) => number) =>
    above.map((value, turn) => of(value, below[turn] as number))
  /** How much slower this machine is than the study's, now. */
  const scale = (algorithm: AlgorithmName): number => median(costs(algorithm, raw)) / studied[algorithm]

  const figures: Figure[] = [
    ...algorithms.map(
      (algorithm): Figure => ({
        name: `${algorithm} above the raw signature`,
        limit: 8,
        unit: ' µs',
        must: 'not exceed',
        rounds: combine(costs(algorithm, strict), costs(algorithm, raw), (a, b) => (a - b) / scale(algorithm)),
      }),
    ),
    ...(['RS256', 'ES256'] as const).map(
      (algorithm): Figure => ({
        name: `${algorithm} to the fastest library`,
        limit: 1.2,
        unit: '×',
        must: 'reach',
        rounds: combine(costs(algorithm, fastestPeer), costs(algorithm, strict), (a, b) => a / b),
      }),
    ),
    {
      name: 'cached',
      limit: 1.3,
      unit: ' µs',
      must: 'not exceed',
      rounds: costs('ES256', cached).map((value) => value / scale('RS256')),
    },
    {
      name: 'cached to fast-jwt',
      limit: 2,
      unit: '×',
      must: 'reach',
      rounds: combine(costs('ES256', cachedPeer), costs('ES256', cached), (a, b) => a / b),
    },
  ]
  const rowOf = (algorithm: AlgorithmName, { name }: Contestant): readonly string[] => {
    const own = costs(algorithm, name)
    const toRaw = median(combine(own, costs(algorithm, raw), (a, b) => a / b))
    const toOurs = median(combine(own, costs(algorithm, name === cachedPeer ? cached : strict), (a, b) => a / b))
    return [
      algorithm,
      name,
      round(median(own)),
      round(Math.min(...own)),
      name === strict || peers.includes(name) ? percent(toRaw) : '',
      name === strict ? percent(aims[algorithm]) : '',
      peers.includes(name) || name === cachedPeer ? `${round(toOurs)} ×` : '',
    ]
  }
  const rows = algorithms.flatMap((algorithm) =>
    [...(verified.get(algorithm) ?? []), ...(remembered.get(algorithm) ?? [])]
      .filter(({ name }) => name !== fresh)
      .map((each) => rowOf(algorithm, each)),
  )
  const lengths = algorithms.map((algorithm) => `${algorithm} ${tokenLength(algorithm)}`)
  return {
    title: `CPU time to check one JWT, µs: ${tokenCount} tokens in random order, medians of ${rounds} interleaved rounds`,
    columns: ['algorithm', 'verifier', 'µs', 'lowest', 'above raw', 'aim', 'to ours'],
    rows,
    figures,
    notes: [
      `Every row but the raw signature is given without what making the token's string costs. Tokens: ${lengths.join(', ')} characters.`,
      `Limits in µs are scaled by this run's raw signature over the study's: ${algorithms.map((each) => `${each} ${round(scale(each))}`).join(', ')}.`,
      ...figures.map(
        ({ name, rounds: each, limit, unit, must }) =>
          `${name}: ${round(median(each))}${unit}, ${must === 'reach' ? 'at least' : 'at most'} ${limit}${unit}`,
      ),
    ],
  }
}

function tokenLength(algorithm: AlgorithmName): number {
  return makeTokens(algorithm, 1).tokens[0]?.length ?? 0
}

function percent(ratio: number): string {
  const above = Math.round((ratio - 1) * 100)
  return `${above < 0 ? '' : '+'}${above} %`
}
