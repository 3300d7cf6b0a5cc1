import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** One answer of a server. */
export interface Answer {
  readonly status: number
  readonly body: string
}

/** A connection that is kept open, with one request in flight at the most. */
export interface Connection {
  readonly send: (request: string) => Promise<Answer>
  readonly close: () => void
}

/**
 * Opens a connection. Plain sockets and an answer read only as far as needed, so that the load costs its core less than the
 * server costs the other. An answer must announce its length: both servers do, and one that does not is an error.
 */
export async function openConnection(port: number): Promise<Connection> {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.setEncoding('latin1')
  await once(socket, 'connect')
  let received = ''
  let waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined

  const settle = (): void => {
    const answer = parseAnswer(received)
    if (answer === undefined) return
    received = ''
    const { resolve } = waiting ?? {}
    waiting = undefined
    resolve?.(answer)
  }
  const fail = (error: Error): void => {
    waiting?.reject(error)
    waiting = undefined
  }
  socket.on('data', (chunk: string) => {
    received += chunk
    try {
      settle()
    } catch (error) {
      fail(error as Error)
    }
  })
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection')))
  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed || socket.readableEnded) return reject(new Error('the server has closed the connection'))
        waiting = { resolve, reject }
        socket.write(request, 'latin1')
      }),
    close: () => socket.destroy(),
  }
}

/** The answer once it is all there. */
function parseAnswer(text: string): Answer | undefined {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, headEnd))?.[1]
  if (length === undefined) throw new Error('an answer without content-length')
  const body = text.slice(headEnd + 4)
  if (body.length < Number(length)) return undefined
  return { status: Number(text.slice(9, 12)), body }
}

/** A form post under HTTP Basic, as bytes for the wire. */
export function formPost(path: string, who: { readonly id: string; readonly secret: string }, form: string): string {
  const credential = Buffer.from(`${who.id}:${who.secret}`).toString('base64')
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic ${credential}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: ${form.length}\r\n\r\n${form}`
}
