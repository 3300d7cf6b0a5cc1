import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer, ProgramRequest } from './message.ts'

/** Node's message as endpoints for programs read it. The server must join repeated headers, as Fetch does. */
export function programRequestOf(incoming: IncomingMessage): ProgramRequest {
  return {
    method: incoming.method ?? '',
    headers: { get: (name) => headerOf(incoming, name) },
    // Who stops reading early still has to answer: the connection must not go with the iterator. (Not a getter: each would give
    // its object a shape of its own, which cost 4 µs a request.)
    body: { [Symbol.asyncIterator]: () => incoming.iterator({ destroyOnReturn: false }) },
    text: () => readText(incoming),
  }
}

function headerOf(incoming: IncomingMessage, name: string): string | null {
  const value = incoming.headers[name]
  return typeof value === 'string' ? value : (value?.join(', ') ?? null)
}

function readText(incoming: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    // An error is made only when it is needed: its stack costs more than all the rest of this file.
    const rejectEarly = (): void => {
      if (!incoming.readableEnded) reject(new Error('the connection is closed'))
    }
    // Gone already: nothing would tell us any more.
    if (incoming.destroyed) rejectEarly()
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => void chunks.push(chunk))
    incoming.on('end', () => resolve((chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))?.toString() ?? ''))
    incoming.on('close', rejectEarly)
  })
}

/** How long somebody who sends more than was read may go on, so that the answer arrives before the connection ends. */
const lingerMs = 500

/** Writes an answer to a program. One that fails is a fault of ours. */
export async function sendAnswer(
  answer: Answer | Promise<Answer>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { status, headers, body } = await settled(answer)
  if (!incoming.complete) outgoing.on('finish', () => endLater(incoming))
  if (body === null) outgoing.writeHead(status, headers).end()
  else outgoing.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
}

async function settled(answer: Answer | Promise<Answer>): Promise<Answer> {
  try {
    return await answer
  } catch {
    return fault
  }
}

const fault: Answer = { status: 500, headers: { 'cache-control': 'no-store' }, body: null }

function endLater(incoming: IncomingMessage): void {
  const { socket } = incoming
  incoming.resume()
  const end = (): void => {
    if (!incoming.complete) socket.destroy()
  }
  setTimeout(end, lingerMs).unref()
}
