import type { RequestListener } from 'node:http'
import type { McpApi } from './mcp-lines.ts'
import { checkOwnCheck, ownChecks } from './mcp-own-check.ts'
import { checkSessions } from './mcp-sessions.ts'
import { checkMachineStepUp, checkUserStepUp, serveMcp } from './mcp-step-up.ts'
import { checkThings } from './mcp-things.ts'
import { checkVectors } from './mcp-vectors.ts'
import { check, defineScenario, type Scenario } from './scenario.ts'

interface Line {
  /** Every way in which its servers stand behind our guard. */
  readonly starts: Readonly<Record<string, (api: McpApi) => RequestListener>>
  /** Whether it speaks the revision that has headers beside the body. */
  readonly isModern: boolean
  readonly ownCheck: keyof typeof ownChecks
  /** What it says to a token that lacks the scope of one tool, when it checks tokens itself. */
  readonly ownRefusal: string
}

/** The scenario of an SDK whose servers stand behind our guard. */
export function mcpServerScenario(program: string, line: Line): Scenario {
  const names = Object.keys(line.starts)
  return defineScenario({
    program,
    steps: [
      ...names.map((name) => `answers every vector: ${name}`),
      ...names.map((name) => `guards every kind: ${name}`),
      ...names.map((name) => `steps up by tool: ${name}`),
      'keeps its own check',
      ...(line.isModern ? [] : ['keeps sessions apart']),
    ],
    async run(world, step) {
      for (const [name, start] of Object.entries(line.starts)) {
        await step(`answers every vector: ${name}`, async () => {
          await checkVectors(start, false)
          if (line.isModern) await checkVectors(start, true)
        })
      }
      for (const [name, start] of Object.entries(line.starts)) {
        await step(`guards every kind: ${name}`, () => checkThings(start))
      }
      for (const [name, start] of Object.entries(line.starts)) {
        await step(`steps up by tool: ${name}`, () =>
          serveMcp(world, start, async (url) => {
            await checkMachineStepUp(world, url, 'legacy')
            await checkMachineStepUp(world, url, 'auto')
            await checkUserStepUp(world, url)
          }),
        )
      }
      await step('keeps its own check', async () => {
        const refusal = await checkOwnCheck(ownChecks[line.ownCheck])
        check(refusal.startsWith(line.ownRefusal), refusal)
      })
      // The newer revision has no sessions.
      if (!line.isModern) await step('keeps sessions apart', checkSessions)
    },
  })
}
