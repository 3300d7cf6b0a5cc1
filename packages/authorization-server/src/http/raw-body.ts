import { Refusal } from '@arctos/core'
import type { ProgramRequest } from '../message.ts'

/** Reads a body as it came, at most so many bytes. Throws `leak.too_large` or `request.malformed`. */
export async function readRawBody(request: ProgramRequest, byteLimit: number): Promise<Buffer> {
  const tooLarge = (received: number): Refusal =>
    new Refusal('leak.too_large', { check: 'body bytes', expected: byteLimit, received })
  const announced = Number(request.headers.get('content-length') ?? 0)
  if (announced > byteLimit) throw tooLarge(announced)
  const chunks: Uint8Array[] = []
  let received = 0
  try {
    for await (const chunk of request.body ?? []) {
      received += chunk.byteLength
      if (received > byteLimit) throw tooLarge(received)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof Refusal) throw error
    // Whatever else ends the reading of a body, it was the sender who went away.
    throw new Refusal('request.malformed', { check: 'body', expected: 'as long as announced' })
  }
  return Buffer.concat(chunks)
}
