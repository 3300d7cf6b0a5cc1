import {
  type Conformance,
  conformance,
  guardVectors,
  type TestAuthorizationServer,
  testAuthorizationServer,
} from '@arctos/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { resourceServer } from '../src/index.ts'
import type { App, Received, Sent } from './apps/app.ts'
import { apps } from './apps.ts'
import { resource } from './issuer.ts'

/** Applications whose parser of bodies stands before the guard: it waits, whatever the guard would say. */
const parsesFirst = ['Express, in routers', 'NestJS']

/** Every vector, at every adapter. */
describe.each(Object.entries(apps))('%s', (name, start) => {
  const vectors = guardVectors.filter(({ id }) => !(parsesFirst.includes(name) && id.startsWith('body-unfinished')))
  let as: TestAuthorizationServer
  let outcome: Conformance
  const guards: ReturnType<typeof makeGuard>[] = []

  function makeGuard() {
    const scopes = { read: 'Read notes', write: 'Change notes' }
    const { issuer, fetch, clock } = as
    const options = { resource, scopes, authorizationServers: [issuer], fetch, now: clock.now, journal: () => {} }
    return resourceServer(options)
  }
  async function startApp(): Promise<App> {
    const guard = makeGuard()
    guards.push(guard)
    return await start(guard)
  }
  /** What the receipt of an answer stands for. */
  const reasonOf = (headers: Received['headers']) =>
    guards.map((guard) => guard.findRefusal(headers['arctos-receipt'] ?? '')?.reason).find(Boolean)
  const targetOf = ({ ask, origin }: App) => origin ?? { ask: (sent: Sent) => ask(sent) }

  beforeAll(async () => {
    as = await testAuthorizationServer({ resources: [{ identifier: resource, scopes: ['read', 'write'] }] })
    const app = await startApp()
    // All at once: each waits for the others only where the guard makes it.
    outcome = await conformance(targetOf(app), {
      as,
      resource,
      routes: { read: 'GET /read', write: 'GET /write', form: 'POST /read' },
      async cold() {
        const fresh = await startApp()
        return { target: targetOf(fresh), close: fresh.close }
      },
      reasonOf,
      beyond: true,
      vectors,
    })
    await app.close()
    await as.close()
  })

  for (const vector of vectors) {
    it(vector.title, () => {
      const result = outcome.results.find((each) => each.vector === vector)
      expect(result?.passed === true ? result.expected : result?.received).toBe(result?.expected ?? 'an answer')
    })
  }
})
