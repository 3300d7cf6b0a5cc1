import { STATUS_CODES } from 'node:http'
import type { Answer } from '../answer.ts'
import { markPolicy } from '../policy/marked.ts'
import type { Policy } from '../policy/policy.ts'
import type { ResourceServer } from '../resource-server.ts'
import type { Access } from '../verification/token-check.ts'
import { guardRequest, type NodeRequest } from './node-message.ts'

/** The part of a socket that is used. */
interface Socket {
  on(event: 'error', listener: () => void): unknown
  removeListener(event: 'error', listener: () => void): unknown
  end(text: string): unknown
  destroy(): unknown
}

/**
 * Guards the upgrade to another protocol: `server.on('upgrade', protectUpgrade(api, policy, (request, socket, head) => …))`. Without a
 * good token the connection is refused while it is still HTTP, and the handler never sees it.
 */
export function protectUpgrade<Scope extends string, Request extends NodeRequest, Stream extends Socket>(
  api: ResourceServer<Scope>,
  policy: Policy<NoInfer<Scope>>,
  handler: (request: Request & { readonly access: Access }, socket: Stream, head: Buffer) => unknown,
): (request: Request, socket: Stream, head: Buffer) => Promise<void> {
  const decide = api.guard(policy)
  const listener = async (request: Request, socket: Stream, head: Buffer): Promise<void> => {
    // Nobody else listens while the decision is made, and an error that nobody hears ends the process.
    const drop = (): unknown => socket.destroy()
    socket.on('error', drop)
    try {
      const decision = await decide({ ...guardRequest(request), form: undefined })
      if (!decision.ok) return void socket.end(messageOf(decision.response))
      socket.removeListener('error', drop)
      await handler(Object.assign(request, { access: decision.access }), socket, head)
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.stack : 'an upgrade failed'}\n`)
      socket.destroy()
    }
  }
  return markPolicy(listener, policy)
}

function messageOf({ status, headers, body }: Answer): string {
  const all = { ...headers, connection: 'close', 'content-length': String(Buffer.byteLength(body)) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines, '', body].join('\r\n')
}
