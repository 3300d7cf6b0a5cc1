import { generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  type ClientSettings,
  createAuthorizationServer,
  makeKeySecret,
  openStore,
  type Store,
} from '@arctos/authorization-server'
import { sha256Base64url } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Fetch, resourceServer } from '../src/index.ts'

const issuer = 'https://issuer.example'
const archive = 'https://archive.example'
const secret = 'arctos_cs_a-secret-of-the-tests'
const actor = 'test'
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const named = { kid: 'archive-1', alg: 'ES256' }
const clientKey = { ...privateKey.export({ format: 'jwk' }), ...named }
const publicJwk = { ...(publicKey.export({ format: 'jwk' }) as Record<string, string>), ...named, use: 'sig' }

/** Asks the authorization server of these tests without a socket between. */
let fetch: Fetch
let store: Store

beforeAll(async () => {
  store = await openStore({ database: ':memory:' })
  await store.migrate()
  const server = await createAuthorizationServer({ issuer, store, kek: randomBytes(32) })
  fetch = async (url, init) => server.handle(new Request(url, init), { address: '192.0.2.1' })
  const resource = { tokenType: 'at+jwt', tokenFormat: 'opaque', accessTokenLifetimeSeconds: 600 } as const
  await store.createResource({ settings: { ...resource, identifier: archive, scopes: { read: 'Read' } }, actor })
  const register = async (id: string, settings: Partial<ClientSettings>): Promise<void> => {
    const usual = {
      name: id,
      grantTypes: [],
      redirectUris: [],
      authenticationMethods: ['client_secret_basic' as const],
    }
    const secretHash = settings.keys === undefined ? sha256Base64url(secret) : undefined
    await store.createClient({ id, settings: { ...usual, ...settings }, secretHash, actor })
  }
  await register('service', { grantTypes: ['client_credentials'] })
  await register('archive-api', {
    resourceServerOf: archive,
    authenticationMethods: ['private_key_jwt'],
    keys: [publicJwk],
  })
})
afterAll(() => store.close())

async function post(path: string, form: Record<string, string>): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`service:${secret}`).toString('base64')}`
  return fetch(issuer + path, { method: 'POST', headers: { authorization }, body: new URLSearchParams(form) })
}

async function newToken(): Promise<string> {
  const answer = (await (await post('/token', { grant_type: 'client_credentials' })).json()) as { access_token: string }
  return answer.access_token
}

function guardOf(through: Fetch = fetch) {
  const introspection = { clientId: 'archive-api', clientKey, signed: true }
  const options = { resource: archive, authorizationServers: [issuer], scopes: { read: 'Read' }, introspection }
  const guard = resourceServer({ ...options, fetch: through, journal: () => {} })
  return async (token: string): Promise<string> => {
    const request = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } }
    const decision = await guard.authorize(request, { scope: 'read' })
    return decision.ok ? 'good' : decision.reason
  }
}

describe('a guard that holds a key and wants signed answers, at an Arctos server', () => {
  it('takes an opaque token until it is taken back [RFC 9701 §5(e)]', async () => {
    const verdict = guardOf()
    const token = await newToken()
    expect([await verdict(token), await verdict(token)]).toEqual(['good', 'good'])
    expect((await post('/revoke', { token })).status).toBe(200)
    expect(await verdict(token)).toBe('token.inactive')
  })

  it('takes an API key as it is, until the key is ended [RFC 7662 §2.2(b)]', async () => {
    const verdict = guardOf()
    const { secret: key, hash } = makeKeySecret('apiKey', randomBytes, 'live')
    const created = await store.createApiKey({
      owner: { kind: 'client', clientId: 'service' },
      name: 'nightly',
      resourceKey: archive,
      scopes: ['read'],
      secretHash: hash,
      lifetimeSeconds: 'never',
      actor,
    })
    expect(await verdict(key.reveal())).toBe('good')
    if (created.outcome === 'created') await store.endApiKey({ keyId: created.id, actor })
    expect(await verdict(key.reveal())).toBe('token.inactive')
  })

  it('is not fooled by the answer about another token, as fresh and genuine as it is', async () => {
    const good = await newToken()
    let kept: Response | undefined
    const verdict = guardOf(async (url, init) => {
      if (!url.endsWith('/introspect')) return fetch(url, init)
      kept ??= await fetch(url, init)
      return kept.clone()
    })
    expect([await verdict(good), await verdict('arctos_at_stolen')]).toEqual(['good', 'introspection.unavailable'])
  })
})
