import { isJsonObject, type JsonObject, Refusal } from '@arctos/core'
import type { Peer, ServerContext } from '../context.ts'
import type { PollRequest } from '../feed/poll.ts'
import { eventLimit } from '../feed/progress.ts'
import { jsonAnswer } from '../http/answer.ts'
import { readJsonBody } from '../http/json-body.ts'
import type { Journal } from '../journal.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { enterFeed, requireStream } from './ssf-request.ts'

/** What the address of a stream's queue begins with. */
export const pollPath = '/ssf/poll/'
const usualEvents = 200

/**
 * Hands a stream's events to its receiver, held for a while when there are none. Every answer says where the log stood, and a node
 * that cannot read the log answers 503, never an empty list (PROTOCOL §6). RFC 8936 §2.4, RFC 8936 §2.5
 */
export function ssfPollEndpoint(
  context: ServerContext,
  request: ProgramRequest,
  _peer: Peer,
  target: string,
): Promise<Answer> {
  const path = target.split('?', 1)[0] ?? ''
  const streamId = path.slice(path.indexOf(pollPath) + pollPath.length)
  const quiet = { ...context, journal: withoutSilence(context.journal) }
  return enterFeed(
    quiet,
    request,
    { endpoint: 'ssf poll', needed: 'read', streamId },
    async ({ stream, now, event }) => {
      const known = requireStream(stream)
      if (known.method !== 'poll')
        throw new Refusal('feed.malformed', { check: 'delivery', expected: 'a stream that is polled' })
      const { refused, ...asked } = readPoll(await readJsonBody(request))
      const answer = await context.feed.poll(known, asked, now)
      const delivered = Object.keys(answer.sets).length
      if (delivered > 0) event.outcome = `delivered ${delivered}`
      if (refused.length > 0) {
        event.outcome = `refused by the receiver ${refused.length}`
        event.facts = { check: 'setErrs', received: refused[0] }
      }
      return jsonAnswer(JSON.stringify(answer))
    },
  )
}

/** Polls that brought nothing are no events: each guard sends one every two seconds. */
function withoutSilence(journal: Journal): Journal {
  return { write: (event) => (event.status === 200 && event.outcome === undefined ? undefined : journal.write(event)) }
}

interface ReadPoll extends PollRequest {
  /** What the receiver could not use, as it says. */
  readonly refused: readonly string[]
}

function readPoll(body: JsonObject): ReadPoll {
  const { maxEvents = usualEvents, returnImmediately = false, ack = [], setErrs = {} } = body
  if (typeof maxEvents !== 'number' || !Number.isSafeInteger(maxEvents) || maxEvents < 0)
    throw malformed('maxEvents', 'a whole number from 0')
  if (typeof returnImmediately !== 'boolean') throw malformed('returnImmediately', 'true or false')
  if (!Array.isArray(ack) || !ack.every((jti) => typeof jti === 'string')) throw malformed('ack', 'a list of strings')
  if (!isJsonObject(setErrs) || !Object.values(setErrs).every(isSetError))
    throw malformed('setErrs', 'an object of objects with err and description')
  return {
    maxEvents: Math.min(maxEvents, eventLimit),
    isHeld: !returnImmediately,
    done: new Set([...(ack as readonly string[]), ...Object.keys(setErrs)]),
    refused: Object.values(setErrs).map((each) => String((each as JsonObject)['err']).slice(0, 60)),
  }
}

function isSetError(value: unknown): boolean {
  return isJsonObject(value) && typeof value['err'] === 'string' && typeof value['description'] === 'string'
}

function malformed(check: string, expected: string): Refusal {
  return new Refusal('feed.malformed', { check, expected })
}
