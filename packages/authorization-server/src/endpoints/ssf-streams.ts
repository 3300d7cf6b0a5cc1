import { Refusal } from '@arctos/core'
import type { Peer, ServerContext } from '../context.ts'
import {
  type ChosenDelivery,
  checkTransmitterSupplied,
  configurationOf,
  readChoice,
  streamLimit,
  timeoutOf,
} from '../feed/stream-configuration.ts'
import { jsonAnswer } from '../http/answer.ts'
import { readJsonBody } from '../http/json-body.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import type { Stream } from '../store/stream.ts'
import { enterFeed, type FeedRequest, requireStream, streamIdOf, streamOfBody } from './ssf-request.ts'

/** Streams, as their receivers create, read, update, replace and delete them. SSF §8.1.1 */
export function ssfStreamsEndpoint(
  context: ServerContext,
  request: ProgramRequest,
  _peer: Peer,
  target: string,
): Promise<Answer> {
  const streamId = streamIdOf(target)
  const reads = request.method === 'GET' || request.method === 'HEAD'
  const entry = { endpoint: 'ssf streams', needed: reads ? 'read' : 'manage', streamId } as const
  return enterFeed(context, request, entry, (asked) => {
    asked.event.outcome = request.method.toLowerCase()
    switch (request.method) {
      case 'POST':
        return create(context, asked)
      case 'PATCH':
      case 'PUT':
        return change(context, asked, request.method === 'PUT')
      case 'DELETE':
        return remove(context, asked)
      default:
        return target.includes('stream_id=') ? read(context, asked) : list(context, asked)
    }
  })
}

async function create(context: ServerContext, { client, request }: FeedRequest): Promise<Answer> {
  const body = await readJsonBody(request)
  const { description, eventsRequested, delivery = polled } = readChoice(body, client)
  const id = context.random(15).toString('base64url')
  const created = await context.store.createStream({
    id,
    clientId: client.id,
    method: delivery.method,
    settings: { description, eventsRequested, ...sealed(context, id, delivery) },
    timeoutSeconds: timeoutOf(client, delivery.method),
    limit: streamLimit,
  })
  switch (created.outcome) {
    case 'created':
      context.feed.streamChanged(id)
      return answerStream(context, created.stream, 201)
    case 'too_many':
      throw new Refusal('feed.too_many_streams', { check: 'streams', expected: streamLimit })
    case 'client_unknown':
      throw new Refusal('token.revoked', { check: 'client' })
  }
}

const polled: ChosenDelivery = { method: 'poll', endpointUrl: undefined, authorization: undefined }

function sealed(context: ServerContext, id: string, { endpointUrl, authorization }: ChosenDelivery) {
  const kept = authorization === undefined ? undefined : context.feed.sealAuthorization(id, authorization)
  return { endpointUrl, authorization: kept }
}

async function read(context: ServerContext, { stream }: FeedRequest): Promise<Answer> {
  return answerStream(context, requireStream(stream))
}

async function list(context: ServerContext, { client }: FeedRequest): Promise<Answer> {
  const streams = await context.store.listStreams(client.id)
  return jsonAnswer(JSON.stringify(streams.map((each) => configurationOf(context.issuer, each))))
}

/** @param replaces what the request leaves out is removed, instead of kept (SSF §8.1.1.4) */
async function change(context: ServerContext, asked: FeedRequest, replaces: boolean): Promise<Answer> {
  const body = await readJsonBody(asked.request)
  const stream = await streamOfBody(context, asked, body)
  checkTransmitterSupplied(context.issuer, stream, body)
  const { description, eventsRequested, delivery = replaces ? polled : undefined } = readChoice(body, asked.client)
  const absent = replaces ? null : undefined
  const changed = await context.store.configureStream({
    id: stream.id,
    clientId: asked.client.id,
    description: description ?? (body['description'] === null ? null : absent),
    eventsRequested: eventsRequested ?? (body['events_requested'] === null ? null : absent),
    delivery: delivery && {
      method: delivery.method,
      ...sealed(context, stream.id, delivery),
      timeoutSeconds: timeoutOf(asked.client, delivery.method),
    },
  })
  if (changed.outcome === 'unknown') throw new Refusal('feed.stream_unknown', { check: 'stream_id' })
  context.feed.streamChanged(stream.id)
  return answerStream(context, changed.stream)
}

async function remove(context: ServerContext, { client, stream }: FeedRequest): Promise<Answer> {
  const { id } = requireStream(stream)
  const { outcome } = await context.store.deleteStream({ id, clientId: client.id })
  if (outcome === 'unknown') throw new Refusal('feed.stream_unknown', { check: 'stream_id' })
  context.feed.streamChanged(id)
  return { ...jsonAnswer('', 204), body: null }
}

function answerStream(context: ServerContext, stream: Stream, status = 200): Answer {
  return jsonAnswer(JSON.stringify(configurationOf(context.issuer, stream)), status)
}
