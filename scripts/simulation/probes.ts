import { type AccessToken, checkAccessTokenClaims, Refusal, strictJudge } from '@arctos/core'
import { createFeedGate, type GatedFeed } from '../../packages/resource-server/src/feed/feed-gate.ts'
import { defaultRule } from '../../packages/resource-server/src/feed/rule.ts'
import type { RevocationState } from '../../packages/resource-server/src/verification/revocation-state.ts'
import { headAt, type Line } from './exchange.ts'
import { placeOf } from './model-guard.ts'
import { fleet, receiver as times } from './setting.ts'
import { audience, beginning, issuer, ledgerRowOf } from './sizes.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { isIn, type World } from './world.ts'

/** What came of requests with tokens that were taken back. */
export interface Probes {
  probes: number
  letIn: number
  readonly violations: string[]
}

export interface ProbeOptions {
  readonly line: Line
  readonly clock: VirtualClock
  readonly state: RevocationState
  readonly feed: Omit<GatedFeed, 'rule'>
  readonly guard: number
  readonly from: number
  readonly isStopped: () => boolean
}

const everyMs = 200
const behaviours = ['introspect or accept', 'refuse', 'accept'] as const

/** Sends a request with each token that is taken back, again and again until one is refused: through the gate of a guard. */
export function startProbes(options: ProbeOptions, found: Probes): void {
  const { line, clock, state, guard, from, isStopped } = options
  const { world, resource } = line
  const list = world.told[resource] as Int32Array
  const elapsed = clock.now
  const whenStale = behaviours[guard % behaviours.length] ?? 'refuse'
  const feed = { ...options.feed, rule: { ...defaultRule, whenStale } }
  const gate = createFeedGate({
    feeds: new Map([[issuer, feed]]),
    revocations: state,
    elapsed,
    ask() {
      const isCut = isIn(line.partitions, elapsed()) || isIn(world.failovers, elapsed())
      return Promise.reject(new Refusal(isCut ? 'introspection.unavailable' : 'token.inactive', { check: 'simulated' }))
    },
    write() {},
  })
  const boundMs = whenStale === 'refuse' ? times.staleAfterMs : times.unavailableAfterMs
  const isLetIn = async (access: AccessToken): Promise<boolean> => {
    try {
      state.judge(access, strictJudge)
      await gate(access, {
        token: '',
        issuers: new Map(),
        now: Math.floor(beginning + elapsed() / 1_000),
        judge: strictJudge,
        proven() {},
      })
      return true
    } catch (error) {
      if (error instanceof Refusal) return false
      throw error
    }
  }
  const probe = async (access: AccessToken, acknowledged: number): Promise<void> => {
    if (isStopped()) return
    found.probes += 1
    if (!(await isLetIn(access))) return
    found.letIn += 1
    const age = elapsed() - acknowledged
    if (age >= boundMs) found.violations.push(`${whenStale}: let in ${Math.round(age)} ms after the acknowledgement`)
    clock.schedule(elapsed() + everyMs, () => void probe(access, acknowledged))
  }
  const probeFrom = (place: number): void => {
    const number = list[place]
    if (number === undefined || isStopped()) return
    const acknowledged = world.acknowledged[number] as number
    clock.schedule(acknowledged, () => {
      probeFrom(place + 1)
      void probe(tokenOf(world, number), acknowledged)
    })
  }
  probeFrom(placeOf(list, headAt(world, from)))
}

/** A token that an entry ends, from just before. */
export function tokenOf(world: World, number: number): AccessToken {
  const atMs = world.acknowledged[number] as number
  const { entry } = ledgerRowOf(number, atMs, world.resource[number] === -1)
  const iat = Math.floor(beginning + atMs / 1_000)
  const claims = {
    iss: issuer,
    aud: audience,
    sub: ('userId' in entry && entry.userId) || 'user',
    client_id: 'clientId' in entry ? entry.clientId : 'client',
    jti: `j${number}`,
    iat,
    exp: iat + fleet.longestTokenLifeSeconds,
    ...('grantId' in entry ? { grant_id: entry.grantId } : {}),
  }
  const expected = { issuer, audience, clockToleranceSeconds: fleet.clockToleranceSeconds, allowUntyped: false }
  return checkAccessTokenClaims(claims, expected, iat)
}
