// Arctos as a process of its own, as `arctos serve` puts it together: argv[2] is the database.
import { randomBytes } from 'node:crypto'
import {
  type ClientSettings,
  createAuthorizationServer,
  createJournal,
  hashPassword,
  listen,
  openStore,
  type ResourceSettings,
} from '@arctos/authorization-server'
import { formatOpaqueToken, resourceKey, sha256Base64url } from '@arctos/core'
import { type CodesWanted, codeChallenge, type ServerMessage, setting } from './setting.ts'

const actor = 'bench'
const { client, resourceServer, jwtResource, opaqueResource, scope, redirectUri, lifetimeSeconds } = setting
const store = await openStore({ database: process.argv[2] ?? ':memory:' })
await store.migrate()
await addResource(jwtResource, 'jwt')
await addResource(opaqueResource, 'opaque')
await addClient(client, {
  name: 'Bench client',
  authenticationMethods: ['client_secret_basic'],
  grantTypes: ['client_credentials', 'authorization_code'],
  redirectUris: [redirectUri],
})
await addClient(resourceServer, {
  name: 'Bench API',
  authenticationMethods: ['client_secret_basic'],
  grantTypes: [],
  redirectUris: [],
  resourceServerOf: resourceKey(opaqueResource),
})
const user = await store.createUser({ username: setting.user, passwordHash: await hashPassword('bench'), actor })
if (user.outcome !== 'created') throw new Error(`the user was not created: ${user.outcome}`)

const server = await createAuthorizationServer({
  issuer: 'http://localhost:4000',
  store,
  kek: randomBytes(32),
  journal: createJournal((lines) => void process.stdout.write(lines), Date.now),
})
const { port } = await listen(server, { port: 0, hosts: ['127.0.0.1'] })
server.startUpkeep()
process.on('message', ({ codes }: CodesWanted) => void giveCodes(codes))
process.on('disconnect', () => process.exit())
tell({ ready: { port, tokenPath: '/token', introspectPath: '/introspect', jwksPath: '/jwks' } })

async function giveCodes(count: number): Promise<void> {
  tell({ codes: await Promise.all(Array.from({ length: count }, makeCode)) })
}

/** A code as the consent page would have given it. */
async function makeCode(): Promise<string> {
  const code = formatOpaqueToken('authorizationCode', randomBytes(32)).reveal()
  await store.issueCode({
    codeHash: sha256Base64url(code),
    form: undefined,
    clientId: client.id,
    userId: user.outcome === 'created' ? user.id : '',
    authenticatedAt: Math.floor(Date.now() / 1000),
    scopes: [scope, 'offline_access'],
    resourceKeys: [resourceKey(jwtResource)],
    redirectUri,
    redirectUriSent: true,
    codeChallenge,
    remember: false,
  })
  return code
}

async function addResource(identifier: string, tokenFormat: ResourceSettings['tokenFormat']): Promise<void> {
  const settings: ResourceSettings = {
    identifier,
    scopes: { [scope]: 'Read' },
    tokenFormat,
    tokenType: 'at+jwt',
    accessTokenLifetimeSeconds: lifetimeSeconds,
  }
  await store.createResource({ settings, actor })
}

async function addClient(who: typeof client | typeof resourceServer, settings: ClientSettings): Promise<void> {
  await store.createClient({ id: who.id, settings, secretHash: sha256Base64url(who.secret), actor })
}

function tell(message: ServerMessage): void {
  process.send?.(message)
}
