import { type JsonObject, type Judge, Refusal, refusalRow, sha256Base64url } from '@arctos/core'
import type { GuardMetrics } from '../reports/metrics.ts'
import { createCircuitBreaker } from './circuit-breaker.ts'
import { askEndpoint, type IntrospectionEndpointOptions, type IntrospectionEndpointPorts } from './endpoint.ts'
import { createIntrospectionMemory, type Told } from './memory.ts'
import { createSeats } from './seats.ts'

/** Asks an authorization server about tokens (RFC 7662). */
export interface Introspection {
  /**
   * What the issuer says of an active token; `undefined` for any other. Rejects with `introspection.unavailable`, or with
   * `keys.unavailable` where a signed answer cannot be verified.
   */
  ask(token: string, options?: AskOptions): Promise<JsonObject | undefined>
}

export interface AskOptions {
  /** Asks the issuer now: neither an answer that is remembered counts, nor one to a question asked before this one. */
  readonly fresh?: boolean | undefined
  /** Told where the answer came from. */
  readonly judge?: Judge | undefined
}

export interface IntrospectionPorts extends IntrospectionEndpointPorts {
  readonly metrics: Pick<GuardMetrics, 'introspected'>
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
}

/** So many questions are under way at a time, and so many more wait for their turn, so long. */
const crowd = { count: 100, waitingLimit: 900, patienceMs: 2_000 }

/**
 * Requests for one token are one question, and answers are remembered for the configured times. While the issuer does not
 * answer, nobody is made to wait for it: requests are refused at once, or served from memory if the operator declared a time
 * for that. Everything is kept by the hash of the token, in this guard alone.
 */
export function createIntrospection(options: IntrospectionEndpointOptions, ports: IntrospectionPorts): Introspection {
  const { now, elapsed } = ports
  const memory = createIntrospectionMemory({ ...options, now, elapsed })
  const breaker = createCircuitBreaker(elapsed)
  const seats = createSeats({ ...crowd, elapsed })
  const pending = new Map<string, Promise<Told>>()

  const unavailable = (received: string, pauseMs = 0): Refusal =>
    new Refusal('introspection.unavailable', {
      check: 'introspection',
      expected: `an answer of ${options.issuer}`,
      received,
      retryAfterSeconds: Math.max(1, Math.ceil(pauseMs / 1_000)),
    })

  const refuseInPause = (): void => {
    const pauseMs = breaker.pauseMs()
    if (pauseMs > 0) throw unavailable('nobody is asked for now: the last questions failed', pauseMs)
  }

  const question = async (token: string, hash: string): Promise<Told> => {
    const end = breaker.begin()
    const keep = memory.asking(hash)
    let isAnswered = false
    try {
      const asked = await askEndpoint(token, hash, options, ports)
      isAnswered = !('problem' in asked) || asked.isAboutQuestion
      if ('problem' in asked) throw unavailable(asked.problem)
      keep(asked)
      return asked
    } finally {
      end(isAnswered)
    }
  }

  const questionInTurn = async (token: string, hash: string): Promise<Told> => {
    refuseInPause()
    if (!(await seats.take())) throw unavailable('too many requests wait for answers')
    try {
      // The questions before this one may have failed while it waited.
      refuseInPause()
      return await ports.metrics.introspected(() => question(token, hash))
    } finally {
      seats.free()
    }
  }

  /** Asks once for all who join before there is an answer. */
  const begin = (token: string, hash: string): Promise<Told> => {
    const asking = questionInTurn(token, hash).finally(() => {
      if (pending.get(hash) === asking) pending.delete(hash)
    })
    pending.set(hash, asking)
    return asking
  }

  const tell = (told: Told, received: string, judge: Judge | undefined): JsonObject | undefined => {
    const reason = 'introspection.unavailable'
    judge?.('introspection', true, reason, `an answer of ${options.issuer}`, received)
    if (options.signed) judge?.('introspection answer', true, reason, 'signed by the issuer', told.signedBy)
    return told.claims
  }

  return {
    async ask(token, { fresh = false, judge } = {}) {
      const hash = sha256Base64url(token)
      const known = fresh ? undefined : memory.recall(hash)
      if (known?.isFresh === true) return tell(known, `remembered for ${seconds(known.ageMs)}`, judge)
      try {
        const asking = (fresh ? undefined : pending.get(hash)) ?? begin(token, hash)
        return tell(await asking, 'asked now', judge)
      } catch (error) {
        const last = fresh || !isOutage(error) ? undefined : memory.recall(hash)
        if (last === undefined) throw error
        return tell(last, `remembered for ${seconds(last.ageMs)}: the issuer does not answer`, judge)
      }
    },
  }
}

function isOutage(error: unknown): boolean {
  return error instanceof Refusal && refusalRow(error.reason).status === 503
}

function seconds(ms: number): string {
  return `${Math.floor(ms / 1_000)} s`
}
