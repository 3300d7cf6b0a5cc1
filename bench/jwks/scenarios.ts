// The tests of a key cache: each on a new issuer, with a new cache.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Issuer, makeKey, maxAgeSeconds, startIssuer } from './issuer.ts'
import type { Checker, Library } from './libraries.ts'

/** What a scenario saw: numbers, infinite where it took longer than the limit. */
export type Numbers = Readonly<Record<string, number>>

export interface Scenario {
  readonly name: string
  readonly run: (issuer: Issuer, check: Checker) => Promise<Numbers>
  readonly show: (seen: Numbers) => string
}

export const limitMs = 5_000

/** Runs a scenario of its own issuer. */
export async function runScenario({ run }: Scenario, { connect }: Library): Promise<Numbers> {
  const issuer = await startIssuer()
  try {
    return await run(issuer, connect(issuer))
  } finally {
    await issuer.close()
  }
}

const late = Symbol('late')

/** Whether a check accepts, and after how many milliseconds; infinite when it took too long. */
async function timed(checking: Promise<unknown>): Promise<{ readonly good: boolean; readonly ms: number }> {
  const startedAt = performance.now()
  const timer = new AbortController()
  const limit = sleep(limitMs, late, { signal: timer.signal }).catch(() => late)
  const end = await Promise.race([checking.then(() => true).catch(() => false), limit])
  timer.abort()
  return { good: end === true, ms: end === late ? Number.POSITIVE_INFINITY : performance.now() - startedAt }
}

async function countGood(checks: readonly Promise<unknown>[]): Promise<number> {
  return (await Promise.all(checks.map(timed))).filter(({ good }) => good).length
}

/** Tokens of keys that nobody published: each signed well, under a name of its own. */
function strangers(issuer: Issuer, count: number): readonly string[] {
  const key = makeKey()
  return Array.from({ length: count }, (_, index) => issuer.token(key, `stranger-${key.kid}-${index}`))
}

async function warm(issuer: Issuer, check: Checker): Promise<number> {
  await check(issuer.token())
  return issuer.hits()
}

const coldHerd: Scenario = {
  name: 'A cold herd',
  async run(issuer, check) {
    const good = await countGood(Array.from({ length: 200 }, () => check(issuer.token())))
    return { fetches: issuer.hits(), good }
  },
  show: ({ fetches = 0, good }) => (good === 200 ? `${fetches}` : `${fetches}, ${good} good`),
}

const warmCache: Scenario = {
  name: 'B warm',
  async run(issuer, check) {
    const before = await warm(issuer, check)
    const token = issuer.token()
    for (let count = 0; count < 100; count++) await check(token)
    return { fetches: issuer.hits() - before }
  },
  show: ({ fetches = 0 }) => `${fetches}`,
}

const unknownKeys: Scenario = {
  name: 'C unknown',
  async run(issuer, check) {
    const before = await warm(issuer, check)
    const good = await countGood(strangers(issuer, 200).map(check))
    if (good > 0) throw new Error('a stranger was accepted')
    return { fetches: issuer.hits() - before }
  },
  show: ({ fetches = 0 }) => `${fetches}`,
}

const newKeyInFlood: Scenario = {
  name: 'G new in flood',
  async run(issuer, check) {
    await warm(issuer, check)
    const tokens = strangers(issuer, 200)
    let isOver = false
    const flood = async (): Promise<void> => {
      while (!isOver) {
        await countGood(tokens.map(check))
        await sleep(20)
      }
    }
    const flooding = flood()
    await sleep(700)
    const next = makeKey()
    issuer.published.push(next.jwk)
    const seen = await acceptance(check, issuer.token(next))
    isOver = true
    await flooding
    return seen
  },
  show: showAcceptance,
}

/** How long until a good token is accepted, trying again as its sender would; and how often it was refused. */
async function acceptance(check: Checker, token: string): Promise<Numbers> {
  const startedAt = performance.now()
  for (let refused = 0; performance.now() - startedAt < limitMs; refused++) {
    if ((await timed(check(token))).good) return { ms: performance.now() - startedAt, refused }
    await sleep(50)
  }
  return { ms: Number.POSITIVE_INFINITY, refused: Number.POSITIVE_INFINITY }
}

function showAcceptance({ ms = 0, refused = 0 }: Numbers): string {
  if (ms === Number.POSITIVE_INFINITY) return `> ${limitMs / 1_000} s`
  return `${ms.toFixed(0)} ms${refused === 0 ? '' : ', refused first'}`
}

const rotation: Scenario = {
  name: 'D rotation',
  async run(issuer, check) {
    await warm(issuer, check)
    const next = makeKey()
    issuer.published.push(next.jwk)
    const { good, ms } = await timed(check(issuer.token(next)))
    return { ms: good ? ms : Number.POSITIVE_INFINITY }
  },
  show: ({ ms = 0 }) => (ms === Number.POSITIVE_INFINITY ? 'refused' : `${ms.toFixed(0)} ms`),
}

const failing: Scenario = {
  name: 'E failing',
  async run(issuer, check) {
    const before = await warm(issuer, check)
    issuer.behaviour = 'fails'
    await sleep(maxAgeSeconds * 1_000 + 100)
    let good = 0
    for (let count = 0; count < 20; count++) {
      good += await countGood([check(issuer.token())])
      await sleep(10)
    }
    return { good, fetches: issuer.hits() - before }
  },
  show: ({ good = 0, fetches = 0 }) => `${good}/20, ${fetches}`,
}

const hanging: Scenario = {
  name: 'F hanging',
  async run(issuer, check) {
    await warm(issuer, check)
    const usual = Math.min(...(await times(issuer, check, 5)))
    issuer.behaviour = 'hangs'
    await sleep(maxAgeSeconds * 1_000 + 100)
    return { ms: Math.max(...(await times(issuer, check, 20))) - usual }
  },
  show: ({ ms = 0 }) => (ms === Number.POSITIVE_INFINITY ? `refused or > ${limitMs / 1_000} s` : `${ms.toFixed(1)} ms`),
}

/** How long so many checks take, one after the other; the first that fails ends it. */
async function times(issuer: Issuer, check: Checker, count: number): Promise<readonly number[]> {
  const all: number[] = []
  while (all.length < count) {
    const { good, ms } = await timed(check(issuer.token()))
    all.push(good ? ms : Number.POSITIVE_INFINITY)
    if (!good) break
  }
  return all
}

const rotationUnderLoad: Scenario = {
  name: 'rotating',
  async run(issuer, check) {
    await warm(issuer, check)
    let signer = issuer.key
    let isOver = false
    let [checked, refused] = [0, 0]
    const send = async (): Promise<void> => {
      while (!isOver) {
        const { good } = await timed(check(issuer.token(signer)))
        checked += 1
        refused += good ? 0 : 1
        await sleep(5)
      }
    }
    const senders = Array.from({ length: 8 }, send)
    for (let turn = 0; turn < 5; turn++) {
      await sleep(400)
      signer = makeKey()
      issuer.published.push(signer.jwk)
    }
    await sleep(200)
    isOver = true
    await Promise.all(senders)
    return { refused, checked }
  },
  show: ({ refused = 0, checked = 1 }) => (refused === 0 ? '0' : `${((100 * refused) / checked).toFixed(0)} %`),
}

export const scenarios = {
  coldHerd,
  warmCache,
  unknownKeys,
  newKeyInFlood,
  rotation,
  failing,
  hanging,
  rotationUnderLoad,
}

export type ScenarioName = keyof typeof scenarios
