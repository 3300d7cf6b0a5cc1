/** What was asked somewhere else, and how much of an answer is read. */
export interface Asking {
  readonly url: string
  /** With one, it is posted. */
  readonly body?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  /** Bytes of the answer that are read; more of them are an error. */
  readonly byteLimit: number
}

/**
 * Asks an address that the operator named. No redirect is followed, for it would name another one; nothing is read beyond the
 * limit, and nothing takes longer than the timeout. Rejects with what went wrong.
 */
export async function askBounded({ url, body, headers, timeoutMs, byteLimit }: Asking): Promise<{
  readonly status: number
  readonly text: string
}> {
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...headers },
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
    ...(body === undefined ? {} : { body }),
  })
  const chunks: Uint8Array[] = []
  let received = 0
  for await (const chunk of response.body ?? []) {
    received += chunk.byteLength
    if (received > byteLimit) throw new Error(`the answer is longer than ${byteLimit} bytes`)
    chunks.push(chunk)
  }
  return { status: response.status, text: Buffer.concat(chunks).toString('utf8') }
}
