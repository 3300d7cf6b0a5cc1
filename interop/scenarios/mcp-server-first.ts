import { firstLine } from '../support/mcp-lines.ts'
import { mcpServerScenario } from '../support/mcp-server-scenario.ts'

/** The first generation of the SDK: a tool can only fail, so its own check ends in an error of the call. */
export const scenario = mcpServerScenario('@modelcontextprotocol/sdk', {
  starts: firstLine,
  isModern: false,
  ownCheck: 'first',
  ownRefusal: '200 ',
})
