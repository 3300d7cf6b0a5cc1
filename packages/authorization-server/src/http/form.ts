import { Refusal } from '@arctos/core'
import type { ProgramRequest } from '../message.ts'
import { type Parameters, parseParameters, tooLarge } from '../parameters.ts'

const bodyByteLimit = 65_536

/**
 * Reads a form body: POST, the right content type, at most 64 KiB and 100 parameters, nothing repeated, fatal UTF-8. The query is
 * never read: what is in it has been logged on the way here (RFC 6749 §2.3.1).
 */
export async function readForm(request: ProgramRequest): Promise<Parameters> {
  if (request.method !== 'POST')
    throw new Refusal('request.method', { check: 'method', expected: 'POST', received: request.method })
  checkContentType(request.headers)
  return parseParameters(await readBody(request))
}

function checkContentType(headers: ProgramRequest['headers']): void {
  const type = headers.get('content-type') ?? ''
  const [media = ''] = type.split(';', 1)
  const encoding = headers.get('content-encoding') ?? 'identity'
  if (media.trim().toLowerCase() !== 'application/x-www-form-urlencoded' || encoding.toLowerCase() !== 'identity') {
    const received = `${type} ${encoding}`.slice(0, 60)
    throw new Refusal('request.content_type', {
      check: 'content type',
      expected: 'application/x-www-form-urlencoded',
      received,
    })
  }
}

/** The body as text, at most 64 KiB. Throws a `request.…` refusal. */
export async function readBody(request: ProgramRequest): Promise<string> {
  try {
    return await readBounded(request)
  } catch (error) {
    if (error instanceof Refusal) throw error
    // Whatever else ends the reading of a body, it was the sender who went away.
    throw new Refusal('request.malformed', { check: 'body', expected: 'as long as announced' })
  }
}

async function readBounded(request: ProgramRequest): Promise<string> {
  const announced = request.headers.get('content-length')
  if (announced !== null) {
    if (Number(announced) > bodyByteLimit) throw tooLarge('body bytes', bodyByteLimit, Number(announced))
    // The HTTP parser holds the sender to the announced length; where there was no parser, nobody did.
    const text = await request.text()
    if (text.length > bodyByteLimit) throw tooLarge('body bytes', bodyByteLimit, text.length)
    return text
  }
  const chunks: Uint8Array[] = []
  let received = 0
  for await (const chunk of request.body ?? []) {
    received += chunk.byteLength
    if (received > bodyByteLimit) throw tooLarge('body bytes', bodyByteLimit, received)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
