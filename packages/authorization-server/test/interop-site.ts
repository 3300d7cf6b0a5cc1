import { generateKeyPairSync } from 'node:crypto'
import {
  type AuthorizationServer,
  type ClientSettings,
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
  /** Sends the user to the page of user codes, by the address that has the code in it, and on to allow the device. */
  readonly allowDevice: (url: string) => Promise<void>
  readonly close: () => Promise<void>
}

export const audience = 'https://notes.example'
export const redirectUri = 'http://127.0.0.1:8765/callback'
export const service = { id: 'service', secret: 'a secret of the service' }
export const api = { id: 'notes-api', secret: 'a secret of the API' }
export const appId = 'app'
export const deviceId = 'television'
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
    async allowDevice(url) {
      const { last } = await browser.visit(url, { signIn: user, decision: 'approve' })
      if (!last.text.includes('Your device is connected')) throw new Error(`not connected: ${last.text.slice(0, 300)}`)
    },
    async close() {
      await listening.close(0)
      await store.close()
    },
  }
}

const format = { tokenFormat: 'jwt', tokenType: 'at+jwt', accessTokenLifetimeSeconds: 600 } as const
const bySecret: Pick<ClientSettings, 'authenticationMethods'> = { authenticationMethods: ['client_secret_basic'] }
const { kty, crv, x, y } = keyed.publicKey.export({ format: 'jwk' }) as Record<string, string>

const clients: readonly (readonly [id: string, secret: string | undefined, settings: ClientSettings])[] = [
  [
    service.id,
    service.secret,
    {
      name: 'Service',
      ...bySecret,
      grantTypes: ['client_credentials', 'authorization_code'],
      redirectUris: [redirectUri],
    },
  ],
  [
    api.id,
    api.secret,
    { name: 'Notes API', ...bySecret, grantTypes: [], redirectUris: [], resourceServerOf: audience },
  ],
  [
    appId,
    undefined,
    { name: 'App', authenticationMethods: ['none'], grantTypes: ['authorization_code'], redirectUris: [redirectUri] },
  ],
  [
    deviceId,
    undefined,
    {
      name: 'Television',
      authenticationMethods: ['none'],
      grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'],
      redirectUris: [],
    },
  ],
  [
    keyed.id,
    undefined,
    {
      name: 'Keyed service',
      authenticationMethods: ['private_key_jwt'],
      grantTypes: ['client_credentials'],
      redirectUris: [],
      keys: [{ kty, crv, x, y, alg: 'ES256', use: 'sig', kid: 'key' } as Record<string, string>],
    },
  ],
]

async function register(store: Store): Promise<void> {
  const actor = 'test'
  await store.createResource({ settings: { identifier: audience, scopes: { read: 'Read' }, ...format }, actor })
  for (const [id, secret, settings] of clients) {
    const secretHash = secret === undefined ? undefined : sha256Base64url(secret)
    await store.createClient({ id, settings, secretHash, actor })
  }
  await store.createUser({ username: user.username, passwordHash: await hashPassword(user.password), actor })
}
