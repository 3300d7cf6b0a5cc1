import { type Facts, looksLikeCredential, Refusal } from '@arctos/core'
import type { ServerContext } from '../context.ts'
import type { JournalEvent } from '../journal.ts'
import { StoreUnavailable } from '../store/engine.ts'

/** A refusal as it leaves an endpoint: with the receipt that explains it. */
export interface SealedRefusal {
  readonly refusal: Refusal
  readonly receipt: string
}

/**
 * The one catch of an endpoint. Runs it, turns whatever was thrown into a refusal with a receipt, lets the endpoint say how that
 * looks on the wire, and writes one journal event, whatever happened.
 *
 * @param event filled by the endpoint as it learns who asks and for what
 */
export async function enter<Reply extends { readonly status: number }>(
  context: ServerContext,
  event: JournalEvent,
  run: () => Promise<Reply>,
  answerRefusal: (sealed: SealedRefusal) => Reply,
): Promise<Reply> {
  let answer: Reply
  try {
    answer = await run()
  } catch (error) {
    const refusal = toRefusal(error, event)
    // Only a client that proved itself may read what was wrong (PROTOCOL §5).
    const facts = withoutCredentials(refusal.facts)
    const receipt = context.receipts.seal(refusal.reason, facts, event.client)
    event.reason = refusal.reason
    event.facts = facts
    event.receipt = receipt
    answer = answerRefusal({ refusal, receipt })
  }
  event.status = answer.status
  context.journal.write(event)
  return answer
}

/**
 * Facts without what looks like a token or secret: whoever mixes up two parameters sends one where a name is expected, and names
 * are told.
 */
function withoutCredentials(facts: Facts): Facts {
  const { received } = facts
  if (typeof received !== 'string') return facts
  return looksLikeCredential(received) || looksDrawn.test(received) ? { ...facts, received: '[redacted]' } : facts
}

// Letters of both cases and digits, 32 and more of them: nobody names anything like that. It may be cut short.
const looksDrawn = /(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])(?=[\w+/=-]*\d)[\w+/=-]{32}/

/** A broken world is 503 and a bug of ours 500: never a 4xx, which would blame the client. */
function toRefusal(error: unknown, event: JournalEvent): Refusal {
  if (error instanceof Refusal) return error
  event.fault = describeFault(error)
  return new Refusal(error instanceof StoreUnavailable ? 'store.unavailable' : 'server.fault')
}

function describeFault(error: unknown): string {
  if (!(error instanceof Error)) return 'not an error'
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return `${error.name}: ${error.message}${cause}`.slice(0, 300)
}
