import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { guardOf } from './guard.ts'
import { type Issuer, listen, startIssuer } from './issuer.ts'
import { guardSmallServer } from './mcp-app.ts'

let issuer: Issuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A token for a minute, and the request that opens a stream with it. */
function opening(): RequestInit {
  const exp = Math.floor(Date.now() / 1_000) + 60
  return { headers: { authorization: `Bearer ${issuer.token({ exp })}` } }
}

describe('a stream', () => {
  const events = { 'content-type': 'text/event-stream' }

  it('of a Fetch handler ends with its token, and so does what feeds it', async () => {
    let isStopped = false
    const guarded = guardSmallServer(guardOf(issuer)).protect(() => {
      const stream = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode(': hello\n\n')),
        cancel: () => {
          isStopped = true
        },
      })
      return new Response(stream, { headers: events })
    })
    const response = await guarded(new Request('https://api.example.com/mcp', opening()))
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    expect((await reader.read()).done).toBe(false)
    const next = reader.read()
    vi.advanceTimersByTime(59_000)
    expect(await Promise.race([next, 'still open'])).toBe('still open')
    vi.advanceTimersByTime(12_000)
    expect((await next).done).toBe(true)
    expect(isStopped).toBe(true)
  })

  it('behind the middleware ends with its token', async () => {
    const guard = guardSmallServer(guardOf(issuer))
    const { origin, close } = await listen((request, response) =>
      guard.middleware(request, response, () => {
        response.writeHead(200, events)
        response.write(': hello\n\n')
      }),
    )
    const response = await fetch(`${origin}/mcp`, opening())
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    vi.advanceTimersByTime(71_000)
    await expect(reader.read()).rejects.toThrow('terminated')
    await close()
  })

  it('that is none passes as it is', async () => {
    const answer = Response.json({})
    const guarded = guardSmallServer(guardOf(issuer)).protect(() => answer)
    expect(await guarded(new Request('https://api.example.com/mcp', opening()))).toBe(answer)
  })
})
