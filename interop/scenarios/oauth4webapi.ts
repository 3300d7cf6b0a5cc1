import { importJWK } from 'jose'
import * as oauth from 'oauth4webapi'
import { check, checkRefused, defineScenario } from '../support/scenario.ts'

const insecure = { [oauth.allowInsecureRequests]: true }
const signedAnswers = 'application/token-introspection+jwt'

export const scenario = defineScenario({
  program: 'oauth4webapi',
  steps: [
    'discovery',
    'client credentials',
    'verify as an API',
    'code + PKCE',
    'refresh',
    'introspect',
    'signed introspection',
    'revoke',
    'private_key_jwt',
    'discovery of the API',
  ],
  async run({ env, authorize }, step) {
    const server = await step('discovery', async () => {
      const issuer = new URL(env.ISSUER)
      const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
      return await oauth.processDiscoveryResponse(issuer, answer)
    })
    const client: oauth.Client = { client_id: env.CLIENT_ID }
    const secret = oauth.ClientSecretBasic(env.CLIENT_SECRET)

    const service = await step('client credentials', async () => {
      const answer = await oauth.clientCredentialsGrantRequest(server, client, secret, { scope: env.SCOPE }, insecure)
      return await oauth.processClientCredentialsResponse(server, client, answer)
    })
    await step('verify as an API', async () => {
      const headers = { authorization: `Bearer ${service.access_token}` }
      const request = new Request(env.API_URL, { headers })
      const claims = await oauth.validateJwtAccessToken(server, request, env.AUDIENCE, insecure)
      check(claims.client_id === env.CLIENT_ID && claims.scope === env.SCOPE, JSON.stringify(claims))
    })

    const tokens = await step('code + PKCE', async () => {
      const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()]
      const url = new URL(server.authorization_endpoint ?? '')
      const request = {
        response_type: 'code',
        client_id: client.client_id,
        redirect_uri: env.REDIRECT_URI,
        scope: env.USER_SCOPE,
        state,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }
      for (const [name, value] of Object.entries(request)) url.searchParams.set(name, value)
      const callback = oauth.validateAuthResponse(server, client, await authorize(url), state)
      const { REDIRECT_URI } = env
      const answer = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        secret,
        callback,
        REDIRECT_URI,
        verifier,
        insecure,
      )
      return await oauth.processAuthorizationCodeResponse(server, client, answer)
    })
    const refreshed = await step('refresh', async () => {
      const answer = await oauth.refreshTokenGrantRequest(server, client, secret, tokens.refresh_token ?? '', insecure)
      return await oauth.processRefreshTokenResponse(server, client, answer)
    })

    const api: oauth.Client = { client_id: env.RS_CLIENT_ID }
    const introspect = async (token: string) => {
      const answer = await oauth.introspectionRequest(
        server,
        api,
        oauth.ClientSecretBasic(env.RS_CLIENT_SECRET),
        token,
        insecure,
      )
      return await oauth.processIntrospectionResponse(server, api, answer)
    }
    await step('introspect', async () => {
      const facts = await introspect(refreshed.access_token)
      check(facts.active && facts.client_id === env.CLIENT_ID, JSON.stringify(facts))
    })
    await step('signed introspection', async () => {
      const auth = oauth.ClientSecretBasic(env.RS_CLIENT_SECRET)
      const signed = { ...insecure, requestJwtResponse: true }
      const answer = await oauth.introspectionRequest(server, api, auth, refreshed.access_token, signed)
      const facts = await oauth.processIntrospectionResponse(server, api, answer)
      await oauth.validateApplicationLevelSignature(server, answer, insecure)
      check(facts.active && answer.headers.get('content-type') === signedAnswers, JSON.stringify(facts))
    })
    await step('revoke', async () => {
      const { refresh_token: token = '' } = refreshed
      await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, secret, token, insecure))
      check(!(await introspect(refreshed.access_token)).active, 'the access token is still active')
      await checkRefused(async () => {
        const answer = await oauth.refreshTokenGrantRequest(server, client, secret, token, insecure)
        await oauth.processRefreshTokenResponse(server, client, answer)
      }, 'the refresh token still works')
    })

    await step('private_key_jwt', async () => {
      const jwk = JSON.parse(env.PKJWT_PRIVATE_JWK)
      const key = (await importJWK(jwk, jwk.alg)) as CryptoKey
      const keyed: oauth.Client = { client_id: env.PKJWT_CLIENT_ID }
      const auth = oauth.PrivateKeyJwt({ key, kid: jwk.kid })
      const answer = await oauth.clientCredentialsGrantRequest(server, keyed, auth, { scope: env.SCOPE }, insecure)
      await oauth.processClientCredentialsResponse(server, keyed, answer)
    })

    await step('discovery of the API', async () => {
      const resource = new URL(env.AUDIENCE)
      const metadata = await oauth.processResourceDiscoveryResponse(
        resource,
        await oauth.resourceDiscoveryRequest(resource, insecure),
      )
      check(metadata.authorization_servers?.includes(env.ISSUER), JSON.stringify(metadata))
    })
  },
})
