/**
 * A request as endpoints for programs read it. A Fetch `Request` is one; on a socket it is a view of Node's own message, for
 * making Fetch objects costs more than all the rest of such a request.
 */
export interface ProgramRequest {
  readonly method: string
  readonly headers: { readonly get: (name: string) => string | null }
  readonly body: AsyncIterable<Uint8Array> | null
  readonly text: () => Promise<string>
}

/** An answer to a program, as plain data. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Bytes are written as they are. */
  readonly body: string | Uint8Array | null
}
