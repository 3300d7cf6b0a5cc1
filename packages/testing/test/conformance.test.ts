import { type ResourceServer, resourceServer } from '@arctos/resource-server'
import { protect } from '@arctos/resource-server/fetch'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { conformance, guardVectors, type TestAuthorizationServer, testAuthorizationServer } from '../src/index.ts'

const resource = 'https://api.example.com'
const routes = { read: 'GET /read', write: 'GET /write' }

let as: TestAuthorizationServer
beforeAll(async () => {
  as = await testAuthorizationServer()
})
afterAll(() => as.close())

type Handler = (request: Request) => Promise<Response>

function makeApi(): ResourceServer<'read' | 'write'> {
  const scopes = { read: 'Read', write: 'Write' }
  const { issuer, fetch, clock } = as
  return resourceServer({ resource, scopes, authorizationServers: [issuer], fetch, now: clock.now, journal: () => {} })
}

/** An application, and what stands in front of its guard. */
function makeApp(around: (guarded: Handler) => Handler = (guarded) => guarded): { readonly fetch: Handler } {
  const api = makeApi()
  const handler = () => Response.json({ ok: true })
  const guards = new Map<string, Handler>([
    ['/read', protect(api, { scope: 'read' }, handler)],
    ['/write', protect(api, { scope: 'write' }, handler)],
  ])
  const guarded: Handler = async (request) =>
    guards.get(new URL(request.url).pathname)?.(request) ?? new Response(null, { status: 404 })
  return { fetch: around(guarded) }
}

/** An application whose guard answers in another way. */
const answering = (change: (answer: Response, request: Request) => Response) =>
  makeApp((guarded) => async (request) => change(await guarded(request), request))

const withoutChallenge = ({ status }: Response) => new Response(null, { status })

describe('conformance', () => {
  it('finds nothing wrong with a right guard', async () => {
    const { failed, passed, table } = await conformance(makeApp(), { as, routes, beyond: true, cold: () => makeApp() })
    expect({ failed, table }).toEqual({ failed: 0, table: `${passed} of ${passed} right` })
  })

  it('leaves out what cannot be asked', async () => {
    const { leftOut } = await conformance(makeApp(), { as, routes: { read: 'GET /read' } })
    expect(new Set(leftOut.map(({ route, outage, beyond }) => outage?.of ?? beyond ?? route))).toEqual(
      new Set(['write', 'form', 'jwks', 'metadata', true]),
    )
  })

  it.each<[string, (answer: Response, request: Request) => Response, string]>([
    ['lets everybody in', () => new Response('in'), 'received let in'],
    ['sends no challenge', (answer) => (answer.ok ? answer : withoutChallenge(answer)), '401 no challenge'],
    [
      'sends a challenge that cannot be read',
      (answer) =>
        answer.ok
          ? answer
          : new Response(null, { status: answer.status, headers: { 'www-authenticate': 'Bearer error="a "b" c"' } }),
      'unreadable challenge',
    ],
    [
      'repeats the token',
      (answer, request) =>
        answer.ok
          ? answer
          : new Response(request.headers.get('authorization'), { status: answer.status, headers: answer.headers }),
      'repeats the token',
    ],
    [
      'shows what is behind it',
      (answer) =>
        answer.ok ? answer : new Response('{"ok":true}', { status: answer.status, headers: answer.headers }),
      'reached the handler',
    ],
    ['breaks down', (answer) => (answer.ok ? answer : new Response(null, { status: 500 })), 'received 500'],
  ])('finds out a guard that %s', async (_, change, found) => {
    const { table, failed } = await conformance(answering(change), { as, routes })
    expect(failed).toBeGreaterThan(0)
    expect(table).toContain(found)
  })

  it('finds out a guard that fetches what a token names', async () => {
    const careless = makeApp((guarded) => async (request) => {
      const [head = ''] = request.headers.get('authorization')?.replace('Bearer ', '').split('.') ?? []
      const jku = /"jku":"([^"]+)"/.exec(Buffer.from(head, 'base64url').toString())?.[1]
      if (jku !== undefined) await as.fetch(jku)
      return guarded(request)
    })
    const { results } = await conformance(careless, { as, routes })
    const failures = results.filter(({ passed }) => !passed)
    expect(new Set(failures.map(({ received }) => received.split('; ')[1]))).toEqual(
      new Set(['fetched what the token names']),
    )
  })

  it('goes on when an answer does not come', async () => {
    const vectors = guardVectors.filter(({ id }) => id === 'good' || id === 'bearer-alone')
    const ask = async (): Promise<never> => {
      throw new Error('socket hang up')
    }
    const { failed, table } = await conformance({ ask }, { as, routes, vectors })
    expect(failed).toBe(2)
    expect(table).toContain('no answer: socket hang up')
  })

  it('names a route that it cannot read', async () => {
    await expect(conformance(makeApp(), { as, routes: { read: '/read' } })).rejects.toThrow(
      `conformance: routes.read is "/read"; allowed is one like 'GET /items'`,
    )
  })

  it('leaves nothing listening when it cannot begin', async () => {
    const listeners = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length
    const before = listeners()
    const asked = conformance({ listener: () => {} }, { as, routes, scopes: { read: 'unknown', write: 'write' } })
    await expect(asked).rejects.toThrow('scope: "unknown" is none of')
    expect(listeners()).toBe(before)
  })

  it.each(['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'] as const)('asks by %s alike', async (signingAlgorithm) => {
    const other = await testAuthorizationServer({ signingAlgorithm })
    const saved = as
    as = other
    const { table, passed } = await conformance(makeApp(), { as: other, routes, beyond: true }).finally(() => {
      as = saved
    })
    await other.close()
    expect(table).toBe(`${passed} of ${passed} right`)
  })
})
