import { resourceServer } from '@arctos/resource-server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { basic, type Installation, install, notes } from './installation.ts'

let site: Installation
beforeEach(async () => {
  site = await install()
})
afterEach(() => site.end())

/** A guard that asks this server itself, by the same clock. */
function guardOf(resource: string) {
  return resourceServer({
    resource,
    authorizationServers: [site.issuer],
    scopes: { read: 'Read' },
    journal: () => {},
    now: site.clock.now,
    wait: async (milliseconds) => site.clock.pass(milliseconds / 1_000),
    fetch: async (url, init) => {
      const { pathname, search } = new URL(url)
      return await site.server.handle(new Request(url, init), { address: '192.0.2.1' }, pathname + search)
    },
  })
}

async function issue(): Promise<string> {
  const { body } = await site.post('/token', { grant_type: 'client_credentials', resource: notes }, basic('service'))
  return String(body['access_token'])
}

async function verdicts(guard: ReturnType<typeof guardOf>, tokens: readonly string[]): Promise<ReadonlySet<string>> {
  const decisions = await Promise.all(
    tokens.map((token) =>
      guard.authorize({ method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } }, { scope: 'read' }),
    ),
  )
  return new Set(decisions.map((decision) => (decision.ok ? 'good' : decision.reason)))
}

const kidOf = (token: string): string =>
  JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())['kid']

describe('a guard beside its authorization server', () => {
  it.each([
    ['at once', true],
    ['after they were seen', false],
  ])('refuses no good token while keys that sign %s follow each other', async (_name, immediately) => {
    const guard = guardOf(notes)
    let tokens = [await issue()]
    const kids = new Set<string>()
    for (let turn = 0; turn < 6; turn++) {
      // Of keys of one second the order is that of their names.
      site.clock.pass(1)
      await site.server.context.keys.rotate({ immediately, actor: 'test' })
      site.clock.pass(immediately ? 0 : 120)
      const fresh = await Promise.all(Array.from({ length: 20 }, issue))
      expect(await verdicts(guard, [...tokens, ...fresh])).toEqual(new Set(['good']))
      tokens = fresh
      kids.add(kidOf(fresh[0] ?? ''))
    }
    expect(kids.size).toBe(6)
  })

  it('takes no token of a withdrawn key after a minute, and those of the next at once [RFC 9068 §4(f)]', async () => {
    const guard = guardOf(notes)
    const stolen = await issue()
    expect(await verdicts(guard, [stolen])).toEqual(new Set(['good']))
    await site.server.context.keys.rotate({ immediately: true, actor: 'test' })
    await site.store.retireKey({ id: kidOf(stolen), actor: 'test' })
    await site.server.context.keys.maintain()
    site.clock.pass(60)
    expect(await verdicts(guard, [stolen])).toEqual(new Set(['token.key_unknown']))
    expect(await verdicts(guard, [await issue()])).toEqual(new Set(['good']))
  })
})
