// An authorization server as a process of its own: argv[2] is an IssuerOrder.
import { randomBytes } from 'node:crypto'
import { createAuthorizationServer, hashPassword, listen, openStore } from '@arctos/authorization-server'
import { codeChallengeOf, formatOpaqueToken, resourceKey, sha256Base64url } from '@arctos/core'
import { type CodesWanted, type IssuerOrder, type IssuerSays, setting } from './setting.ts'

const order = JSON.parse(process.argv[2] ?? '{}') as IssuerOrder
const { client, leaky, operator, resource, scope, lifetimeSeconds, user } = setting
const actor = 'bench'
const store = await openStore({ database: order.database })
await store.migrate()
// A second node of the same database finds everything registered.
await store.createResource({
  settings: {
    identifier: resource,
    scopes: { [scope]: 'Read' },
    tokenFormat: 'jwt',
    tokenType: 'at+jwt',
    accessTokenLifetimeSeconds: lifetimeSeconds,
  },
  actor,
})
const authenticationMethods = ['client_secret_basic' as const]
await store.createClient({
  id: client.id,
  secretHash: sha256Base64url(client.secret),
  settings: {
    name: 'Bench client',
    authenticationMethods,
    grantTypes: ['client_credentials', 'authorization_code'],
    redirectUris: [setting.redirectUri],
  },
  actor,
})
await store.createClient({
  id: leaky.id,
  secretHash: sha256Base64url(leaky.secret),
  settings: { name: 'Leaky client', authenticationMethods, grantTypes: ['client_credentials'], redirectUris: [] },
  actor,
})
await store.createClient({
  id: operator.id,
  secretHash: sha256Base64url(operator.secret),
  settings: {
    name: 'Bench API',
    authenticationMethods,
    grantTypes: [],
    redirectUris: [],
    resourceServerOf: resourceKey(resource),
    pushEndpoints: [...order.pushEndpoints],
  },
  actor,
})
await store.createUser({ id: setting.user, username: user, passwordHash: await hashPassword('bench'), actor })

let server: Awaited<ReturnType<typeof createAuthorizationServer>> | undefined
const { port } = await listen(
  {
    handle: (request, peer, target) => server?.handle(request, peer, target) ?? new Response(null, { status: 503 }),
    answerProgram: (request, peer, target) => server?.answerProgram(request, peer, target),
  },
  { port: 0, hosts: ['127.0.0.1'] },
)
server = await createAuthorizationServer({
  issuer: order.issuer ?? `http://127.0.0.1:${port}`,
  store,
  kek: Buffer.from(order.kek, 'base64url'),
  leakReporters: order.reporterKeys === undefined ? [] : [{ name: 'bench', keysUrl: order.reporterKeys }],
  ...(order.statusListSeconds === undefined
    ? {}
    : { experimental: { tokenStatusList: 'draft-21', statusListTtlSeconds: order.statusListSeconds } }),
})
server.startUpkeep()
process.on('message', ({ codes }: CodesWanted) => void giveCodes(codes))
process.on('disconnect', () => process.exit())
tell({ port })

async function giveCodes(count: number): Promise<void> {
  tell({ codes: await Promise.all(Array.from({ length: count }, makeCode)) })
}

/** A code as the consent page would have given it. */
async function makeCode(): Promise<string> {
  const code = formatOpaqueToken('authorizationCode', randomBytes(32)).reveal()
  const given = await store.issueCode({
    codeHash: sha256Base64url(code),
    form: undefined,
    clientId: client.id,
    userId: user,
    authenticatedAt: Math.floor(Date.now() / 1000) + 5,
    scopes: [scope, 'offline_access'],
    resourceKeys: [resourceKey(resource)],
    redirectUri: setting.redirectUri,
    redirectUriSent: true,
    codeChallenge: codeChallengeOf(setting.codeVerifier),
    remember: false,
  })
  if (given.outcome !== 'issued') throw new Error(`no code: ${given.outcome}`)
  return code
}

function tell(message: IssuerSays): void {
  process.send?.(message)
}
