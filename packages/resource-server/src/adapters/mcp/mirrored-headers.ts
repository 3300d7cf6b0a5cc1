import { type GuardRequest, headerValues } from '../../request/guard-request.ts'
import type { McpBody } from './message.ts'

/** What `Mcp-Method` and `Mcp-Name` say, decoded. MCP 2026-07-28, Streamable HTTP, Request Metadata */
export interface MirroredHeaders {
  readonly method: string | undefined
  readonly name: string | undefined
}

/** Visible ASCII, space and tab: what a header may hold. RFC 9110 §5.5 */
const fieldValue = /^[\t\x20-\x7e]*$/
const sentinel = /^=\?base64\?(.*)\?=$/s

/** Reads both headers. `undefined` where one is malformed or came twice: nobody knows which of the two a proxy looked at. */
export function readMirroredHeaders({ headers }: GuardRequest): MirroredHeaders | undefined {
  const methods = headerValues(headers, 'mcp-method')
  const names = headerValues(headers, 'mcp-name')
  if (methods.length > 1 || names.length > 1) return undefined
  const method = methods[0]?.trim()
  if (method !== undefined && !fieldValue.test(method)) return undefined
  const encoded = names[0]?.trim()
  if (encoded === undefined) return { method, name: undefined }
  const name = decodeName(encoded)
  return name === undefined ? undefined : { method, name }
}

/** A name outside of ASCII comes as `=?base64?…?=`. MCP 2026-07-28, Streamable HTTP, Value Encoding */
function decodeName(value: string): string | undefined {
  if (!fieldValue.test(value)) return undefined
  const base64 = sentinel.exec(value)?.[1]
  if (base64 === undefined) return value
  try {
    const text = atob(base64)
    // Two spellings of one name could be told apart by a proxy.
    if (btoa(text) !== base64) return undefined
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0))
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * Names the header that does not say what the body says; `undefined` where they agree. A header that is not there disagrees with
 * nothing: older clients send none, and whether a revision demands them is for the SDK that speaks it.
 * MCP 2026-07-28, Streamable HTTP, Server Validation
 */
export function disagreement({ method, name }: MirroredHeaders, { isBatch, calls }: McpBody): string | undefined {
  const call = isBatch ? undefined : calls[0]
  if (method !== undefined && method !== call?.method) return 'Mcp-Method'
  if (name !== undefined && (call === undefined || (isNamed(call.method) && name !== call.name))) return 'Mcp-Name'
  return undefined
}

/** Methods that the revision gives no name may carry one of an extension. */
function isNamed(method: string): boolean {
  return method === 'tools/call' || method === 'resources/read' || method === 'prompts/get'
}
