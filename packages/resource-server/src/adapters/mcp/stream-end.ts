/** The part of a response of `node:http` that is used. */
interface Closable {
  on(event: 'close', listener: () => void): unknown
  destroy(): unknown
}

/** Breaks a response off at the end of the token that it was given for: a stream must not outlive it. */
export function endResponse(response: Closable, end: AbortSignal): void {
  const stop = (): void => void response.destroy()
  end.addEventListener('abort', stop)
  response.on('close', () => end.removeEventListener('abort', stop))
}

/** The same for a Fetch response that streams events; any other passes as it is. */
export function endingResponse(response: Response, end: AbortSignal): Response {
  const { body, status, statusText, headers } = response
  if (body === null || !headers.get('content-type')?.startsWith('text/event-stream')) return response
  const reader = body.getReader()
  // The read that waits then says that there is no more. One that has failed already is over, too.
  const stop = (): void => void reader.cancel().catch(() => {})
  end.addEventListener('abort', stop)
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read()
      if (!done) return controller.enqueue(value)
      end.removeEventListener('abort', stop)
      controller.close()
    },
    async cancel(reason) {
      end.removeEventListener('abort', stop)
      await reader.cancel(reason)
    },
  })
  return new Response(stream, { status, statusText, headers })
}
