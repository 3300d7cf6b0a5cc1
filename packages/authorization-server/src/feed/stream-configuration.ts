import { isJsonObject, type JsonObject, Refusal, readString } from '@arctos/core'
import { isAllowedEndpoint } from '../push-endpoint.ts'
import type { RegisteredClient } from '../store/registered-client.ts'
import type { DeliveryMethod, Stream } from '../store/stream.ts'
import { supportedEvents } from './event-types.ts'
import { deliveredEvents } from './progress.ts'

/** Delivery methods by their names on the wire (SSF §6.1). */
export const deliveryMethods = { push: 'urn:ietf:rfc:8935', poll: 'urn:ietf:rfc:8936' } as const

/** Verification events may be asked for this often, in seconds (SSF §8.1.1). */
export const minVerificationSeconds = 10

/** Streams of one receiver at the most. */
export const streamLimit = 500

const descriptionLimit = 500
const eventsLimit = 50
const authorizationLimit = 2_000

/**
 * After how long without a sign of life a stream is removed, in seconds: soon for the guard of a resource, which has lost its place by
 * then and begins anew, after a day for others who poll, and never for others who are pushed to.
 */
export function timeoutOf(client: RegisteredClient, method: DeliveryMethod): number | undefined {
  if (client.settings.resourceServerOf !== undefined) return 600
  return method === 'poll' ? 86_400 : undefined
}

/** A stream's configuration as its receiver sees it. The authorization that it gave is not repeated. SSF §8.1.1 */
export function configurationOf(issuer: string, stream: Stream): JsonObject {
  const { id, audience, method, settings, timeoutSeconds } = stream
  const endpointUrl = method === 'poll' ? `${issuer}/ssf/poll/${id}` : settings.endpointUrl
  return {
    stream_id: id,
    iss: issuer,
    aud: audience,
    events_supported: supportedEvents,
    events_requested: settings.eventsRequested,
    events_delivered: deliveredEvents(stream),
    delivery: { method: deliveryMethods[method], endpoint_url: endpointUrl },
    min_verification_interval: minVerificationSeconds,
    inactivity_timeout: timeoutSeconds,
    description: settings.description,
  }
}

/** What a receiver chooses; absent members were not in the request. */
export interface ReceiverChoice {
  readonly description: string | undefined
  readonly eventsRequested: readonly string[] | undefined
  readonly delivery: ChosenDelivery | undefined
}

export interface ChosenDelivery {
  readonly method: DeliveryMethod
  readonly endpointUrl: string | undefined
  /** In clear, to be sealed. */
  readonly authorization: string | undefined
}

/** Reads what a receiver chooses. Throws `feed.malformed` or `feed.delivery_refused`. */
export function readChoice(body: JsonObject, client: RegisteredClient): ReceiverChoice {
  return {
    description: readDescription(body),
    eventsRequested: readEvents(body),
    delivery: body['delivery'] === undefined ? undefined : readDelivery(body['delivery'], client),
  }
}

function readDescription(body: JsonObject): string | undefined {
  const value = body['description']
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw malformed('description', 'a string')
  // The transmitter may cut it short (SSF §8.1.1).
  return value.slice(0, descriptionLimit)
}

function readEvents(body: JsonObject): readonly string[] | undefined {
  const value = body['events_requested']
  if (value === undefined || value === null) return undefined
  const isList = Array.isArray(value) && value.length <= eventsLimit
  if (!isList || !value.every((each) => typeof each === 'string' && each.length <= 300))
    throw malformed('events_requested', `a list of ${eventsLimit} strings at the most`)
  return value as readonly string[]
}

function readDelivery(value: unknown, client: RegisteredClient): ChosenDelivery {
  if (!isJsonObject(value)) throw malformed('delivery', 'an object')
  const method = readString(value, 'method')
  if (method === deliveryMethods.poll) return { method: 'poll', endpointUrl: undefined, authorization: undefined }
  if (method !== deliveryMethods.push) {
    const expected = Object.values(deliveryMethods).join(' or ')
    throw new Refusal('feed.delivery_refused', { check: 'method', expected, received: method?.slice(0, 60) })
  }
  const endpointUrl = readString(value, 'endpoint_url')
  if (endpointUrl === undefined) throw malformed('delivery.endpoint_url', 'a string')
  if (!isAllowedEndpoint(client.settings.pushEndpoints ?? [], endpointUrl)) {
    const expected = 'at or below a registered push endpoint'
    throw new Refusal('feed.delivery_refused', { check: 'endpoint_url', expected, received: endpointUrl.slice(0, 80) })
  }
  return { method: 'push', endpointUrl: new URL(endpointUrl).href, authorization: readAuthorization(value) }
}

/** As it goes into a header: visible characters and spaces only. */
function readAuthorization(delivery: JsonObject): string | undefined {
  const value = delivery['authorization_header']
  if (value === undefined || value === null) return undefined
  if (
    typeof value !== 'string' ||
    value.length > authorizationLimit ||
    !/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)
  )
    throw malformed('delivery.authorization_header', `one line of ${authorizationLimit} ASCII characters at the most`)
  return value
}

/** What the transmitter decides may be repeated, but not changed (SSF §8.1.1.3). Throws `feed.property_mismatch`. */
export function checkTransmitterSupplied(issuer: string, stream: Stream, body: JsonObject): void {
  const known = configurationOf(issuer, stream)
  const names = [
    'iss',
    'aud',
    'events_supported',
    'events_delivered',
    'min_verification_interval',
    'inactivity_timeout',
  ]
  const wrong = names.find((name) => body[name] !== undefined && !isSameValue(body[name], known[name]))
  if (wrong !== undefined)
    throw new Refusal('feed.property_mismatch', { check: wrong, expected: 'as the stream has it' })
}

/** One name, alone or in a list, is the same audience; lists of events have no order. */
function isSameValue(left: unknown, right: unknown): boolean {
  const [ours, theirs] = [[left].flat(), [right].flat()]
  return ours.length === theirs.length && ours.every((each) => theirs.includes(each as never))
}

function malformed(check: string, expected: string): Refusal {
  return new Refusal('feed.malformed', { check, expected })
}
