import type { Fault } from './authorization-server.ts'

/** The connection breaks before the request is acted on. */
export const cutBeforeActing: Fault = ({ request }) => void request.socket.destroy()

/** The server acts, and the answer gets lost. */
export const cutAfterActing: Fault = ({ request, response, answer }) => {
  response.write = () => true
  response.end = (() => {
    request.socket.destroy()
    return response
  }) as typeof response.end
  response.writeHead = (() => response) as typeof response.writeHead
  answer()
}

/** The server acts, and half of the answer arrives. */
export const cutWithinAnswer: Fault = ({ request, response, answer }) => {
  const end = response.end.bind(response)
  response.end = ((body: string) => {
    response.flushHeaders()
    response.write(body.slice(0, body.length / 2), () => request.socket.destroy())
    return response
  }) as typeof end
  answer()
}

/** The server acts and never answers. */
export const hangAfterActing: Fault = ({ response, answer }) => {
  response.end = (() => response) as typeof response.end
  response.writeHead = (() => response) as typeof response.writeHead
  answer()
}

/** The server does not act, and answers this. */
export function answers(status: number, body: string | Buffer, headers: Record<string, string> = {}): Fault {
  return ({ response }) => {
    response.writeHead(status, headers)
    response.end(body)
  }
}

/** "Not now", with what OAuth servers say beside it. */
export function unavailable(headers: Record<string, string> = {}): Fault {
  const body = JSON.stringify({ error: 'temporarily_unavailable' })
  return answers(503, body, { 'content-type': 'application/json', ...headers })
}
