import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import {
  type ClientSettings,
  hashPassword,
  type KeyEncryptionKey,
  makeKeySecret,
  type ResourceSettings,
  type Store,
  verifyPassword,
} from '@arctos/authorization-server'
import {
  deriveKey,
  formatOpaqueToken,
  type JsonObject,
  jwkThumbprint,
  resourceKey,
  Secret,
  sha256Base64url,
} from '@arctos/core'

/** Everything that `arctos dev` sets up to be tried. The same on every run of one data directory. */
export interface Samples {
  readonly audience: string
  readonly audience2: string
  readonly apiUrl: string
  readonly client: SampleClient
  readonly client2: SampleClient
  readonly resourceServer: SampleClient
  readonly resourceServer2: SampleClient
  readonly publicClientId: string
  readonly deviceClientId: string
  readonly keyClientId: string
  readonly keyClientPrivateJwk: Secret
  /** An API key of the first client; a new one on every run. */
  readonly apiKey: Secret
  readonly username: string
  readonly password: Secret
}

export interface SampleClient {
  readonly id: string
  readonly secret: Secret
}

export const redirectUri = 'http://127.0.0.1:8765/callback'
/** Where security events for the first API may be pushed to; somebody has to listen there. */
export const samplePushEndpoint = 'http://127.0.0.1:8766/events'
export const sampleScope = 'read'
export const sampleWriteScope = 'write'
export const sampleScope2 = 'archive'
export const sampleUserScope = 'read offline_access'

const actor = 'arctos dev'

/** Registers the samples, or brings those of an earlier run up to date. Secrets are derived from the key, never stored in clear. */
export async function registerSamples(store: Store, key: KeyEncryptionKey, apiOrigin: string): Promise<Samples> {
  // Each resource is called at its own address: strict clients compare the two (RFC 9728 §3.3).
  const audience = `${apiOrigin}/notes`
  const audience2 = `${apiOrigin}/archive`
  await registerResource(store, { ...jwtResource, identifier: audience })
  await registerResource(store, { ...opaqueResource, identifier: audience2 })

  const confidential = {
    authenticationMethods: secretMethods,
    grantTypes: ['client_credentials', 'authorization_code'],
    redirectUris: [redirectUri],
  }
  const privateJwk = samplePrivateJwk(key)
  const apiKey = makeKeySecret('apiKey', randomBytes, 'test')
  const samples: Samples = {
    audience,
    audience2,
    apiUrl: audience,
    client: sampleClient(key, 'sample-service'),
    client2: sampleClient(key, 'sample-service-2'),
    resourceServer: sampleClient(key, 'sample-notes-api'),
    resourceServer2: sampleClient(key, 'sample-archive-api'),
    publicClientId: 'sample-app',
    deviceClientId: 'sample-device',
    keyClientId: 'sample-key-service',
    keyClientPrivateJwk: new Secret(JSON.stringify(privateJwk)),
    apiKey: apiKey.secret,
    username: 'ada',
    password: samplePassword(key),
  }
  await registerClient(store, samples.client, { name: 'Sample service', ...confidential })
  await registerClient(store, samples.client2, { name: 'Second sample service', ...confidential })
  await registerClient(
    store,
    { id: samples.publicClientId },
    {
      name: 'Sample app',
      authenticationMethods: ['none'],
      grantTypes: ['authorization_code'],
      redirectUris: [redirectUri],
    },
  )
  await registerClient(
    store,
    { id: samples.deviceClientId },
    {
      name: 'Sample device',
      authenticationMethods: ['none'],
      grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'],
      redirectUris: [],
    },
  )
  await registerClient(
    store,
    { id: samples.keyClientId },
    {
      name: 'Sample service with a key',
      authenticationMethods: ['private_key_jwt'],
      grantTypes: ['client_credentials'],
      redirectUris: [],
      keys: [publicPart(privateJwk) as NonNullable<ClientSettings['keys']>[number]],
    },
  )
  await registerClient(store, samples.resourceServer, {
    ...resourceServerSettings('Sample notes API', audience),
    pushEndpoints: [samplePushEndpoint],
  })
  await registerClient(store, samples.resourceServer2, resourceServerSettings('Sample archive API', audience2))
  await registerUser(store, samples)
  await registerKey(store, samples, apiKey.hash)
  return samples
}

const secretMethods: ClientSettings['authenticationMethods'] = ['client_secret_basic', 'client_secret_post']

