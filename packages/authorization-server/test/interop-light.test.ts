// Clients and verifiers of others, against a server on a real socket. The heavy ones are in `interop/`.
import type { webcrypto } from 'node:crypto'
import { JwtVerifier } from 'aws-jwt-verify'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  api,
  appId,
  audience,
  deviceId,
  type InteropSite,
  keyed,
  redirectUri,
  service,
  startInteropSite,
} from './interop-site.ts'

let site: InteropSite

beforeAll(async () => {
  site = await startInteropSite()
})

afterAll(() => site.close())

const userScope = 'read offline_access'

/** The private key as WebCrypto has it. */
function signingKey(): Promise<webcrypto.CryptoKey> {
  const bytes = keyed.privateKey.export({ format: 'der', type: 'pkcs8' })
  return crypto.subtle.importKey('pkcs8', bytes, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
}

describe('openid-client', () => {
  const discover = (id: string, auth: openid.ClientAuth): Promise<openid.Configuration> =>
    openid.discovery(new URL(site.issuer), id, undefined, auth, {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    })

  it('discovers the server, and PKCE in it [RFC 8414 §3]', async () => {
    const config = await discover(service.id, openid.ClientSecretBasic(service.secret))
    expect(config.serverMetadata().issuer).toBe(site.issuer)
    expect(config.serverMetadata().supportsPKCE('S256')).toBe(true)
  })

  it('gets a token for itself by secret [RFC 6749 §4.4.2(a)]', async () => {
    const config = await discover(service.id, openid.ClientSecretBasic(service.secret))
    const tokens = await openid.clientCredentialsGrant(config, { scope: 'read' })
    expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'read', expires_in: 600 })
  })

  it('gets a token for itself by a signed assertion [RFC 6749 §2.3.2]', async () => {
    const config = await discover(keyed.id, openid.PrivateKeyJwt({ key: await signingKey(), kid: 'key' }))
    const tokens = await openid.clientCredentialsGrant(config, { scope: 'read' })
    expect(tokens.scope).toBe('read')
  })

  const signIn = async (config: openid.Configuration) => {
    const [pkceCodeVerifier, expectedState] = [openid.randomPKCECodeVerifier(), openid.randomState()]
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: userScope,
      state: expectedState,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    })
    return await openid.authorizationCodeGrant(config, await site.authorize(url), { pkceCodeVerifier, expectedState })
  }

  for (const kind of ['confidential', 'public'] as const) {
    const discoverKind = () =>
      kind === 'public'
        ? discover(appId, openid.None())
        : discover(service.id, openid.ClientSecretBasic(service.secret))

    it(`takes a user of a ${kind} client through the pages, checks state and iss, and refreshes [RFC 6749 §4.1.2(c)(d), RFC 7636 §4.6(b), RFC 9207 §2.4]`, async () => {
      const config = await discoverKind()
      const tokens = await signIn(config)
      const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
      expect(refreshed.access_token).not.toBe(tokens.access_token)
      expect(refreshed.refresh_token).not.toBe(tokens.refresh_token)
    })

    it(`takes back what a ${kind} client was given [RFC 7009 §2(a), RFC 7662 §4(c)]`, async () => {
      const config = await discoverKind()
      const guard = await discover(api.id, openid.ClientSecretBasic(api.secret))
      const tokens = await signIn(config)
      expect((await openid.tokenIntrospection(guard, tokens.access_token)).active).toBe(true)
      await openid.tokenRevocation(config, tokens.refresh_token ?? '')
      expect(await openid.tokenIntrospection(guard, tokens.access_token)).toEqual({ active: false })
      await expect(openid.refreshTokenGrant(config, tokens.refresh_token ?? '')).rejects.toMatchObject({
        error: 'invalid_grant',
      })
    })
  }

  it('logs a user in on a device, and refreshes [RFC 8628 §3.5(a)]', async () => {
    const config = await discover(deviceId, openid.None())
    const started = await openid.initiateDeviceAuthorization(config, { scope: userScope })
    await site.allowDevice(started.verification_uri_complete ?? '')
    // The user has decided already, so that it need not wait its five seconds.
    const tokens = await openid.pollDeviceAuthorizationGrant(config, { ...started, interval: 0.01 })
    expect(tokens.scope).toBe(userScope)
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect(refreshed.access_token).not.toBe(tokens.access_token)
  })
})

