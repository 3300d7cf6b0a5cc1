import type { ResourceSettings, Store } from '@arctos/authorization-server'
import { resourceKey, sha256Base64url } from '@arctos/core'

/** An API that tokens can be for. */
export interface TestResource {
  /** The resource identifier: what `aud` of its tokens contains. */
  readonly identifier: string
  /** Its scope words; or an object, as `resourceServer` takes it. */
  readonly scopes: readonly string[] | Readonly<Record<string, string>>
  /** By default JWTs (RFC 9068). */
  readonly tokenFormat?: 'jwt' | 'opaque'
  /** By default an hour. */
  readonly accessTokenLifetimeSeconds?: number
}

/** A credential that was registered. */
export interface TestCredential {
  readonly clientId: string
  readonly clientSecret: string
}

/** Registers what tokens need to be about, each thing once. */
export interface Registration {
  readonly resource: (resource: TestResource) => Promise<void>
  /** The registered resource of this identifier. Throws a TypeError where there is none. */
  readonly resourceOf: (identifier: string) => ResourceSettings
  /** The first one. */
  readonly defaultResource: () => ResourceSettings
  /** A client that may ask for tokens, for itself and for users. */
  readonly client: (id: string) => Promise<TestCredential>
  /** The credential with which the server of a resource introspects. */
  readonly resourceServer: (identifier: string) => Promise<TestCredential>
  readonly user: (id: string) => Promise<void>
}

const actor = 'test'
export const callback = 'https://app.example.com/callback'

export function createRegistration(store: Store): Registration {
  const resources = new Map<string, ResourceSettings>()
  const known = new Map<string, Promise<unknown>>()
  /** Two tests that start at once need one client between them. */
  const once = async (name: string, act: () => Promise<unknown>): Promise<void> => {
    const under = known.get(name) ?? act()
    known.set(name, under)
    await under
  }
  const secretOf = (id: string): string => `the secret of ${id}`
  const createClient = (id: string, settings: { grantTypes: string[]; resourceServerOf?: string }) =>
    store.createClient({
      id,
      settings: {
        name: id,
        authenticationMethods: ['client_secret_basic', 'client_secret_post'],
        redirectUris: settings.grantTypes.length === 0 ? [] : [callback],
        ...settings,
      },
      secretHash: sha256Base64url(secretOf(id)),
      actor,
    })

  return {
    async resource({ identifier, scopes, tokenFormat = 'jwt', accessTokenLifetimeSeconds = 3_600 }) {
      const words = Array.isArray(scopes) ? Object.fromEntries(scopes.map((word) => [word, word])) : scopes
      const settings: ResourceSettings = {
        identifier,
        scopes: words as Record<string, string>,
        tokenFormat,
        tokenType: 'at+jwt',
        accessTokenLifetimeSeconds,
      }
      const { outcome } = await store.createResource({ settings, actor })
      if (outcome !== 'created') throw new TypeError(`resources: ${identifier} is there already`)
      resources.set(resourceKey(identifier), settings)
    },
    resourceOf(identifier) {
      const settings = resources.get(resourceKey(identifier))
      if (settings !== undefined) return settings
      const names = [...resources.values()].map((each) => each.identifier).join(', ')
      throw new TypeError(`audience: ${identifier} is not registered; there are ${names}`)
    },
    defaultResource() {
      const [first] = resources.values()
      if (first === undefined) throw new TypeError('resources: there is none')
      return first
    },
    async client(clientId) {
      await once(`client ${clientId}`, () =>
        createClient(clientId, { grantTypes: ['client_credentials', 'authorization_code'] }),
      )
      return { clientId, clientSecret: secretOf(clientId) }
    },
    async resourceServer(identifier) {
      const clientId = `server of ${identifier}`
      await once(`client ${clientId}`, () => createClient(clientId, { grantTypes: [], resourceServerOf: identifier }))
      return { clientId, clientSecret: secretOf(clientId) }
    },
    user: (id) => once(`user ${id}`, () => store.createUser({ id, username: id, passwordHash: 'none', actor })),
  }
}
