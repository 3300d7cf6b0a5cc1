/** A body is longer than what is let through. */
export class BodyTooLong extends Error {
  override readonly name = 'BodyTooLong'
}

/** The API has sent back the token that it was called with. */
export class TokenEchoed extends Error {
  override readonly name = 'TokenEchoed'
}

// What fits is kept, so that the call can be repeated with a new token; what is longer is handed through.
const keptBytes = 65_536

export interface RequestBody {
  readonly init: { readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>; readonly duplex?: 'half' }
  /** Whether it turned out to be too long on its way. */
  isTooLong(): boolean
}

/** The body of a call, to be sent on. Throws {@link BodyTooLong} where that is known before. */
export async function requestBody(request: Request, limitBytes: number): Promise<RequestBody> {
  if (request.body === null) return { init: {}, isTooLong: () => false }
  const announced = Number(request.headers.get('content-length') ?? Number.NaN)
  if (announced > limitBytes) throw new BodyTooLong()
  let tooLong = false
  const limited = request.body.pipeThrough(
    limit(limitBytes, () => {
      tooLong = true
      return new BodyTooLong()
    }),
  )
  if (!(announced <= keptBytes)) return { init: { body: limited, duplex: 'half' }, isTooLong: () => tooLong }
  return { init: { body: new Uint8Array(await new Response(limited).arrayBuffer()) }, isTooLong: () => false }
}

export interface AnswerBodyOptions {
  readonly limitBytes: number
  /** Longest pause between two parts. */
  readonly idleMs: number
  /** What must not be in it. */
  readonly token: string
  /** Called once, when it has ended: with the reason if it was broken off. */
  readonly ended: (error?: unknown) => void
}

/** The body of an API's answer as it comes, as long as it is neither too long, nor too slow, nor holds the token. */
export function answerBody(body: ReadableStream<Uint8Array>, options: AnswerBodyOptions): ReadableStream<Uint8Array> {
  const { limitBytes, idleMs, token, ended } = options
  const reader = body.getReader()
  const seek = createSeeker(Buffer.from(token))
  let length = 0
  let isOver = false
  const fail = async (controller: ReadableStreamDefaultController<Uint8Array>, error: unknown): Promise<void> => {
    if (isOver) return
    isOver = true
    controller.error(error)
    ended(error)
    await reader.cancel().catch(() => undefined)
  }

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const timer = setTimeout(() => void fail(controller, new Error('the API stopped in the middle')), idleMs)
      try {
        for (;;) {
          const { done, value } = await reader.read()
          if (isOver) return
          if (done) {
            isOver = true
            const rest = seek.end()
            if (rest.byteLength > 0) controller.enqueue(rest)
            controller.close()
            return ended()
          }
          length += value.byteLength
          if (length > limitBytes) throw new BodyTooLong('the answer of the API is too long')
          const passed = seek.next(value)
          if (passed === undefined) throw new TokenEchoed('the API has sent its access token back')
          if (passed.byteLength > 0) return controller.enqueue(passed)
        }
      } catch (error) {
        await fail(controller, error)
      } finally {
        clearTimeout(timer)
      }
    },
    async cancel(reason) {
      isOver = true
      ended()
      await reader.cancel(reason)
    },
  })
}

interface Seeker {
  /** What can be passed on by now; `undefined` when the sought text has come. */
  next(part: Uint8Array): Uint8Array | undefined
  /** What was held back. */
  end(): Uint8Array
}

/** Looks for a text in a stream, holding back no more than what may be its beginning. */
function createSeeker(sought: Buffer): Seeker {
  let held: Uint8Array = Buffer.alloc(0)
  return {
    next(part) {
      const text = held.byteLength === 0 ? Buffer.from(part) : Buffer.concat([held, part])
      if (text.includes(sought)) return undefined
      let begin = Math.max(0, text.byteLength - sought.byteLength + 1)
      while (begin < text.byteLength) {
        begin = text.indexOf(sought[0] ?? 0, begin)
        if (begin < 0) begin = text.byteLength
        else if (text.subarray(begin).equals(sought.subarray(0, text.byteLength - begin))) break
        else begin++
      }
      held = text.subarray(begin)
      return text.subarray(0, begin)
    },
    end: () => held,
  }
}

function limit(limitBytes: number, tooLong: () => Error): TransformStream<Uint8Array, Uint8Array> {
  let length = 0
  return new TransformStream({
    transform(chunk, controller) {
      length += chunk.byteLength
      if (length > limitBytes) controller.error(tooLong())
      else controller.enqueue(chunk)
    },
  })
}
