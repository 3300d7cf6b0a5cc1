import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { McpGuard } from '../src/adapters/mcp.ts'
import { guardOf } from './guard.ts'
import { type Issuer, listen, startIssuer } from './issuer.ts'
import { guardSmallServer, type SmallServer } from './mcp-app.ts'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

const events = { 'content-type': 'text/event-stream' }
const toleranceSeconds = 10

/** A guard for which a token is over in 300 ms, and the request that opens a stream with it. */
function closing(): { readonly guard: McpGuard<SmallServer>; readonly opening: RequestInit } {
  const exp = Math.floor(Date.now() / 1_000)
  const now = (exp + toleranceSeconds) * 1_000 - 300
  const guard = guardSmallServer(guardOf(issuer, { now: () => now, clockToleranceSeconds: toleranceSeconds }))
  return { guard, opening: { headers: { authorization: `Bearer ${issuer.token({ iat: exp - 60, exp })}` } } }
}

async function readerOf(response: Response): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toBe(': hello\n\n')
  return reader
}

describe('a stream', () => {
  it('of a Fetch handler ends with its token, and so does what feeds it', async () => {
    const { guard, opening } = closing()
    let stopped = () => {}
    const isStopped = new Promise<void>((resolve) => {
      stopped = resolve
    })
    const guarded = guard.protect(() => {
      const start = (controller: ReadableStreamDefaultController) =>
        controller.enqueue(new TextEncoder().encode(': hello\n\n'))
      return new Response(new ReadableStream({ start, cancel: stopped }), { headers: events })
    })
    const reader = await readerOf(await guarded(new Request('https://api.example.com/mcp', opening)))
    expect((await reader.read()).done).toBe(true)
    await isStopped
  })

  it('behind the middleware ends with its token', async () => {
    const { guard, opening } = closing()
    const { origin, close } = await listen((request, response) =>
      guard.middleware(request, response, () => {
        response.writeHead(200, events)
        response.write(': hello\n\n')
      }),
    )
    const reader = await readerOf(await fetch(`${origin}/mcp`, opening))
    await expect(reader.read()).rejects.toThrow('terminated')
    await close()
  })

  it('ends when its handler ends it', async () => {
    const guarded = guardSmallServer(guardOf(issuer)).protect(() => new Response(': hello\n\n', { headers: events }))
    const headers = { authorization: `Bearer ${issuer.token()}` }
    const reader = await readerOf(await guarded(new Request('https://api.example.com/mcp', { headers })))
    expect((await reader.read()).done).toBe(true)
  })
})

it('gives an answer that is no stream on as it is', async () => {
  const answer = Response.json({})
  const guarded = guardSmallServer(guardOf(issuer)).protect(() => answer)
  const headers = { authorization: `Bearer ${issuer.token()}` }
  expect(await guarded(new Request('https://api.example.com/mcp', { headers }))).toBe(answer)
})
