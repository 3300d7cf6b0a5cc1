import {
  Client,
  ClientCredentialsProvider,
  PrivateKeyJwtProvider,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import { mcpScenario } from '../support/mcp-scenario.ts'

/** The second generation of the SDK. It also checks `iss` of the answer (RFC 9207). */
export const scenario = mcpScenario('@modelcontextprotocol/client', {
  Client,
  StreamableHTTPClientTransport,
  ClientCredentialsProvider,
  PrivateKeyJwtProvider,
})
