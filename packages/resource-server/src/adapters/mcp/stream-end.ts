import type { Access } from '../../token-check.ts'

/** As long as the clocks of issuer and resource server may usually be apart. */
const graceMs = 10_000
/** What a timer can wait for at the most. */
const longestMs = 2 ** 31 - 1

/** How long a stream that is opened now may last. */
function remainingMs({ expiresAt }: Access): number {
  return Math.min(Math.max(expiresAt * 1_000 - Date.now(), 0) + graceMs, longestMs)
}

/** The part of a response of `node:http` that is used. */
interface Closable {
  on(event: 'close', listener: () => void): unknown
  destroy(): unknown
}

/** Breaks a response off when the token ends that it was given for: a stream must not outlive it. */
export function endWithToken(response: Closable, access: Access): void {
  const timer = setTimeout(() => response.destroy(), remainingMs(access))
  timer.unref()
  response.on('close', () => clearTimeout(timer))
}

/** The same for a Fetch response that streams events; any other passes as it is. */
export function endingWithToken(response: Response, access: Access): Response {
  const { body, status, statusText, headers } = response
  if (body === null || !headers.get('content-type')?.startsWith('text/event-stream')) return response
  const reader = body.getReader()
  const timer = setTimeout(() => void reader.cancel().catch(ignore), remainingMs(access))
  // Not every runtime gives timers that can be told not to keep the process.
  ;(timer as { unref?: () => void }).unref?.()
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read()
      if (!done) return controller.enqueue(value)
      clearTimeout(timer)
      controller.close()
    },
    async cancel(reason) {
      clearTimeout(timer)
      await reader.cancel(reason)
    },
  })
  return new Response(stream, { status, statusText, headers })
}

/** A stream that has failed already is over, too. */
function ignore(): void {}