describe('oauth4webapi', () => {
  const insecure = { [oauth.allowInsecureRequests]: true }
  const client: oauth.Client = { client_id: service.id }

  const discover = async (): Promise<oauth.AuthorizationServer> => {
    const issuer = new URL(site.issuer)
    const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
    return await oauth.processDiscoveryResponse(issuer, answer)
  }

  const ownToken = async (server: oauth.AuthorizationServer): Promise<oauth.TokenEndpointResponse> => {
    const auth = oauth.ClientSecretBasic(service.secret)
    const answer = await oauth.clientCredentialsGrantRequest(server, client, auth, { scope: 'read' }, insecure)
    return await oauth.processClientCredentialsResponse(server, client, answer)
  }

  it('hears that a device has to wait, that its user allowed it, and that this was once [RFC 8628 §3.5(a)(b)]', async () => {
    const server = await discover()
    const device: oauth.Client = { client_id: deviceId }
    const scope = new URLSearchParams({ scope: 'read' })
    const begun = await oauth.deviceAuthorizationRequest(server, device, oauth.None(), scope, insecure)
    const codes = await oauth.processDeviceAuthorizationResponse(server, device, begun)
    const poll = async () => {
      const answer = await oauth.deviceCodeGrantRequest(server, device, oauth.None(), codes.device_code, insecure)
      return await oauth.processDeviceCodeResponse(server, device, answer)
    }
    await expect(poll()).rejects.toMatchObject({ error: 'authorization_pending' })
    await site.allowDevice(codes.verification_uri_complete ?? '')
    expect(await poll()).toMatchObject({ token_type: 'bearer', scope: 'read' })
    await expect(poll()).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  it('verifies a token as an API would [RFC 9068 §2.1(a)(b), RFC 9068 §2.2(a)(b)(c)(d)(e)(f)(g)]', async () => {
    const server = await discover()
    const { access_token } = await ownToken(server)
    const request = new Request(`${audience}/notes`, { headers: { authorization: `Bearer ${access_token}` } })
    const claims = await oauth.validateJwtAccessToken(server, request, audience, insecure)
    expect(claims).toMatchObject({ client_id: service.id, scope: 'read', iss: site.issuer })
  })

  it('takes a user through the pages, refreshes, looks into and takes back [RFC 6749 §4.1.2(c)(d), RFC 6749 §6(f), RFC 7662 §2.2(b), RFC 7009 §2(a)]', async () => {
    const server = await discover()
    const app: oauth.Client = { client_id: appId }
    const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()]
    const url = new URL(server.authorization_endpoint ?? '')
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: appId,
      redirect_uri: redirectUri,
      scope: userScope,
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString()
    const callback = oauth.validateAuthResponse(server, app, await site.authorize(url), state)
    const none = oauth.None()
    const tokens = await oauth.processAuthorizationCodeResponse(
      server,
      app,
      await oauth.authorizationCodeGrantRequest(server, app, none, callback, redirectUri, verifier, insecure),
    )
    const refreshed = await oauth.processRefreshTokenResponse(
      server,
      app,
      await oauth.refreshTokenGrantRequest(server, app, none, tokens.refresh_token ?? '', insecure),
    )

    const guard: oauth.Client = { client_id: api.id }
    const introspect = async (token: string) => {
      const answer = await oauth.introspectionRequest(
        server,
        guard,
        oauth.ClientSecretBasic(api.secret),
        token,
        insecure,
      )
      return await oauth.processIntrospectionResponse(server, guard, answer)
    }
    expect(await introspect(refreshed.access_token)).toMatchObject({ active: true, client_id: appId })
    const revocation = await oauth.revocationRequest(server, app, none, refreshed.refresh_token ?? '', insecure)
    await oauth.processRevocationResponse(revocation)
    expect(await introspect(refreshed.access_token)).toEqual({ active: false })
  })

  it('gets a token by a signed assertion [RFC 6749 §2.3.2]', async () => {
    const server = await discover()
    const signer: oauth.Client = { client_id: keyed.id }
    const auth = oauth.PrivateKeyJwt({ key: await signingKey(), kid: 'key' })
    const answer = await oauth.clientCredentialsGrantRequest(server, signer, auth, { scope: 'read' }, insecure)
    expect((await oauth.processClientCredentialsResponse(server, signer, answer)).scope).toBe('read')
  })
})

describe('verifiers', () => {
  const freshToken = async (): Promise<string> => {
    const authorization = `Basic ${Buffer.from(`${service.id}:${service.secret}`).toString('base64')}`
    const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'read' })
    const answer = await fetch(`${site.issuer}/token`, { method: 'POST', headers: { authorization }, body })
    return ((await answer.json()) as { access_token: string }).access_token
  }

  it('jose accepts a token by the published keys [RFC 9068 §2.1(a)(b)(c)]', async () => {
    const keys = createRemoteJWKSet(new URL(`${site.issuer}/jwks`))
    const { payload } = await jwtVerify(await freshToken(), keys, { issuer: site.issuer, audience, typ: 'at+jwt' })
    expect(payload['client_id']).toBe(service.id)
  })

  it('aws-jwt-verify accepts a token by the published keys [RFC 9068 §2.1(b)(c)]', async () => {
    const jwksUri = `${site.issuer}/jwks`
    const verifier = JwtVerifier.create({ issuer: site.issuer, audience, jwksUri })
    // It fetches over https alone, so it is given the keys.
    const keys = await (await fetch(jwksUri)).json()
    verifier.cacheJwks(keys as Parameters<typeof verifier.cacheJwks>[0])
    const claims = await verifier.verify(await freshToken())
    expect(claims['client_id']).toBe(service.id)
  })
})
