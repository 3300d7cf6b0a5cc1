import { createHash, randomBytes } from 'node:crypto'
// @ts-expect-error the package has no types
import { AuthorizationCode, ClientCredentials } from 'simple-oauth2'
import { check, checkRefused, defineScenario } from '../support/scenario.ts'

interface AccessToken {
  refresh(): Promise<AccessToken>
  revoke(kind: 'access_token' | 'refresh_token'): Promise<void>
  revokeAll(): Promise<void>
}

export const scenario = defineScenario({
  program: 'simple-oauth2',
  steps: ['client credentials', 'code + PKCE', 'refresh', 'revoke', 'revoke all'],
  async run({ env, authorize }, step) {
    const config = {
      client: { id: env.CLIENT_ID, secret: env.CLIENT_SECRET },
      auth: { tokenHost: env.ISSUER, tokenPath: '/token', revokePath: '/revoke' },
    }
    await step('client credentials', async () => {
      const { token } = await new ClientCredentials(config).getToken({ scope: env.SCOPE })
      check(token.access_token, 'there is no access token')
    })

    const flow = new AuthorizationCode({ ...config, auth: { ...config.auth, authorizePath: '/authorize' } })
    const signIn = async (): Promise<AccessToken> => {
      const verifier = randomBytes(32).toString('base64url')
      const url = flow.authorizeURL({
        redirect_uri: env.REDIRECT_URI,
        scope: env.USER_SCOPE,
        state: 'a state',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      })
      const callback = await authorize(url)
      const code = callback.searchParams.get('code')
      return await flow.getToken({ code, redirect_uri: env.REDIRECT_URI, code_verifier: verifier })
    }
    const granted = await step('code + PKCE', signIn)
    const refreshed = await step('refresh', () => granted.refresh())
    await step('revoke', async () => {
      await refreshed.revoke('access_token')
      await refreshed.revoke('refresh_token')
      await checkRefused(() => refreshed.refresh(), 'the refresh token still works')
    })
    await step('revoke all', async () => {
      const another = await signIn()
      await another.revokeAll()
      await checkRefused(() => another.refresh(), 'the refresh token still works')
    })
  },
})
