import { type JsonObject, parseJsonObjectText, Refusal } from '@arctos/core'
import type { ProgramRequest } from '../message.ts'
import { readBody } from './form.ts'

/**
 * Reads a body that is one JSON object, strictly: at most 64 KiB, no member twice. No body at all is the empty object. Receivers leave
 * the content type out (SSF §8.1.1.1 does so in its examples), but must not say that it is something else. Throws `feed.malformed`.
 */
export async function readJsonBody(request: ProgramRequest): Promise<JsonObject> {
  const type = request.headers.get('content-type') ?? 'application/json'
  const [media = ''] = type.split(';', 1)
  if (media.trim().toLowerCase() !== 'application/json')
    throw new Refusal('feed.malformed', {
      check: 'content type',
      expected: 'application/json',
      received: type.slice(0, 60),
    })
  const text = await readBody(request)
  const body = text.trim() === '' ? {} : parseJsonObjectText(text)
  if (body === undefined) throw new Refusal('feed.malformed', { check: 'body', expected: 'one JSON object' })
  return body
}
