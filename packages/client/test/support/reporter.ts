import { clientSecretBasic, type OAuthClient, type OAuthClientOptions, oauthClient } from '@arctos/client'
import { publicClientId, type StrictServer, service, startAuthorizationServer } from './authorization-server.ts'
import { type ProtectedApi, startProtectedApi } from './protected-api.ts'
import { createWorld, type World } from './world.ts'

/** Everything that a test of the client needs, running. */
export interface Scene {
  readonly world: World
  readonly server: StrictServer
  readonly api: ProtectedApi
  /** The identifier of the protected resource. */
  readonly resource: string
  /** A confidential client. */
  readonly client: OAuthClient
  /** A public client: the program on a user's machine. */
  readonly program: OAuthClient
  /** A browser whose user agrees to everything. */
  readonly openBrowser: (url: string) => Promise<void>
}

export async function startScene({
  path = '',
  ...options
}: Partial<OAuthClientOptions> & { path?: string } = {}): Promise<Scene> {
  const world = createWorld()
  const server = await startAuthorizationServer(world)
  const api = await startProtectedApi(server, path)
  const { issuer } = server
  const auth = clientSecretBasic(service.secret)
  const given = { issuer, timeoutMs: 2_000, ...world, ...options }
  return {
    world,
    server,
    api,
    resource: `${api.origin}${path}`,
    client: oauthClient({ clientId: service.clientId, auth, ...given }),
    program: oauthClient({ clientId: publicClientId, ...given }),
    openBrowser: async (url) => {
      const page = await fetch(url)
      await page.text()
    },
  }
}
