import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  type ClientSettings,
  createAuthorizationServer,
  type JournalEvent,
  openStore,
  type ResourceSettings,
  type Store,
} from '@arctos/authorization-server'
import { type Reason, type SecretEnvironment, sha256Base64url } from '@arctos/core'
import { type DatabaseKind, makeDatabase } from './databases.ts'

/** An authorization server with resources, clients and a user. Its time stands still until it is moved. */
export interface Installation {
  readonly issuer: string
  readonly server: AuthorizationServer
  readonly store: Store
  readonly userId: string
  /** Everything that the journal was told, in order. */
  readonly journal: readonly JournalEvent[]
  readonly clock: Clock
  /** Posts a form, in pairs or as the body itself. */
  readonly post: (path: string, form: Form | string | Uint8Array, headers?: HeaderFields) => Promise<Reply>
  readonly send: (path: string, init?: RequestInit) => Promise<Reply>
  /** Another node on the same database. */
  readonly startNode: (options?: Partial<AuthorizationServerOptions>) => Promise<AuthorizationServer>
  readonly end: () => Promise<void>
}

export interface Clock {
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly seconds: () => number
  readonly pass: (seconds: number) => void
}

/** A form's fields; a list repeats one, `undefined` leaves it out. */
export type Form = Readonly<Record<string, string | readonly string[] | undefined>>

export type HeaderFields = Readonly<Record<string, string>>

/** An answer, read to its end. */
export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Readonly<Record<string, unknown>>
  /** What the operator reads from the receipt; absent where there is none. */
  readonly reason: Reason | undefined
}

/** JWTs; the first one registered, and so the default. */
export const notes = 'https://notes.example'
/** Opaque tokens. */
export const archive = 'https://archive.example/v1'
/** JWTs for verifiers that want `typ: JWT`. */
export const legacy = 'https://legacy.example'

export const secret = 'arctos_cs_a-secret-of-the-tests'
export const callback = 'https://app.example/callback'
export const peer = { address: '192.0.2.1' }

export interface InstallationOptions extends Partial<AuthorizationServerOptions> {
  readonly database?: DatabaseKind
  /** An address instead of a kind: the caller's own database, which stays. */
  readonly url?: string
  /** What its secrets say of themselves. */
  readonly environment?: SecretEnvironment
}

const defaultIssuer = 'https://issuer.example'

export async function install(options: InstallationOptions = {}): Promise<Installation> {
  const { database = 'sqlite', url, environment, ...given } = options
  const made = url === undefined ? await makeDatabase(database) : { url, drop: async () => undefined }
  // A little behind the time of this machine, for verifiers that use it: nothing may lie in their future.
  const clock = createClock(Date.now() - 10_000)
  const store = await openStore({ database: made.url, now: clock.now, environment })
  await store.migrate()
  await registerResources(store, clock)
  await registerClients(store)
  const created = await store.createUser({ username: 'ada', passwordHash: 'of a password', actor: 'test' })
  if (created.outcome !== 'created') throw new Error('the user was not created')

  const journal: JournalEvent[] = []
  const startNode = (more: Partial<AuthorizationServerOptions> = {}): Promise<AuthorizationServer> =>
    createAuthorizationServer({
      issuer: defaultIssuer,
      store,
      kek: Buffer.alloc(32, 7),
      now: clock.now,
      journal: { write: (event) => void journal.push(structuredClone(event)) },
      ...given,
      ...more,
    })
  const server = await startNode()
  const send = askThrough(server)
  return {
    issuer: server.context.issuer,
    server,
    store,
    userId: created.id,
    journal,
    clock,
    send,
    post: (path, form, headers) => send(path, formRequest(form, headers)),
    startNode,
    async end() {
      await store.close()
      await made.drop()
    },
  }
}

function createClock(startMs: number): Clock {
  let nowMs = Math.floor(startMs / 1_000) * 1_000
  return {
    now: () => nowMs,
    seconds: () => Math.floor(nowMs / 1_000),
    pass(seconds) {
      nowMs += seconds * 1_000
    },
  }
}

/** Asks a server without a socket between, and reads the answer. */
export function askThrough(server: AuthorizationServer, address = () => peer.address): Installation['send'] {
  const { issuer, receipts } = server.context
  return async (path, init) => {
    const response = await server.handle(new Request(new URL(issuer).origin + path, init), { address: address() }, path)
    const text = await response.text()
    const receipt = response.headers.get('arctos-receipt')
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: text !== '' && /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : {},
      reason: receipt === null ? undefined : receipts.open(receipt)?.reason,
    }
  }
}

