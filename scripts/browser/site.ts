import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type AuthorizationServer,
  createAuthorizationServer,
  hashPassword,
  listen,
  openStore,
} from '@arctos/authorization-server'
import { codeChallengeOf, sha256Base64url } from '@arctos/core'

export const user = { name: 'alice', password: 'nine brown bears dance' } as const
const secret = 'a secret of the web client'
const verifier = 'v'.repeat(64)
const resource = 'https://notes.example'

/** A listening authorization server with one user, and the program of a client beside it, on a port of its own. */
export interface BrowserSite {
  readonly issuer: string
  /** Where the client's program waits for answers. */
  readonly callback: string
  readonly authorizeUrl: (client: 'program' | 'web', state: string, scope?: string) => string
  /** Redeems a code, or refreshes, as the client does. */
  readonly token: (client: 'program' | 'web', fields: Readonly<Record<string, string>>) => Promise<TokenAnswer>
  /** A television asks for access: what it shows, and what came of it when it asks for tokens. */
  readonly startDevice: () => Promise<BrowserDevice>
  readonly verifier: string
  readonly close: () => Promise<void>
}

export interface TokenAnswer {
  readonly status: number
  readonly refresh_token?: string
}

export interface BrowserDevice {
  readonly page: string
  /** The page with the code in its address. */
  readonly complete: string
  readonly code: string
  readonly poll: () => Promise<TokenAnswer & { readonly error?: string }>
}

export async function openSite(): Promise<BrowserSite> {
  const program = createServer((_, answer) => {
    answer.setHeader('content-type', 'text/html')
    answer.end('<title>Program</title><link rel="icon" href="data:,"><p>The program has your answer.</p>')
  })
  await new Promise<void>((resolve) => program.listen(0, '127.0.0.1', resolve))
  const callback = `http://127.0.0.1:${(program.address() as AddressInfo).port}/callback`

  // The issuer holds the port, so the socket comes first and the server after it.
  let server: AuthorizationServer | undefined
  const relay = { handle: (...parts: Parameters<AuthorizationServer['handle']>) => server?.handle(...parts) }
  const listening = await listen(relay as AuthorizationServer, { port: 0, hosts: ['127.0.0.1'] })
  const issuer = `http://127.0.0.1:${listening.port}`
  const store = await openStore({ database: ':memory:' })
  await store.migrate()
  const scopes = { read: 'Read your notes', write: 'Write and delete notes for you' }
  const tokens = { tokenFormat: 'jwt', tokenType: 'at+jwt', accessTokenLifetimeSeconds: 600 } as const
  await store.createResource({ settings: { identifier: resource, scopes, ...tokens }, actor: 'browser' })
  const client = { grantTypes: ['authorization_code'], redirectUris: [callback] }
  await store.createClient({
    id: 'program',
    settings: { name: 'Notes on your desk', authenticationMethods: ['none'], ...client },
    actor: 'browser',
  })
  await store.createClient({
    id: 'web',
    secretHash: sha256Base64url(secret),
    settings: { name: 'Notes on the web', authenticationMethods: ['client_secret_post'], ...client },
    actor: 'browser',
  })
  const device = 'urn:ietf:params:oauth:grant-type:device_code'
  await store.createClient({
    id: 'television',
    settings: { name: 'Television', authenticationMethods: ['none'], grantTypes: [device], redirectUris: [] },
    actor: 'browser',
  })
  const passwordHash = await hashPassword(user.password)
  await store.createUser({ username: user.name, passwordHash, actor: 'browser' })
  server = await createAuthorizationServer({ issuer, store, kek: Buffer.alloc(32, 7) })

  return {
    issuer,
    callback,
    verifier,
    authorizeUrl: (clientId, state, scope = 'read offline_access') => {
      const challenge = { code_challenge: codeChallengeOf(verifier), code_challenge_method: 'S256' }
      const request = { response_type: 'code', client_id: clientId, redirect_uri: callback, scope, state, ...challenge }
      return `${issuer}/authorize?${new URLSearchParams(request)}`
    },
    token: async (clientId, fields) => {
      const proof = clientId === 'web' ? { client_secret: secret } : {}
      const body = new URLSearchParams({ client_id: clientId, ...proof, ...fields })
      const answer = await fetch(`${issuer}/token`, { method: 'POST', body })
      return { status: answer.status, ...((await answer.json()) as object) }
    },
    startDevice: async () => {
      const body = new URLSearchParams({ client_id: 'television', scope: 'read offline_access' })
      const answer = await fetch(`${issuer}/device_authorization`, { method: 'POST', body })
      const codes = (await answer.json()) as Readonly<Record<string, string>>
      const { verification_uri: page = '', verification_uri_complete: complete = '', user_code: code = '' } = codes
      const form = { client_id: 'television', grant_type: device, device_code: codes['device_code'] ?? '' }
      const poll = async () => {
        const polled = await fetch(`${issuer}/token`, { method: 'POST', body: new URLSearchParams(form) })
        return { status: polled.status, ...((await polled.json()) as object) }
      }
      return { page, complete, code, poll }
    },
    close: async () => {
      await listening.close(1_000)
      program.closeAllConnections()
      await new Promise((resolve) => program.close(resolve))
      await store.close()
    },
  }
}
