/** The default limit of a body: what both SDKs take. */
export const bodyLimitBytes = 4 * 1024 * 1024

/** A body in memory, or why there is none. */
export type JsonBody =
  | { readonly outcome: 'parsed'; readonly value: unknown }
  | { readonly outcome: 'malformed' }
  | { readonly outcome: 'too large' }

/** The part of a request of `node:http` that has a body. */
export interface NodeBodyRequest {
  readonly readableEnded: boolean
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  resume(): unknown
}

/** Collects a body up to a limit. What comes beyond it is dropped unseen, so that the answer still reaches the sender. */
export async function readNodeBody(request: NodeBodyRequest, limitBytes: number): Promise<JsonBody> {
  // Whoever read it before us kept it: no event will ever come.
  if (request.readableEnded) return { outcome: 'malformed' }
  return new Promise((resolve, reject) => {
    let chunks: Uint8Array[] = []
    let size = 0
    request.on('data', (chunk) => {
      size += chunk.length
      if (size <= limitBytes) return void chunks.push(chunk)
      chunks = []
      resolve({ outcome: 'too large' })
    })
    request.on('end', () => resolve(parseJson(chunks)))
    request.on('error', reject)
    request.on('close', () => reject(new Error('the request ended before its body')))
    request.resume()
  })
}

/** The same for a Fetch request. */
export async function readFetchBody(request: Request, limitBytes: number): Promise<JsonBody> {
  const reader = request.body?.getReader()
  if (reader === undefined) return { outcome: 'malformed' }
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return parseJson(chunks)
    size += value.length
    if (size > limitBytes) {
      await reader.cancel()
      return { outcome: 'too large' }
    }
    chunks.push(value)
  }
}

/** JSON in UTF-8, read once: the value that policies saw is the value that the SDK gets. RFC 8259 §8.1 */
function parseJson(chunks: readonly Uint8Array[]): JsonBody {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    const text = chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join('') + decoder.decode()
    return { outcome: 'parsed', value: JSON.parse(text) }
  } catch {
    return { outcome: 'malformed' }
  }
}
