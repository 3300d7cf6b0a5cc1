import { rowIdOf } from '../../packages/authorization-server/src/feed/security-event.ts'
import type { StreamClient } from '../../packages/resource-server/src/feed/stream.ts'
import type { Trouble } from '../../packages/resource-server/src/feed/trouble.ts'
import { type Answer, askAtOnce, type Line, poll } from './exchange.ts'
import { placeOf, snapshotBytes } from './model-guard.ts'
import { audience, issuer, sizes } from './sizes.ts'
import type { Transmitter } from './transmitter.ts'
import type { VirtualClock } from './virtual-clock.ts'

type GoodAnswer = Extract<Answer, { readonly ok: true }>

export interface SimulatedClientOptions {
  readonly line: Line
  readonly clock: VirtualClock
  readonly transmitter: Transmitter
  /** Is told what will come of a question, when it is asked. */
  readonly note: (answer: Answer) => void
  /** Whether the process that asked is gone. */
  readonly isStopped: () => boolean
}

/** Asks the issuer of a world instead of a server: what it answers is known at once, and comes when the clock is there. */
export function createSimulatedClient(options: SimulatedClientOptions): StreamClient {
  const { line, clock, transmitter, note, isStopped } = options
  const { world, resource } = line
  const list = world.told[resource] as Int32Array
  const elapsed = clock.now

  const when = async <Result>(answer: Answer, make: (good: GoodAnswer) => Result): Promise<Result | Trouble> => {
    note(answer)
    await clock.until(answer.at)
    if (isStopped()) return { problem: 'stopped' }
    return answer.ok ? make(answer) : { problem: answer.problem }
  }
  return {
    async create() {
      const made = askAtOnce(line, elapsed(), sizes.answer)
      return when(made, ({ head }) => {
        line.done = placeOf(list, head)
        return { id: 's', pollEndpoint: `${issuer}/ssf/poll/s`, leastVerificationMs: 0 }
      })
    },
    async remove() {},
    async verify() {
      return undefined
    },
    async poll(_endpoint, { maxEvents, returnImmediately, ack }) {
      if (maxEvents === 0) {
        const looked = askAtOnce(line, elapsed(), sizes.answer)
        return when(looked, ({ epoch, head }) => ({ sets: [], moreAvailable: false, epoch, head }))
      }
      const numbers = ack.map((jti) => Number(/\d+/.exec(rowIdOf(jti, audience) ?? '')?.[0]))
      const acknowledgedTo = Math.max(line.done, ...numbers.map((number) => placeOf(list, number + 1)))
      const answer = poll(line, elapsed(), returnImmediately, acknowledgedTo)
      return when(answer, ({ rows, moreAvailable, epoch, head }) => ({
        sets: rows.map((place) => transmitter.event(resource, place, epoch)),
        moreAvailable,
        epoch,
        head,
      }))
    },
    async snapshot() {
      const at = elapsed()
      const answer = askAtOnce(line, at, snapshotBytes(world, list, at))
      return when(answer, ({ epoch, head }) => {
        const place = placeOf(list, head)
        const { body, lines } = transmitter.snapshot(resource, place, at)
        return { statement: JSON.stringify({ epoch, head, lines, place }), body }
      })
    },
    abort() {},
  }
}
