import { importJWK } from 'jose'
import * as client from 'openid-client'
import { check, checkRefused, defineScenario } from '../support/scenario.ts'

export const scenario = defineScenario({
  program: 'openid-client',
  steps: [
    'discovery',
    'client credentials',
    'call',
    'code + PKCE',
    'refresh',
    'introspect',
    'revoke',
    'private_key_jwt',
  ],
  async run({ env, authorize }, step) {
    const discover = (id: string, auth: client.ClientAuth) =>
      client.discovery(new URL(env.ISSUER), id, undefined, auth, {
        algorithm: 'oauth2',
        execute: [client.allowInsecureRequests],
      })
    const config = await step('discovery', async () => {
      const found = await discover(env.CLIENT_ID, client.ClientSecretBasic(env.CLIENT_SECRET))
      check(found.serverMetadata().supportsPKCE(), 'PKCE is not advertised')
      return found
    })

    const service = await step('client credentials', () => client.clientCredentialsGrant(config, { scope: env.SCOPE }))
    await step('call', async () => {
      const answer = await client.fetchProtectedResource(config, service.access_token, new URL(env.API_URL), 'GET')
      check(answer.status === 200, `the API answered ${answer.status}`)
    })

    const tokens = await step('code + PKCE', async () => {
      const [pkceCodeVerifier, expectedState] = [client.randomPKCECodeVerifier(), client.randomState()]
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: env.REDIRECT_URI,
        scope: env.USER_SCOPE,
        state: expectedState,
        code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
      })
      return await client.authorizationCodeGrant(config, await authorize(url), { pkceCodeVerifier, expectedState })
    })
    const refreshed = await step('refresh', async () => {
      check(tokens.refresh_token, 'there is no refresh token')
      return await client.refreshTokenGrant(config, tokens.refresh_token)
    })

    const api = await discover(env.RS_CLIENT_ID, client.ClientSecretBasic(env.RS_CLIENT_SECRET))
    await step('introspect', async () => {
      const facts = await client.tokenIntrospection(api, refreshed.access_token)
      check(facts.active && facts.client_id === env.CLIENT_ID, JSON.stringify(facts))
    })
    await step('revoke', async () => {
      const { refresh_token: token = '' } = refreshed
      await client.tokenRevocation(config, token)
      await checkRefused(() => client.refreshTokenGrant(config, token), 'the refresh token still works')
      check(!(await client.tokenIntrospection(api, refreshed.access_token)).active, 'its access token is still active')
    })

    await step('private_key_jwt', async () => {
      const jwk = JSON.parse(env.PKJWT_PRIVATE_JWK)
      const key = (await importJWK(jwk, jwk.alg)) as CryptoKey
      const keyed = await discover(env.PKJWT_CLIENT_ID, client.PrivateKeyJwt({ key, kid: jwk.kid }))
      const { access_token } = await client.clientCredentialsGrant(keyed, { scope: env.SCOPE })
      check(access_token, 'there is no access token')
    })
  },
})
