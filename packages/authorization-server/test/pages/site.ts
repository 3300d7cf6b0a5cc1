import {
  type AuthorizationServer,
  type ClientSettings,
  createAuthorizationServer,
  hashPassword,
  type JournalEvent,
  openStore,
  type Store,
} from '@arctos/authorization-server'
import { codeChallengeOf, sha256Base64url } from '@arctos/core'

/**
 * A running server with a user, three clients and two resources, on a database in memory. Time stands still until it is
 * moved.
 */
export interface Site {
  readonly issuer: string
  readonly server: AuthorizationServer
  readonly store: Store
  /** Moves the clock of server and store. */
  readonly pass: (seconds: number) => void
  readonly userId: string
  /** Everything that was journalled so far. */
  readonly events: readonly JournalEvent[]
}

export const issuer = 'http://localhost:4000'
export const username = 'alice'
export const password = 'nine brown bears dance'
export const callback = 'http://127.0.0.1:8765/callback'
export const webCallback = 'https://web.example/callback?tenant=7'
export const verifier = 'dBjftJeZ4CVP-mBJCmSMVRxe4y8j2YRw8KW3SG1hY5xk'
export const clientSecret = 'a secret of the web client'
export const notes = 'https://notes.example'
export const mail = 'https://mail.example/v1'

const startAt = Date.parse('2026-11-20T10:00:00Z')
const passwordHash = hashPassword(password)

export async function startSite(options: { readonly issuer?: string } = {}): Promise<Site> {
  let nowMs = startAt
  const now = (): number => nowMs
  const store = await openStore({ database: ':memory:', now })
  await store.migrate()
  const pass = (seconds: number): void => {
    nowMs += seconds * 1_000
  }
  await registerResources(store, pass)
  await registerClients(store)
  const created = await store.createUser({ username, passwordHash: await passwordHash, actor: 'test' })
  if (created.outcome !== 'created') throw new Error('the test user was not created')
  const named = options.issuer ?? issuer
  const events: JournalEvent[] = []
  const journal = { write: (event: JournalEvent) => void events.push({ ...event }) }
  const server = await createAuthorizationServer({ issuer: named, store, kek: Buffer.alloc(32, 7), now, journal })
  return { issuer: named, server, store, pass, userId: created.id, events }
}

const app: ClientSettings = {
  name: 'Notes App',
  authenticationMethods: ['none'],
  grantTypes: ['authorization_code'],
  redirectUris: [callback],
}

async function registerResources(store: Store, pass: (seconds: number) => void): Promise<void> {
  const jwt = { tokenFormat: 'jwt', tokenType: 'at+jwt', accessTokenLifetimeSeconds: 600 } as const
  const scopes = { read: 'Read your notes', write: 'Write notes for you' }
  await store.createResource({ settings: { identifier: notes, scopes, ...jwt }, actor: 'test' })
  // The first one is the default, and the time decides which that is.
  pass(1)
  const opaque = { tokenFormat: 'opaque', tokenType: 'at+jwt', accessTokenLifetimeSeconds: 600 } as const
  await store.createResource({
    settings: { identifier: mail, scopes: { send: 'Send mail' }, ...opaque },
    actor: 'test',
  })
}

async function registerClients(store: Store): Promise<void> {
  await createClient(store, 'app', app)
  await createClient(store, 'web', {
    ...app,
    name: 'Web Client',
    authenticationMethods: ['client_secret_post'],
    redirectUris: [webCallback],
  })
  await createClient(store, 'several', { ...app, redirectUris: [callback, 'https://several.example/cb'] })
  await createClient(store, 'machine', { ...app, grantTypes: ['client_credentials'] })
}

export async function createClient(store: Store, id: string, settings: ClientSettings): Promise<void> {
  const secretHash = settings.authenticationMethods.includes('none') ? undefined : sha256Base64url(clientSecret)
  const { outcome } = await store.createClient({ id, settings, secretHash, actor: 'test' })
  if (outcome !== 'created') throw new Error(`client ${id} was not created`)
}

/** Settings of the public client, with changes. */
export function appSettings(changes: Partial<ClientSettings>): ClientSettings {
  return { ...app, ...changes }
}

export type Changes = Readonly<Record<string, string | readonly string[] | undefined>>

/** The query of a good authorization request; `undefined` takes a parameter away, a list repeats it. */
export function requestQuery(changes: Changes = {}): string {
  const base: Changes = {
    response_type: 'code',
    client_id: 'app',
    redirect_uri: callback,
    scope: 'read',
    state: 'xyz',
    code_challenge: codeChallengeOf(verifier),
    code_challenge_method: 'S256',
  }
  return Object.entries({ ...base, ...changes })
    .flatMap(([name, value]) => {
      const values = value === undefined ? [] : typeof value === 'string' ? [value] : value
      return values.map((each) => `${name}=${encodeURIComponent(each)}`)
    })
    .join('&')
}

/** Where an answer sends the browser, read as a client does. */
export function locationOf(response: Response): URL {
  return new URL(response.headers.get('location') ?? 'none:')
}

/** The parameters of an answer to the client. */
export function answerOf(response: Response): URLSearchParams {
  return locationOf(response).searchParams
}
