import { getRequestListener } from '@hono/node-server'
import {
  accessOf,
  type McpContext,
  type McpGuard,
  type McpGuardOptions,
  mcpGuard,
  type Needs,
} from '../src/adapters/mcp.ts'
import type { Guard } from './guard.ts'
import { listen } from './issuer.ts'

type Handler = (...parts: unknown[]) => unknown

/** Registers and dispatches as `McpServer` does, in both lines of the SDK; these themselves are tried in `interop/`. */
export class SmallServer {
  readonly tools = new Map<string, Handler>()
  readonly prompts = new Map<string, Handler>()
  readonly resources = new Map<string, Handler>()
  readonly lists: Handler[] = []

  registerTool(
    name: string,
    _config: object,
    handler: (values: Record<string, unknown>, context: McpContext) => string,
  ): { update(changes: { name?: string; callback?: Handler }): void } {
    this.tools.set(name, handler as Handler)
    return {
      update: (changes) => this.tools.set(changes.name ?? name, changes.callback ?? (handler as Handler)),
    }
  }
  get experimental(): object {
    return { tasks: this.tools }
  }
  registerPrompt(
    name: string,
    _config: object,
    handler: (values: Record<string, unknown>, context: McpContext) => string,
  ) {
    this.prompts.set(name, handler as Handler)
  }
  registerResource(
    _name: string,
    uri: string | Template,
    _config: object,
    handler: (uri: URL, context: McpContext) => string,
  ) {
    this.resources.set(typeof uri === 'string' ? uri : uri.uriTemplate.toString(), handler as Handler)
    if (typeof uri !== 'string' && uri.listCallback !== undefined) this.lists.push(uri.listCallback)
  }
  /** Of the first line of the SDK, deprecated there. */
  tool(name: string, handler: Handler) {
    this.tools.set(name, handler)
  }

  async answer(message: unknown, context: McpContext): Promise<string> {
    const { method, params = {} } = message as { method: string; params?: Record<string, never> }
    const { name = '', uri = 'none:', arguments: values = {} } = params
    if (method === 'tools/call') return String(await (this.tools.get(name) ?? unknown)(values, context))
    if (method === 'prompts/get') return String(await (this.prompts.get(name) ?? unknown)(values, context))
    if (method === 'resources/list') return JSON.stringify(await Promise.all(this.lists.map((list) => list(context))))
    const resource = this.resources.get(new URL(uri).href) ?? this.resources.get('note://{id}')
    if (method === 'resources/read') return String(await (resource ?? unknown)(new URL(uri), context))
    return `${method} by ${accessOf(context).subject}`
  }
}

const unknown = (): string => 'unknown'

interface Template {
  readonly uriTemplate: { match(uri: string): unknown; toString(): string }
  readonly listCallback?: Handler
}

export const noteTemplate: Template = {
  uriTemplate: {
    match: (uri) => /^note:\/\/(\w+)$/.exec(uri),
    toString: () => 'note://{id}',
  },
}

export type SmallNeeds = Needs<'read' | 'write', SmallServer>

/** A little of everything; `more` is registered too. */
export function guardSmallServer(
  api: Guard,
  options: McpGuardOptions<'read' | 'write'> = {},
  more: (needs: SmallNeeds) => void = () => {},
): McpGuard<SmallServer> {
  const whoami = (_: unknown, context: McpContext): string => accessOf(context).subject
  return mcpGuard(
    api,
    () => new SmallServer(),
    (needs) => {
      needs({ scope: 'read' }).registerTool('whoami', {}, whoami)
      needs({ scope: 'write' }).registerTool('write', {}, whoami)
      needs({}).registerTool('größe', {}, whoami)
      needs({ scope: 'write' }).registerPrompt('review', {}, whoami)
      needs({ scope: 'write' }).registerResource('settings', 'settings://app', {}, whoami)
      needs({ scope: 'write' }).registerResource('note', noteTemplate, {}, whoami)
      more(needs)
    },
    options,
  )
}

export interface SmallApp {
  readonly origin: string
  readonly close: () => Promise<void>
}

/** The same server behind both ways to guard it. */
export const mcpApps: Readonly<Record<string, (guard: McpGuard<SmallServer>) => Promise<SmallApp>>> = {
  Fetch: (guard) =>
    listen(
      getRequestListener(
        guard.protect(async (_request, { authInfo, parsedBody }) => {
          const messages = Array.isArray(parsedBody) ? parsedBody : parsedBody === undefined ? [] : [parsedBody]
          const server = guard.createServer()
          return new Response(
            (await Promise.all(messages.map((each) => server.answer(each, { http: { authInfo } })))).join(),
          )
        }),
      ),
    ),
  middleware: (guard) =>
    listen((request, response) => {
      guard.middleware(request, response, async (error) => {
        const { body, auth: authInfo } = request as { body?: unknown; auth?: unknown }
        if (error !== undefined) return void response.writeHead(500).end()
        const messages = Array.isArray(body) ? body : body === undefined ? [] : [body]
        const server = guard.createServer()
        response.end((await Promise.all(messages.map((each) => server.answer(each, { authInfo })))).join())
      })
    }),
}

export interface Answered {
  readonly status: number
  readonly challenge: string | undefined
  readonly body: string
}

/** Sends a body to an endpoint, with headers of which one may come twice. */
export async function askMcp(
  app: SmallApp,
  body: unknown,
  { token, headers = {}, method = 'POST' }: { token?: string; headers?: Record<string, string>; method?: string } = {},
): Promise<Answered> {
  const response = await fetch(`${app.origin}/mcp`, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(method === 'POST'
      ? { body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body) }
      : {}),
  } as RequestInit)
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate') ?? undefined,
    body: await response.text(),
  }
}

export const message = (method: string, params: object = {}) => ({ jsonrpc: '2.0', id: 7, method, params })
export const call = (name: string, values: object = {}) => message('tools/call', { name, arguments: values })
