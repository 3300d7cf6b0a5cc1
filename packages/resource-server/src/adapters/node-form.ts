import { type FormFields, formLimitBytes, parseForm, unreadableForm } from '../request/form-body.ts'

/** The part of the body of a Node request that is used; `IncomingMessage` is one. */
interface BodyStream {
  readonly rawHeaders: readonly string[]
  readonly httpVersionMajor: number
  readonly complete: boolean
  readonly readableLength: number
  readonly readableDidRead: boolean
  readonly destroyed: boolean
  read(): unknown
  unshift(chunk: Uint8Array): unknown
  on(event: 'readable' | 'close', listener: () => void): unknown
  removeListener(event: 'readable' | 'close', listener: () => void): unknown
}

/**
 * Reads the form of a request and puts it back, so that whoever reads the body next finds it whole. Throws where that cannot be
 * done: a TypeError where somebody has read the body already and kept its fields from us.
 */
export async function readForm(request: object): Promise<FormFields | undefined> {
  const stream = request as BodyStream
  if (stream.readableDidRead !== false) {
    throw new TypeError('transports.form: the body was read before the guard, which found no parsed fields')
  }
  return parseForm(await peek(stream))
}

/**
 * All bytes of the body. They are put back in the very turn in which the last are read: Node ends a stream one turn after its last
 * byte was taken, and an ended one takes nothing back.
 */
function peek(request: BodyStream): Promise<Uint8Array> {
  const size = declaredSize(request)
  if (size > formLimitBytes) return Promise.reject(unreadableForm('a longer one'))
  // HTTP/2 tells of the end of a body only when it is too late to put it back.
  if (request.httpVersionMajor > 1 && !(size >= 0)) return Promise.reject(unreadableForm('one without Content-Length'))
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let length = 0
    let isOver = false
    const stop = (): Uint8Array => {
      isOver = true
      request.removeListener('readable', look)
      request.removeListener('close', giveUp)
      const bytes = Buffer.concat(chunks)
      if (length > 0 && !request.destroyed) request.unshift(bytes)
      return bytes
    }
    const giveUp = (): void => {
      stop()
      reject(unreadableForm('the beginning of one'))
    }
    const look = (): void => {
      while (request.readableLength > 0) {
        const chunk = request.read()
        if (!(chunk instanceof Uint8Array)) break
        chunks.push(chunk)
        length += chunk.length
      }
      if (length > formLimitBytes) {
        stop()
        reject(unreadableForm('a longer one'))
      } else if (length === size) {
        resolve(stop())
      } else if (request.httpVersionMajor === 1 && request.complete) {
        const bytes = stop()
        // To look at an empty stream is to end it: whoever waits for its end behind us would wait for ever.
        if (length > 0) resolve(bytes)
        else reject(unreadableForm('chunks of nothing'))
      }
    }
    look()
    if (isOver) return
    request.on('readable', look)
    request.on('close', giveUp)
  })
}

/** How long the body says it is; not a number where it comes in pieces of which nobody said how many (RFC 9112 §6.3). */
function declaredSize({ rawHeaders, httpVersionMajor }: BodyStream): number {
  const valueAt = (wanted: string): string | undefined => {
    const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === wanted)
    return at < 0 ? undefined : rawHeaders[at + 1]
  }
  const isOpen = httpVersionMajor > 1 || valueAt('transfer-encoding') !== undefined
  return Number(valueAt('content-length') ?? (isOpen ? Number.NaN : 0))
}
