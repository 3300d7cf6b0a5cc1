import { inspect } from 'node:util'
import { clientSecretBasic, memoryStore, oauthClient } from '@arctos/client'
import { Secret } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { service, startAuthorizationServer } from './support/authorization-server.ts'
import { createWorld } from './support/world.ts'

const redirectUri = 'http://127.0.0.1:9/bff/callback'
const resource = 'https://api.example.com'
const scope = 'read offline_access'

async function begin() {
  const world = createWorld()
  const server = await startAuthorizationServer(world)
  const options = { issuer: server.issuer, ...service, auth: clientSecretBasic(service.secret) }
  const { now, wait } = world
  const client = oauthClient({ ...options, now, wait })
  const begun = await client.beginLogin({ resource, scope, redirectUri })
  /** What the browser brings back, changed. */
  const answer = async (change: (query: URLSearchParams) => void = () => {}): Promise<URLSearchParams> => {
    const { headers } = await fetch(begun.url, { redirect: 'manual' })
    const query = new URL(headers.get('location') ?? '').searchParams
    change(query)
    return query
  }
  return { server, client, begun, answer }
}

describe('a login through the browser of somebody else', () => {
  it('asks for a code with PKCE, at a URL of the web server [RFC 7636 §4.3, RFC 9700 §2.1.1]', async () => {
    const { begun, server } = await begin()
    const query = Object.fromEntries(new URL(begun.url).searchParams)
    expect(begun.url.startsWith(`${server.issuer}/authorize?`)).toBe(true)
    expect(query).toMatchObject({
      redirect_uri: redirectUri,
      state: begun.state,
      code_challenge_method: 'S256',
      resource,
    })
  })

  it('ends in a session, also when another process finishes it [RFC 6749 §4.1.3(f)(h)]', async () => {
    const { client, begun, answer } = await begin()
    const store = memoryStore()
    const pending = new Secret(begun.pending.reveal())
    const session = await client.finishLogin({ query: await answer(), pending, store })
    expect(session.scope).toEqual(['read', 'offline_access'])
    expect((await client.resume({ store }))?.scope).toEqual(session.scope)
  })

  it.each<[string, (query: URLSearchParams) => void]>([
    ['another state', (query) => query.set('state', 'A'.repeat(43))],
    ['no state', (query) => query.delete('state')],
    ['two states', (query) => query.append('state', query.get('state') ?? '')],
    ['another issuer', (query) => query.set('iss', 'https://other.example.com')],
    ['no issuer', (query) => query.delete('iss')],
    ['two codes', (query) => query.append('code', 'another')],
    ['no code', (query) => query.delete('code')],
  ])('sends nothing for an answer with %s [RFC 6749 §10.12(c), RFC 9207 §2.4]', async (_, change) => {
    const { client, begun, answer, server } = await begin()
    const finished = client.finishLogin({ query: await answer(change), pending: begun.pending })
    await expect(finished).rejects.toMatchObject({ code: 'callback_refused' })
    expect(server.seenAt('/token')).toEqual([])
  })

  it('tells that the user said no', async () => {
    const { client, begun, server } = await begin()
    const query = new URLSearchParams({ state: begun.state, iss: server.issuer, error: 'access_denied' })
    await expect(client.finishLogin({ query, pending: begun.pending })).rejects.toMatchObject({
      error: 'access_denied',
    })
  })

  it('refuses what another client began', async () => {
    const { client, begun, answer, server } = await begin()
    const pending = new Secret(begun.pending.reveal().replace(`"${service.clientId}"`, '"another"'))
    const finished = client.finishLogin({ query: await answer(), pending })
    await expect(finished).rejects.toMatchObject({ code: 'store_refused' })
    expect(server.seenAt('/token')).toEqual([])
  })

  it.each(['http://app.example.com/callback', 'https://app.example.com/#here', 'javascript:alert(1)'])(
    'takes no answer at %s [RFC 6749 §3.1.2(c)]',
    async (unsafe) => {
      const { client } = await begin()
      const begun = client.beginLogin({ resource, redirectUri: unsafe })
      await expect(begun).rejects.toMatchObject({ code: 'invalid_option' })
    },
  )

  it('prints nothing of what has to stay on the server', async () => {
    const { begun } = await begin()
    const verifier = JSON.parse(begun.pending.reveal()).verifier
    expect(inspect(begun) + JSON.stringify(begun)).not.toContain(verifier)
  })
})
