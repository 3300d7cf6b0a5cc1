import { resourceServer } from '@arctos/resource-server'
import { check, defineScenario, type Scenario } from './scenario.ts'
import type { World } from './world.ts'

/** The first API once more, described for a guard in another framework. */
export function describeApi({ env }: World) {
  return resourceServer({
    resource: env.AUDIENCE,
    authorizationServers: [env.ISSUER],
    scopes: { read: 'Read', write: 'Write' },
    journal: () => {},
  })
}

export type Api = ReturnType<typeof describeApi>

/** Starts a program with GET `/read` and `/write`, guarded, which answer with the subject; and the metadata of the API. */
export type StartApp = (api: Api) => Promise<{ readonly origin: string; readonly close: () => Promise<void> }>

/** The scenario of a framework in which our guard stands. */
export function guardScenario(program: string, start: StartApp): Scenario {
  return defineScenario({
    program,
    steps: [
      'lets a good token in',
      'asks for a token',
      'refuses a bad token',
      'refuses a lack of scope',
      'describes itself',
    ],
    async run(world, step) {
      const api = describeApi(world)
      const app = await start(api)
      const ask = async (path: string, token?: string) => {
        const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
        const answer = await fetch(app.origin + path, { headers })
        return {
          status: answer.status,
          text: await answer.text(),
          challenge: answer.headers.get('www-authenticate') ?? '',
        }
      }
      try {
        const token = await world.freshToken()
        await step('lets a good token in', async () => {
          const { status, text } = await ask('/read', token)
          check(status === 200 && JSON.parse(text).subject === world.env.CLIENT_ID, `${status} ${text}`)
        })
        await step('asks for a token', async () => {
          const { status, challenge } = await ask('/read')
          check(status === 401 && challenge.includes(api.metadataUrl), `${status} ${challenge}`)
        })
        await step('refuses a bad token', async () => {
          const { status, challenge } = await ask('/read', `${token}x`)
          check(status === 401 && challenge.includes('error="invalid_token"'), `${status} ${challenge}`)
        })
        await step('refuses a lack of scope', async () => {
          const { status, challenge } = await ask('/write', token)
          check(status === 403 && challenge.includes('error="insufficient_scope"'), `${status} ${challenge}`)
        })
        await step('describes itself', async () => {
          const { status, text } = await ask(api.metadataPath)
          check(status === 200 && JSON.parse(text).resource === world.env.AUDIENCE, `${status} ${text}`)
        })
      } finally {
        await app.close()
      }
    },
  })
}
