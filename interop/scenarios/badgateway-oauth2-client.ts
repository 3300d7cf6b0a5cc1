import { generateCodeVerifier, OAuth2Client } from '@badgateway/oauth2-client'
import { check, checkRefused, defineScenario } from '../support/scenario.ts'

export const scenario = defineScenario({
  program: '@badgateway/oauth2-client',
  steps: ['discovery and client credentials', 'code + PKCE', 'refresh', 'introspect', 'revoke', 'resource'],
  async run({ env, authorize }, step) {
    const settings = { server: env.ISSUER, discoveryEndpoint: '/.well-known/oauth-authorization-server' }
    const client = new OAuth2Client({ ...settings, clientId: env.CLIENT_ID, clientSecret: env.CLIENT_SECRET })
    await step('discovery and client credentials', () => client.clientCredentials({ scope: [env.SCOPE] }))

    const tokens = await step('code + PKCE', async () => {
      const codeVerifier = await generateCodeVerifier()
      const shared = { redirectUri: env.REDIRECT_URI, state: 'a state', codeVerifier }
      const url = await client.authorizationCode.getAuthorizeUri({ ...shared, scope: env.USER_SCOPE.split(' ') })
      return await client.authorizationCode.getTokenFromCodeRedirect(await authorize(url), shared)
    })
    const refreshed = await step('refresh', () => client.refreshToken(tokens))
    await step('introspect', async () => {
      const facts = await client.introspect(refreshed)
      check(facts.active && facts.client_id === env.CLIENT_ID, JSON.stringify(facts))
    })
    await step('revoke', async () => {
      await client.revoke(refreshed, 'refresh_token')
      await checkRefused(() => client.refreshToken(refreshed), 'the refresh token still works')
    })
    await step('resource', async () => {
      const { accessToken } = await client.clientCredentials({ scope: [env.SCOPE2], resource: env.AUDIENCE2 })
      check(!accessToken.includes('.'), 'the token for the second API is not opaque')
    })
  },
})
