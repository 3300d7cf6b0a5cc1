import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type AuthorizationServer,
  createAuthorizationServer,
  makeKeySecret,
  openStore,
  type Store,
} from '@arctos/authorization-server'
import { sha256Base64url } from '@arctos/core'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { revocationEvents } from '../src/adapters/node.ts'
import { resourceServer } from '../src/index.ts'
import { patiently } from './transmitter.ts'

const issuer = 'https://issuer.example'
const notes = 'https://notes.example'
const secret = 'arctos_cs_a-secret-of-the-tests'
const actor = 'test'

let store: Store
let server: AuthorizationServer
let events: Server
let endpoint: string
let listener: ReturnType<typeof revocationEvents>
let stopUpkeep: () => Promise<void>
/** Asks the authorization server of these tests without a socket between. */
const fetch = async (url: string, init: RequestInit) => server.handle(new Request(url, init), { address: '192.0.2.1' })

beforeAll(async () => {
  store = await openStore({ database: ':memory:' })
  await store.migrate()
  server = await createAuthorizationServer({ issuer, store, kek: randomBytes(32) })
  stopUpkeep = server.startUpkeep()
  const resource = { tokenType: 'at+jwt', tokenFormat: 'jwt', accessTokenLifetimeSeconds: 600 } as const
  await store.createResource({ settings: { ...resource, identifier: notes, scopes: { read: 'Read' } }, actor })
  const register = async (id: string, settings: object): Promise<void> => {
    const usual = {
      name: id,
      grantTypes: [],
      redirectUris: [],
      authenticationMethods: ['client_secret_basic' as const],
    }
    await store.createClient({ id, settings: { ...usual, ...settings }, secretHash: sha256Base64url(secret), actor })
  }
  await register('service', { grantTypes: ['client_credentials'] })
  await register('notes-api', { resourceServerOf: notes })
  events = createServer((request, response) => void listener(request, response))
  await new Promise<void>((resolve) => events.listen(0, '127.0.0.1', resolve))
  endpoint = `http://127.0.0.1:${(events.address() as AddressInfo).port}/events`
  await register('pushed-api', { resourceServerOf: notes, pushEndpoints: [endpoint] })
})
afterAll(async () => {
  await stopUpkeep()
  events.closeAllConnections()
  events.close()
  await store.close()
})

async function post(path: string, form: Record<string, string>): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`service:${secret}`).toString('base64')}`
  return fetch(issuer + path, { method: 'POST', headers: { authorization }, body: new URLSearchParams(form) })
}

async function newToken(): Promise<string> {
  const answer = (await (await post('/token', { grant_type: 'client_credentials' })).json()) as { access_token: string }
  return answer.access_token
}

function guardOf(revocations: object = {}) {
  const guard = resourceServer({
    resource: notes,
    authorizationServers: [issuer],
    scopes: { read: 'Read' },
    revocations: { clientId: 'notes-api', clientSecret: secret, ...revocations },
    fetch,
    wait: patiently,
    journal: () => {},
  })
  guards.push(guard)
  const verdict = async (token: string): Promise<string> => {
    const request = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } }
    const decision = await guard.authorize(request, { scope: 'read' })
    return decision.ok ? 'good' : decision.reason
  }
  return { guard, verdict }
}

const guards: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(guards.splice(0).map((guard) => guard.close()))
})

const soon = { timeout: 10_000, interval: 5 }

describe('a guard with one line about revocations, at an Arctos server', () => {
  it('takes a signed token until it is taken back', async () => {
    const { verdict } = guardOf()
    const [kept, token] = [await newToken(), await newToken()]
    expect([await verdict(token), await verdict(kept)]).toEqual(['good', 'good'])
    expect((await post('/revoke', { token })).status).toBe(200)
    await vi.waitFor(async () => expect(await verdict(token)).toBe('token.revoked'), soon)
    expect(await verdict(kept)).toBe('good')
  })

  it('takes the token that was given for an API key until the key ends', async () => {
    const { verdict } = guardOf()
    const { secret: key, hash } = makeKeySecret('apiKey', randomBytes, 'live')
    const created = await store.createApiKey({
      owner: { kind: 'client', clientId: 'service' },
      name: 'nightly',
      resourceKey: notes,
      scopes: ['read'],
      secretHash: hash,
      lifetimeSeconds: 86_400,
      actor,
    })
    const answer = await post('/token', {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: key.reveal(),
      subject_token_type: 'urn:arctos:params:oauth:token-type:api_key',
    })
    const { access_token: token } = (await answer.json()) as { access_token: string }
    expect(await verdict(token)).toBe('good')
    if (created.outcome === 'created') await store.endApiKey({ keyId: created.id, actor })
    await vi.waitFor(async () => expect(await verdict(token)).toBe('token.revoked'), soon)
  })

  it('knows before its first answer what was taken back before it began', async () => {
    const token = await newToken()
    const { head } = await store.readFeedHead(undefined)
    await post('/revoke', { token })
    // Acknowledged is not numbered yet: that takes some milliseconds, of which the bound consists.
    await vi.waitFor(async () => expect((await store.readFeedHead(undefined)).head).toBe(head + 1), soon)
    const { verdict } = guardOf()
    expect(await verdict(token)).toBe('token.revoked')
  })

  it('leaves no stream behind when it is closed', async () => {
    const { guard, verdict } = guardOf()
    await verdict(await newToken())
    expect(await store.listStreams('notes-api')).toHaveLength(1)
    await guard.close()
    expect(await store.listStreams('notes-api')).toEqual([])
  })

  it('is told by push where it wants that, and stays fresh by the heartbeats', async () => {
    const { guard, verdict } = guardOf({ clientId: 'pushed-api', delivery: 'push', endpoint })
    listener = revocationEvents(guard)
    const token = await newToken()
    expect(await verdict(token)).toBe('good')
    expect((await post('/revoke', { token })).status).toBe(200)
    await vi.waitFor(async () => expect(await verdict(token)).toBe('token.revoked'), soon)
    const heard = () => guard.revocationStatus()[0]?.events['applied verification'] ?? 0
    await vi.waitFor(() => expect(heard()).toBeGreaterThanOrEqual(2), soon)
    expect(guard.revocationStatus()).toMatchObject([{ problem: undefined, counts: { resyncs: 1 } }])
  })
})
