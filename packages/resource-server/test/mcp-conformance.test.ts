import { type Conformance, conformance, guardVectors, openTarget, testAuthorizationServer } from '@arctos/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { resourceServer } from '../src/index.ts'
import { resource } from './issuer.ts'
import { call, guardSmallServer, mcpApps } from './mcp-app.ts'

const endpoint = guardVectors.filter(({ route }) => route !== 'form')

/** Every vector that is no form, as the call of a tool; by the body alone, and announced by headers. */
describe.each(
  Object.entries(mcpApps).flatMap(([name, start]) => [
    { name, start, isAnnounced: false },
    { name: `${name}, announced by headers`, start, isAnnounced: true },
  ]),
)('an MCP endpoint behind $name', ({ start, isAnnounced }) => {
  let outcome: Conformance

  beforeAll(async () => {
    await using as = await testAuthorizationServer({ resources: [{ identifier: resource, scopes: ['read', 'write'] }] })
    const guards: ReturnType<typeof describeApi>[] = []
    function describeApi() {
      const { issuer, fetch, clock } = as
      const scopes = { read: 'Read notes', write: 'Change notes' }
      return resourceServer({
        resource,
        scopes,
        authorizationServers: [issuer],
        fetch,
        now: clock.now,
        journal: () => {},
      })
    }
    const open = async () => {
      const api = describeApi()
      guards.push(api)
      const app = await start(guardSmallServer(api))
      const target = await openTarget(app.origin)
      return {
        target: {
          ask: (sent: Parameters<typeof target.ask>[0]) => {
            const name = sent.path.includes('write') ? 'write' : 'whoami'
            const announced = { 'mcp-method': 'tools/call', 'mcp-name': name }
            const headers = { 'content-type': 'application/json', ...(isAnnounced ? announced : {}), ...sent.headers }
            const { body = sent.method === 'POST' ? JSON.stringify(call(name)) : undefined } = sent
            return target.ask({ ...sent, headers, body })
          },
        },
        async close() {
          await target.close()
          await app.close()
        },
      }
    }
    const { target, close } = await open()
    outcome = await conformance(target, {
      as,
      resource,
      routes: { read: 'POST /read', write: 'POST /write' },
      cold: open,
      beyond: true,
      reasonOf: (headers) =>
        guards.map((guard) => guard.findRefusal(headers['arctos-receipt'] ?? '')?.reason).find(Boolean),
    })
    await close()
  })

  for (const vector of endpoint) {
    it(vector.title, () => {
      const result = outcome.results.find((each) => each.vector === vector)
      expect(result?.passed === true ? result.expected : result?.received).toBe(result?.expected ?? 'an answer')
    })
  }
})
