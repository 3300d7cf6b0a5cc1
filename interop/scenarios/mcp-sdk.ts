import { ClientCredentialsProvider, PrivateKeyJwtProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { mcpScenario } from '../support/mcp-scenario.ts'

export const scenario = mcpScenario('@modelcontextprotocol/sdk', {
  Client,
  StreamableHTTPClientTransport,
  ClientCredentialsProvider,
  PrivateKeyJwtProvider,
})
