import { secondLine } from '../support/mcp-lines.ts'
import { mcpServerScenario } from '../support/mcp-server-scenario.ts'

/** The second generation: its hook asks for the scopes of a tool. */
export const scenario = mcpServerScenario('@modelcontextprotocol/server', {
  starts: secondLine,
  isModern: true,
  ownCheck: 'second',
  ownRefusal: '403 Bearer error="insufficient_scope", error_description="Insufficient scope", scope="write"',
})
