import type { IncomingMessage } from 'node:http'
import { accessOf, resourceServer } from '@arctos/resource-server'
import { protect, protectedResourceMetadata } from '@arctos/resource-server/express'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { listen } from './listening.ts'
import type { World } from './world.ts'

export interface RunningMcpServer {
  /** Where clients connect; also the identifier of the resource. */
  readonly url: string
  readonly close: () => Promise<void>
}

/** An MCP server behind our guard, registered at the issuer, with one tool that says who called. */
export async function startMcpServer({ env, registerResource }: World): Promise<RunningMcpServer> {
  const app = express()
  const { origin, close } = await listen(app)
  const url = `${origin}/mcp`
  await registerResource(url, 'tools=Use the tools')
  const api = resourceServer({
    resource: url,
    authorizationServers: [env.ISSUER],
    scopes: { tools: 'Use the tools' },
    journal: () => {},
  })
  app.use(protectedResourceMetadata(api))
  app.post('/mcp', protect(api, { scope: 'tools' }), express.json(), async (request, response) => {
    const { subject, clientId } = accessOf(request)
    const server = new McpServer({ name: 'notes', version: '1.0.0' })
    server.registerTool('whoami', { description: 'Who calls' }, () => ({
      content: [{ type: 'text', text: JSON.stringify({ subject, clientId }) }],
    }))
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
    await server.connect(transport as Parameters<typeof server.connect>[0])
    // Another package of ours here gives `request.auth` another type.
    await transport.handleRequest(request as IncomingMessage, response, request.body)
  })
  return { url, close }
}
