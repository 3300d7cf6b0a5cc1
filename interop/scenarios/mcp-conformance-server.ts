import { execFile } from 'node:child_process'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { resourceServer } from '@arctos/resource-server'
import { testAuthorizationServer } from '@arctos/testing'
import { listen } from '../support/listening.ts'
import { type McpApi, secondLine } from '../support/mcp-lines.ts'
import { check, defineScenario } from '../support/scenario.ts'

const suite = join(import.meta.dirname, '../node_modules/@modelcontextprotocol/conformance/dist/index.js')
const names = Object.keys(secondLine)

/**
 * What MCP's own suite asks servers of the newest revision about headers and lists. It knows no tokens: each of its requests is
 * given a good one on the way, and then has to pass our guard.
 */
export const scenario = defineScenario({
  program: '@modelcontextprotocol/conformance',
  steps: names.flatMap((name) => [`http-header-validation: ${name}`, `tools-list: ${name}`]),
  async run(_world, step) {
    for (const name of names) {
      for (const asked of ['http-header-validation', 'tools-list']) {
        await step(`${asked}: ${name}`, () => askSuite(asked, secondLine[name]))
      }
    }
  },
})

async function askSuite(asked: string, start: ((api: McpApi) => RequestListener) | undefined): Promise<void> {
  await using as = await testAuthorizationServer()
  const api = resourceServer({
    resource: 'https://api.example.com',
    authorizationServers: [as.issuer],
    scopes: { read: 'Read', write: 'Write' },
    fetch: as.fetch,
    now: as.clock.now,
    journal: () => {},
  })
  const authorization = `Bearer ${await as.accessToken()}`
  const guarded = start?.(api)
  const { origin, close } = await listen((request, response) => {
    request.rawHeaders.push('authorization', authorization)
    request.headers.authorization = authorization
    guarded?.(request, response)
  })
  try {
    const options = ['server', '--url', `${origin}/mcp`, '--scenario', asked, '--spec-version', '2026-07-28']
    const { stdout } = await promisify(execFile)(process.execPath, [suite, ...options]).catch(
      (error: { stdout: string }) => error,
    )
    check(/Passed: (\d+)\/\1, 0 failed/.test(stdout), stdout.slice(-1_500))
  } finally {
    await close()
  }
}
