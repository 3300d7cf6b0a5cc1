import {
  createRecentCache,
  decodeUnverifiedSecurityEvent,
  type NoSecurityEvent,
  Refusal,
  type SecurityEvent,
  type SecurityEventExpectation,
  type SecurityEventProblem,
  type UnverifiedSecurityEvent,
  type VerificationKey,
  verifySecurityEvent,
} from '@arctos/core'
import type { KeySource } from '../keys/key-source.ts'
import type { FeedMetrics } from '../reports/feed-metrics.ts'
import { type Effect, type EffectContext, effectOf, type NoEffect, orderOf } from './effect.ts'
import type { FeedOrder } from './order.ts'
import type { SetError } from './stream.ts'

/** What became of one event. */
export type Received =
  | {
      readonly result: 'applied' | 'duplicate' | 'ignored'
      readonly jti: string
      readonly effect: Effect | undefined
      /** The event belongs to another epoch than the one that is followed. */
      readonly isOfAnotherEpoch: boolean
    }
  /** It is nobody's: it has no effect, and the sender is told why. */
  | { readonly result: 'refused'; readonly reason: SecurityEventProblem; readonly error: SetError }
  /** Our own doing: the keys of the transmitter could not be had, or the clocks are too far apart. It may come again. */
  | { readonly result: 'undecided'; readonly problem: string }

/** Judges the events of one transmitter, one by one, and puts their effects into force. */
export interface Receiver {
  receive(text: string): Promise<Received>
}

export interface ReceiverOptions extends SecurityEventExpectation {
  readonly keys: Pick<KeySource, 'held' | 'find'>
  readonly order: FeedOrder
  readonly metrics: FeedMetrics
  /** What effects are judged by, now. */
  readonly context: () => EffectContext
  /** Puts an effect into force. Throws a TypeError for one that could not be meant. */
  readonly enforce: (effect: Extract<Effect, { kind: 'revoke' | 'key' }>) => void
}

/** So many events of a transmitter that numbers none are known again, at least. */
const remembered = 10_000

export function createReceiver(options: ReceiverOptions): Receiver {
  const { order, metrics, keys, enforce } = options
  const seen = createRecentCache<string, true>(remembered)

  const verify = async (text: string): Promise<SecurityEvent | NoSecurityEvent> => {
    const unverified = decodeUnverifiedSecurityEvent(text)
    if ('problem' in unverified) return unverified
    const key = await keyOf(keys, unverified)
    if (key === undefined) return { problem: 'key' }
    return verifySecurityEvent(unverified, key, options, options.context().now)
  }

  const isRepeated = (event: SecurityEvent, place: ReturnType<FeedOrder['note']> | undefined): boolean => {
    if (place === 'duplicate' || seen.get(event.jti) === true) return true
    seen.set(event.jti, true)
    return false
  }

  /** What was said once is said; what is over is no reason to stop. */
  const settle = (event: SecurityEvent): Effect | NoEffect => {
    const effect = effectOf(event, options.context())
    if (effect.kind === 'none') return effect.why
    try {
      if (effect.kind === 'revoke' || effect.kind === 'key') enforce(effect)
    } catch (error) {
      if (error instanceof TypeError) return 'event_members'
      throw error
    }
    if (effect.kind === 'revoke' && effect.widened) metrics.widened()
    return effect
  }

  return {
    async receive(text) {
      let event: SecurityEvent | NoSecurityEvent
      try {
        event = await verify(text)
      } catch (error) {
        if (error instanceof Refusal) return { result: 'undecided', problem: `jwks: ${error.facts.received ?? ''}` }
        throw error
      }
      if ('problem' in event) {
        metrics.event('refused', event.problem)
        // One of the two clocks is wrong. Who refused it would never hear of it again: it has to come until the clocks agree.
        const isOurs = event.problem === 'future' && order.epoch !== undefined
        if (isOurs) return { result: 'undecided', problem: 'event: from the future, by the clock of this guard' }
        return { result: 'refused', reason: event.problem, error: errorOf(event.problem) }
      }
      const { jti } = event
      const numbered = orderOf(event)
      const place = numbered && order.note(numbered)
      const isOfAnotherEpoch = place === 'another epoch' && order.epoch !== undefined
      if (isRepeated(event, place)) {
        metrics.event('duplicate')
        return { result: 'duplicate', jti, effect: undefined, isOfAnotherEpoch }
      }
      const effect = settle(event)
      if (typeof effect === 'string') {
        metrics.event('ignored', effect)
        return { result: 'ignored', jti, effect: undefined, isOfAnotherEpoch }
      }
      metrics.event('applied', effect.kind)
      return { result: 'applied', jti, effect, isOfAnotherEpoch }
    },
  }
}

/** A key that the transmitter publishes now. Throws `keys.unavailable`. */
export async function keyOf(
  keys: Pick<KeySource, 'held' | 'find'>,
  { kid }: UnverifiedSecurityEvent,
): Promise<VerificationKey | undefined> {
  return keys.held(kid) ?? (await keys.find(kid))
}

/** What the sender of an event is told, in the words of RFC 8935 §2.4. */
function errorOf(problem: SecurityEventProblem): SetError {
  switch (problem) {
    case 'issuer':
      return { err: 'invalid_issuer', description: 'The issuer is not the transmitter of this stream.' }
    case 'audience':
      return { err: 'invalid_audience', description: 'The audience is not this receiver.' }
    case 'key':
      return { err: 'invalid_key', description: 'The key is none that the transmitter publishes.' }
    case 'algorithm':
    case 'signature':
      return { err: 'authentication_failed', description: 'The signature does not match the key.' }
    case 'oversized':
    case 'malformed':
    case 'type':
    case 'future':
    case 'claims':
      return { err: 'invalid_request', description: 'This is no security event token that can be taken.' }
  }
}