const jwtResource: Omit<ResourceSettings, 'identifier'> = {
  scopes: { [sampleScope]: 'Read your notes', [sampleWriteScope]: 'Write notes in your name' },
  tokenFormat: 'jwt',
  tokenType: 'at+jwt',
  accessTokenLifetimeSeconds: 600,
}

const opaqueResource: Omit<ResourceSettings, 'identifier'> = {
  scopes: { [sampleScope2]: 'Read archived notes' },
  tokenFormat: 'opaque',
  tokenType: 'at+jwt',
  accessTokenLifetimeSeconds: 600,
}

function resourceServerSettings(name: string, identifier: string): ClientSettings {
  return {
    name,
    authenticationMethods: secretMethods,
    grantTypes: [],
    redirectUris: [],
    resourceServerOf: resourceKey(identifier),
  }
}

function sampleClient(key: KeyEncryptionKey, id: string): SampleClient {
  return { id, secret: formatOpaqueToken('clientSecret', deriveKey(key, `arctos sample secret ${id}`), 'test') }
}

function samplePassword(key: KeyEncryptionKey): Secret {
  return new Secret(deriveKey(key, 'arctos sample password').subarray(0, 9).toString('base64url'))
}

/** A private key on P-256 from derived bytes, in the shape that clients import. */
function samplePrivateJwk(key: KeyEncryptionKey): JsonObject {
  const scalar = deriveKey(key, 'arctos sample private key')
  // PKCS#8 of an EC key on P-256, without the public half: OpenSSL computes it.
  const head = Buffer.from('3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420', 'hex')
  const privateKey = createPrivateKey({ key: Buffer.concat([head, scalar]), format: 'der', type: 'pkcs8' })
  const jwk = {
    ...(createPublicKey(privateKey).export({ format: 'jwk' }) as JsonObject),
    d: scalar.toString('base64url'),
  }
  return { ...jwk, alg: 'ES256', use: 'sig', kid: jwkThumbprint(jwk).slice(0, 16) }
}

function publicPart(jwk: JsonObject): JsonObject {
  const { d: _private, ...rest } = jwk
  return rest
}

async function registerResource(store: Store, settings: ResourceSettings): Promise<void> {
  // "identifier_taken" is an earlier run of this directory.
  await store.createResource({ settings, actor })
}

async function registerClient(
  store: Store,
  { id, secret }: { readonly id: string; readonly secret?: Secret },
  settings: ClientSettings,
): Promise<void> {
  const known = await store.readClient(id)
  const secretHash = secret && sha256Base64url(secret.reveal())
  const isSame = JSON.stringify(known?.settings) === JSON.stringify(settings) && known?.secrets[0]?.hash === secretHash
  if (known !== undefined && isSame && known.disabledAt === undefined) return
  if (known === undefined) await store.createClient({ id, settings, secretHash, actor })
  else
    await store.updateClient({
      id,
      settings,
      secretHash,
      disabled: known.disabledAt === undefined ? undefined : false,
      actor,
    })
}

/** Gives the sample account its password and its rights again, whatever was changed since. It takes one argon2 hash. */
export async function restoreUser(store: Store, { username, password }: Samples): Promise<void> {
  const user = await store.readUserByName(username)
  if (user === undefined) return
  const isRight = await verifyPassword(password.reveal(), user.passwordHash)
  if (isRight && user.disabledAt === undefined) return
  const passwordHash = isRight ? undefined : await hashPassword(password.reveal())
  const disabled = user.disabledAt === undefined ? undefined : false
  await store.changeUser({ id: user.id, passwordHash, disabled, actor })
}

async function registerUser(store: Store, { username, password }: Samples): Promise<void> {
  if ((await store.readUserByName(username)) !== undefined) return
  await store.createUser({ username, passwordHash: await hashPassword(password.reveal()), actor })
}

/** Makes a key for a day, and ends those of earlier runs. */
async function registerKey(store: Store, { client, audience }: Samples, secretHash: string): Promise<void> {
  const owner = { kind: 'client', clientId: client.id } as const
  const name = 'Sample key'
  for (const key of await store.listApiKeys(owner))
    if (key.name === name && key.state === 'active') await store.endApiKey({ keyId: key.id, actor })
  const wish = { owner, name, resourceKey: audience, scopes: [sampleScope], lifetimeSeconds: 86_400 }
  await store.createApiKey({ ...wish, secretHash, actor })
}
