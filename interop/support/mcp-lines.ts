import type { RequestListener } from 'node:http'
import type { ResourceServer } from '@arctos/resource-server'
import { protectedResourceMetadata } from '@arctos/resource-server/express'
import { protectedResourceMetadata as metadataAnswer } from '@arctos/resource-server/fetch'
import { accessOf, type McpContext, type McpGuard, mcpGuard } from '@arctos/resource-server/mcp'
import { getRequestListener } from '@hono/node-server'
import { createMcpHonoApp } from '@modelcontextprotocol/hono'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { McpServer as FirstServer, ResourceTemplate as FirstTemplate } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  createMcpHandler,
  McpServer as SecondServer,
  ResourceTemplate as SecondTemplate,
} from '@modelcontextprotocol/server'
import express, { type Express } from 'express'

export type McpApi = ResourceServer<'read' | 'write'>

// Its types give `request.auth` one type for the whole program, and so do those of other packages here, each another.
const { createMcpExpressApp } = (await import('@modelcontextprotocol/express' as string)) as {
  readonly createMcpExpressApp: (options: { readonly host: string }) => Express
}

/** Not a name of this machine: then these applications compare the host with nothing, and the vectors bring one of their own. */
const anyHost = 'mcp.example.com'

const about = { name: 'notes', version: '1.0.0' }
const textOf = (context: McpContext) => ({ type: 'text' as const, text: `reached by ${accessOf(context).subject}` })
const reached = (context: McpContext) => ({ content: [textOf(context)] })
const read = (uri: URL, context: McpContext) => ({ contents: [{ uri: uri.href, text: textOf(context).text }] })
const prompted = (context: McpContext) => ({ messages: [{ role: 'user' as const, content: textOf(context) }] })

/** What the template of notes lists. */
const listed = { resources: [{ uri: 'note://7', name: 'the seventh note' }] }

/** A server of the first line, with one tool for each scope. */
export function guardFirst(api: McpApi): McpGuard<FirstServer> {
  return mcpGuard(
    api,
    () => new FirstServer(about),
    (needs) => {
      for (const scope of ['read', 'write'] as const) {
        needs({ scope }).registerTool(scope, { description: scope }, (extra) => reached(extra))
      }
      const writing = needs({ scope: 'write' })
      const notes = new FirstTemplate('note://{id}', { list: () => listed })
      writing.registerResource('note', notes, {}, (uri, _variables, extra) => read(uri, extra))
      writing.registerResource('settings', 'settings://app', {}, (uri, extra) => read(uri, extra))
      writing.registerPrompt('review', {}, (extra) => prompted(extra))
      needs({ scope: 'write' })
        .registerTool('old', { description: 'old' }, (extra) => reached(extra))
        .update({ name: 'new' })
    },
  )
}

/** The same of the second line. */
export function guardSecond(api: McpApi): McpGuard<SecondServer> {
  return mcpGuard(
    api,
    () => new SecondServer(about),
    (needs) => {
      for (const scope of ['read', 'write'] as const) {
        needs({ scope }).registerTool(scope, { description: scope }, (context) => reached(context))
      }
      const writing = needs({ scope: 'write' })
      const notes = new SecondTemplate('note://{id}', { list: () => listed })
      writing.registerResource('note', notes, {}, (uri, _variables, context) => read(uri, context))
      writing.registerResource('settings', 'settings://app', {}, (uri, context) => read(uri, context))
      writing.registerPrompt('review', {}, (context) => prompted(context))
      needs({ scope: 'write' })
        .registerTool('old', { description: 'old' }, (context) => reached(context))
        .update({ name: 'new' })
    },
  )
}

/** Every way in which a server of the SDK stands behind our guard, at whatever path. */
export const firstLine: Readonly<Record<string, (api: McpApi) => RequestListener>> = {
  Express: (api) => {
    const guard = guardFirst(api)
    const app = express()
    app.use(protectedResourceMetadata(api))
    app.use(guard.middleware, async (request, response) => {
      const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
      await guard.createServer().connect(transport as Parameters<FirstServer['connect']>[0])
      await transport.handleRequest(request, response, request.body)
    })
    return app
  },
}

export const secondLine: Readonly<Record<string, (api: McpApi) => RequestListener>> = {
  fetch: (api) => {
    const guard = guardSecond(api)
    const serve = guard.protect(createMcpHandler(guard.createServer).fetch)
    const metadata = metadataAnswer(api)
    return getRequestListener((request) => metadata(request) ?? serve(request))
  },
  Express: (api) => {
    const guard = guardSecond(api)
    const handle = toNodeHandler(createMcpHandler(guard.createServer))
    // This application parses bodies before the guard sees them.
    const app = createMcpExpressApp({ host: anyHost })
    app.use(protectedResourceMetadata(api))
    app.use(guard.middleware, (request, response) => void handle(request, response, request.body))
    return app
  },
  Hono: (api) => {
    const guard = guardSecond(api)
    const serve = guard.protect(createMcpHandler(guard.createServer).fetch)
    const app = createMcpHonoApp({ host: anyHost })
    const metadata = metadataAnswer(api)
    app.all('*', (context) => metadata(context.req.raw) ?? serve(context.req.raw))
    return getRequestListener(app.fetch)
  },
}
