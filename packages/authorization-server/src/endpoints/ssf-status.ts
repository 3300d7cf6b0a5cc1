import { Refusal } from '@arctos/core'
import type { Peer, ServerContext } from '../context.ts'
import { jsonAnswer } from '../http/answer.ts'
import { readJsonBody } from '../http/json-body.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import type { Stream, StreamStatus } from '../store/stream.ts'
import { enterFeed, type FeedRequest, readBoundedText, requireStream, streamIdOf, streamOfBody } from './ssf-request.ts'

const statuses: readonly StreamStatus[] = ['enabled', 'paused', 'disabled']
const reasonLimit = 500

/** Whether a stream delivers, and why not. SSF §8.1.2 */
export function ssfStatusEndpoint(
  context: ServerContext,
  request: ProgramRequest,
  _peer: Peer,
  target: string,
): Promise<Answer> {
  const changes = request.method === 'POST'
  const entry = { endpoint: 'ssf status', needed: changes ? 'manage' : 'read', streamId: streamIdOf(target) } as const
  return enterFeed(context, request, entry, async (asked) => {
    return answerStatus(changes ? await setStatus(context, asked) : requireStream(asked.stream))
  })
}

async function setStatus(context: ServerContext, asked: FeedRequest): Promise<Stream> {
  const body = await readJsonBody(asked.request)
  const { id } = await streamOfBody(context, asked, body)
  const status = statuses.find((each) => each === body['status'])
  if (status === undefined) throw new Refusal('feed.malformed', { check: 'status', expected: statuses.join(', ') })
  const reason = readBoundedText(body, 'reason', reasonLimit)
  asked.event.outcome = status
  const changed = await context.store.setStreamStatus({ id, clientId: asked.client.id, status, reason, by: 'receiver' })
  if (changed.outcome === 'unknown') throw new Refusal('feed.stream_unknown', { check: 'stream_id' })
  context.feed.streamChanged(id)
  return changed.stream
}

function answerStatus({ id, status, reason }: Stream): Answer {
  return jsonAnswer(JSON.stringify({ stream_id: id, status, reason }))
}
