// oidc-provider as a process of its own, with its memory adapter.
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'
import { type CodesWanted, codeChallenge, type ServerMessage, setting } from './setting.ts'

const { client, resourceServer, jwtResource, scope, user, redirectUri, lifetimeSeconds } = setting
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

// The issuer names the port, so the port comes first.
const http = createServer().listen(0, '127.0.0.1')
await once(http, 'listening')
const { port } = http.address() as AddressInfo

const provider = new Provider(`http://localhost:${port}`, {
  clients: [
    {
      client_id: client.id,
      client_secret: client.secret,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: [redirectUri],
      id_token_signed_response_alg: 'ES256',
    },
    {
      client_id: resourceServer.id,
      client_secret: resourceServer.secret,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: [],
      response_types: [],
      redirect_uris: [],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'bench', alg: 'ES256', use: 'sig' }] },
  scopes: ['openid', 'offline_access'],
  rotateRefreshToken: true,
  findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_context: unknown, resource: string) => ({
        scope,
        audience: resource,
        accessTokenTTL: lifetimeSeconds,
        ...(resource === jwtResource
          ? { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }
          : { accessTokenFormat: 'opaque' }),
      }),
    },
  },
  ttl: {
    AccessToken: lifetimeSeconds,
    AuthorizationCode: 60,
    ClientCredentials: lifetimeSeconds,
    Grant: 14 * 86_400,
    RefreshToken: 14 * 86_400,
  },
})
http.on('request', provider.callback())
process.on('message', ({ codes }: CodesWanted) => void giveCodes(codes))
process.on('disconnect', () => process.exit())
tell({ ready: { port, tokenPath: '/token', introspectPath: '/token/introspection', jwksPath: '/jwks' } })

async function giveCodes(count: number): Promise<void> {
  tell({ codes: await Promise.all(Array.from({ length: count }, makeCode)) })
}

/** A code as the interactions of a login and a consent would have given it. */
async function makeCode(): Promise<string> {
  const grant = new provider.Grant({ accountId: user, clientId: client.id })
  grant.addOIDCScope('offline_access')
  grant.addResourceScope(jwtResource, scope)
  const code = new provider.AuthorizationCode({
    accountId: user,
    authTime: Math.floor(Date.now() / 1000),
    client: await provider.Client.find(client.id),
    codeChallenge,
    codeChallengeMethod: 'S256',
    expiresWithSession: false,
    grantId: await grant.save(),
    gty: 'authorization_code',
    redirectUri,
    resource: jwtResource,
    scope: `${scope} offline_access`,
  })
  return await code.save()
}

function tell(message: ServerMessage): void {
  process.send?.(message)
}
