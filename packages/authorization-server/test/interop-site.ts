import { generateKeyPairSync } from 'node:crypto'
import {
  type AuthorizationServer,
  createAuthorizationServer,
  hashPassword,
  listen,
  openStore,
  type Store,
} from '@arctos/authorization-server'
import { sha256Base64url } from '@arctos/core'
import { createBrowser } from '../../../conformance/driver/browser.ts'

/** A server on a real socket, with an API, its clients and a user in front of a browser. */
export interface InteropSite {
  readonly issuer: string
  /** Sends the user through sign-in and consent; resolves to the address at which the client would be called. */
  readonly authorize: (url: URL) => Promise<URL>
  readonly close: () => Promise<void>
}

export const audience = 'https://notes.example'
export const redirectUri = 'http://127.0.0.1:8765/callback'
export const service = { id: 'service', secret: 'a secret of the service' }
export const api = { id: 'notes-api', secret: 'a secret of the API' }
export const appId = 'app'
export const keyed = { id: 'keyed', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }

const user = { username: 'ada', password: 'nine brown bears dance' }

export async function startInteropSite(): Promise<InteropSite> {
  const store = await openStore({ database: ':memory:' })
  await store.migrate()
  await register(store)
  // The port comes first: the issuer names it. Nobody asks before the server is there.
  const server = {} as AuthorizationServer
  const listening = await listen(server, { port: 0, hosts: ['127.0.0.1'] })
  const issuer = `http://127.0.0.1:${listening.port}`
  Object.assign(server, await createAuthorizationServer({ issuer, store, kek: Buffer.alloc(32, 7) }))
  const browser = createBrowser(redirectUri)
  return {
    issuer,
    async authorize(url) {
      const { left, last } = await browser.visit(url.href, { signIn: user, decision: 'approve' })
      if (left === undefined) throw new Error(`${last.url} answered ${last.status}: ${last.text.slice(0, 300)}`)
      return left
    },
    async close() {
      await listening.close(0)
      await store.close()
    },
  }
}

async function register(store: Store): Promise<void> {
  const actor = 'test'
  const format = { tokenFormat: 'jwt', tokenType: 'at+jwt', accessTokenLifetimeSeconds: 600 } as const
  await store.createResource({ settings: { identifier: audience, scopes: { read: 'Read' }, ...format }, actor })
  const settings = { authenticationMethods: ['client_secret_basic'], grantTypes: [], redirectUris: [] } as const
  const flows = { grantTypes: ['client_credentials', 'authorization_code'], redirectUris: [redirectUri] } as const
  await store.createClient({
    id: service.id,
    settings: { name: 'Service', ...settings, ...flows },
    secretHash: sha256Base64url(service.secret),
    actor,
  })
  await store.createClient({
    id: api.id,
    settings: { name: 'Notes API', ...settings, resourceServerOf: audience },
    secretHash: sha256Base64url(api.secret),
    actor,
  })
  const app = { name: 'App', ...flows, authenticationMethods: ['none'], grantTypes: ['authorization_code'] } as const
  await store.createClient({ id: appId, settings: app, secretHash: undefined, actor })
  const keys = [{ ...keyed.publicKey.export({ format: 'jwk' }), kty: 'EC', alg: 'ES256', use: 'sig', kid: 'key' }]
  await store.createClient({
    id: keyed.id,
    settings: {
      name: 'Keyed service',
      authenticationMethods: ['private_key_jwt'],
      grantTypes: ['client_credentials'],
      redirectUris: [],
      keys,
    },
    secretHash: undefined,
    actor,
  })
  await store.createUser({ username: user.username, passwordHash: await hashPassword(user.password), actor })
}
