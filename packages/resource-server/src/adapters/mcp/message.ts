import { isJsonObject, type JsonObject, readString } from '@arctos/core'

/** The three kinds of things that an MCP server offers under a name. */
export type McpKind = 'tool' | 'resource' | 'prompt'

/** Something that a message asks for: a tool or prompt by its name, a resource by its URI or the text of its template. */
export interface McpSubject {
  readonly kind: McpKind
  readonly name: string
}

/** One JSON-RPC message that names a method, as far as policies look at it. */
export interface McpCall {
  /** The id to answer with; `null` where there is none. */
  readonly id: string | number | null
  readonly method: string
  readonly subjects: readonly McpSubject[]
  /** What `Mcp-Name` has to say, for the methods that carry one. */
  readonly name: string | undefined
  /** The arguments of the call, as the client sent them. */
  readonly arguments: JsonObject
}

/** What a request body asks for. `isBatch` tells an array of one from the message itself. */
export interface McpBody {
  readonly isBatch: boolean
  readonly calls: readonly McpCall[]
}

/** As many messages as both SDKs take in one array. */
export const batchLimit = 100

/**
 * Reads what the messages of a body ask for. Messages without a method (answers to the server) ask for nothing, and neither does
 * what is no message at all: the SDK says what is wrong with it.
 */
export function readBody(body: unknown): McpBody {
  const isBatch = Array.isArray(body)
  const messages: readonly unknown[] = isBatch ? body : [body]
  return { isBatch, calls: messages.flatMap((message) => readCall(message) ?? []) }
}

function readCall(message: unknown): McpCall | undefined {
  if (!isJsonObject(message)) return undefined
  const method = readString(message, 'method')
  if (method === undefined) return undefined
  const params = objectOf(message['params'])
  const { id } = message
  return {
    id: typeof id === 'string' || typeof id === 'number' ? id : null,
    method,
    subjects: readSubjects(method, params),
    name: nameOf(method, params),
    arguments: objectOf(params['arguments']),
  }
}

/** The source of `Mcp-Name`. MCP 2026-07-28, Streamable HTTP, Standard Request Headers */
function nameOf(method: string, params: JsonObject): string | undefined {
  if (method === 'tools/call' || method === 'prompts/get') return readString(params, 'name')
  return method === 'resources/read' ? readString(params, 'uri') : undefined
}

/** Whoever may not read a resource may not watch it either, nor have the arguments of a prompt completed. */
function readSubjects(method: string, params: JsonObject): readonly McpSubject[] {
  switch (method) {
    case 'tools/call':
      return named('tool', readString(params, 'name'))
    case 'prompts/get':
      return named('prompt', readString(params, 'name'))
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return named('resource', readString(params, 'uri'))
    case 'subscriptions/listen': {
      const uris = objectOf(params['notifications'])['resourceSubscriptions']
      return Array.isArray(uris) ? uris.flatMap((uri) => (typeof uri === 'string' ? named('resource', uri) : [])) : []
    }
    case 'completion/complete': {
      const ref = objectOf(params['ref'])
      if (ref['type'] === 'ref/prompt') return named('prompt', readString(ref, 'name'))
      return ref['type'] === 'ref/resource' ? named('resource', readString(ref, 'uri')) : []
    }
    default:
      return []
  }
}

/** What a header pair names, before the body is read. */
export function subjectsOfHeaders(method: string, name: string): readonly McpSubject[] {
  return readSubjects(method, { name, uri: name })
}

function named(kind: McpKind, name: string | undefined): readonly McpSubject[] {
  return name === undefined ? [] : [{ kind, name }]
}

function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {}
}
