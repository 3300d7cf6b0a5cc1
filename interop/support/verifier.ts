import { check, checkRefused, defineScenario, type Scenario } from './scenario.ts'
import type { World } from './world.ts'

/** What a verifier says about a token for an audience: its claims, or it throws. */
export type Verify = (token: string, audience: string) => Promise<{ readonly [claim: string]: unknown }>

/** The scenario of a library that verifies access tokens by the keys of the issuer. */
export function verifierScenario(program: string, create: (world: World) => Promise<Verify>): Scenario {
  return defineScenario({
    program,
    steps: ['accepts', 'refuses what was altered', 'refuses another audience'],
    async run(world, step) {
      const { env } = world
      const verify = await create(world)
      const token = await world.freshToken()
      await step('accepts', async () => {
        const claims = await verify(token, env.AUDIENCE)
        check(claims['client_id'] === env.CLIENT_ID, JSON.stringify(claims))
      })
      await step('refuses what was altered', () => {
        const at = token.length - 10
        const altered = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
        return checkRefused(() => verify(altered, env.AUDIENCE), 'it was accepted')
      })
      await step('refuses another audience', () => checkRefused(() => verify(token, env.AUDIENCE2), 'it was accepted'))
    },
  })
}