export function formRequest(form: Form | string | Uint8Array, headers: HeaderFields = {}): RequestInit {
  const isWritten = typeof form === 'string' || form instanceof Uint8Array
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: isWritten ? (form as string) : encodeForm(form),
  }
}

export function encodeForm(form: Form): string {
  return Object.entries(form)
    .flatMap(([name, value]) => (value === undefined ? [] : [value].flat().map((each) => [name, each] as const)))
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&')
}

/** HTTP Basic as RFC 6749 §2.3.1 writes it: both halves form-encoded. */
export function basic(clientId: string, clientSecret = secret): { readonly authorization: string } {
  const encode = (text: string): string => new URLSearchParams({ x: text }).toString().slice(2)
  const pair = `${encode(clientId)}:${encode(clientSecret)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

const jwtResource = { tokenFormat: 'jwt', tokenType: 'at+jwt', accessTokenLifetimeSeconds: 600 } as const

async function registerResources(store: Store, clock: Clock): Promise<void> {
  const scopes = { read: 'Read your notes', write: 'Write notes in your name' }
  const all: readonly ResourceSettings[] = [
    { ...jwtResource, identifier: notes, scopes },
    { ...jwtResource, identifier: archive, scopes: { archive: 'Read old notes' }, tokenFormat: 'opaque' },
    { ...jwtResource, identifier: legacy, scopes: { legacy: 'Use what is old' }, tokenType: 'JWT' },
  ]
  for (const settings of all) {
    const { outcome } = await store.createResource({ settings, actor: 'test' })
    if (outcome !== 'created') throw new Error(`resource ${settings.identifier} was not created`)
    // The first one is the default, and the time decides which that is.
    clock.pass(1)
  }
}

/** The key of the client `signer`. */
export const signerKey: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
export const signerKid = 'signer-1'

const service: ClientSettings = {
  name: 'Service',
  authenticationMethods: ['client_secret_basic', 'client_secret_post'],
  grantTypes: ['client_credentials', 'authorization_code'],
  redirectUris: [callback],
}

/** What each registered client is for. */
const clients: Readonly<Record<string, Partial<ClientSettings>>> = {
  service: {},
  rival: {},
  basic: { authenticationMethods: ['client_secret_basic'] },
  post: { authenticationMethods: ['client_secret_post'] },
  app: { authenticationMethods: ['none'], grantTypes: ['authorization_code'] },
  'other-app': { authenticationMethods: ['none'], grantTypes: ['authorization_code'] },
  disabled: {},
  machine: { grantTypes: ['client_credentials'] },
  reader: { scopes: ['read'] },
  'notes-api': { grantTypes: [], redirectUris: [], resourceServerOf: notes },
  'archive-api': { grantTypes: [], redirectUris: [], resourceServerOf: archive },
}

async function registerClients(store: Store): Promise<void> {
  for (const [id, changes] of Object.entries(clients)) await registerClient(store, id, changes)
  for (const id of ['signer', 'other-signer']) {
    await registerClient(store, id, {
      authenticationMethods: ['private_key_jwt'],
      keys: [publicJwkOf(signerKey, { kid: signerKid, alg: 'ES256' })],
    })
  }
  await store.updateClient({ id: 'disabled', disabled: true, actor: 'test' })
}

export async function registerClient(
  store: Store,
  id: string,
  changes: Partial<ClientSettings>,
  clientSecret = secret,
): Promise<void> {
  const settings = { ...service, ...changes }
  const hasSecret = settings.authenticationMethods.some((method) => method.startsWith('client_secret'))
  const secretHash = hasSecret ? sha256Base64url(clientSecret) : undefined
  const { outcome } = await store.createClient({ id, settings, secretHash, actor: 'test' })
  if (outcome !== 'created') throw new Error(`client ${id} was not created`)
}

type Jwk = NonNullable<ClientSettings['keys']>[number]

export function publicJwkOf(privateKey: KeyObject, members: Readonly<Record<string, string>>): Jwk {
  return { ...(createPublicKey(privateKey).export({ format: 'jwk' }) as Record<string, string>), ...members }
}
