import type { Answer } from '../../answer.ts'

/** What is wrong with a request before anything is decided about it, in the words of the protocol. */
const protocolErrors = {
  // MCP 2026-07-28, Streamable HTTP, Server Validation
  headerMismatch: { status: 400, code: -32020, message: 'Header mismatch' },
  // JSON-RPC 2.0 §5.1
  parse: { status: 400, code: -32700, message: 'Parse error: the body is not JSON' },
  batch: { status: 400, code: -32600, message: 'Invalid request: too many messages' },
  argument: { status: 400, code: -32602, message: 'Invalid params: an argument that decides about access is missing' },
  // What both SDKs say of a session that they do not have. MCP 2025-11-25, Streamable HTTP, Session Management
  session: { status: 404, code: -32001, message: 'Session not found' },
  tooLarge: { status: 413, code: -32000, message: 'The body is too large' },
} as const

/** A JSON-RPC error as an HTTP answer. Nothing of the request is repeated but its id. */
export function protocolError(
  kind: keyof typeof protocolErrors,
  id: string | number | null = null,
  detail?: string,
): Answer {
  const { status, code, message } = protocolErrors[kind]
  const error = { code, message: detail === undefined ? message : `${message}: ${detail}` }
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      // The rest of a body that nobody reads would be taken for the next request.
      ...(kind === 'tooLarge' ? { connection: 'close' } : {}),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id, error }),
  }
}
