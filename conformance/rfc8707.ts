// RFC 8707: Resource Indicators for OAuth 2.0.
import { decodeJwt } from 'jose'
import { expect, type TestContext } from 'vitest'
import {
  type Client,
  clientToken,
  confidential,
  postAs,
  requestToken,
  resourceServer,
  resourceServer2,
  tokensOf,
} from './driver/client.ts'
import { expectError } from './driver/expectations.ts'
import {
  authorizationForm,
  authorize,
  callbackOf,
  createProofKey,
  obtainCode,
  redeem,
  refresh,
  userTokensWithRefresh,
  userVariables,
} from './driver/flow.ts'
import { jsonOf } from './driver/http.ts'
import { findEndpoint } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const client = ['CLIENT_ID', 'CLIENT_SECRET', 'AUDIENCE'] as const
const two = [...client, 'AUDIENCE2', 'SCOPE2'] as const
const web = [...client, ...userVariables] as const
const forItself = { grant_type: 'client_credentials' }

/** Whom a token is for: the token says it itself, or the introspection of its resource server. */
async function audienceOf(
  issuer: string,
  context: TestContext,
  token: string,
  api: Client,
): Promise<readonly unknown[]> {
  if (token.split('.').length === 3) return [decodeJwt(token).aud].flat()
  const url = (await findEndpoint(issuer, 'introspection_endpoint')) ?? context.skip('tokens cannot be looked into')
  const facts = jsonOf(await postAs(api, url, { token }))
  expect(facts['active']).toBe(true)
  return [facts['aud']].flat()
}

scenario(
  'makes a token for the API that was asked for, and no other [RFC 8707 §2.2, RFC 9068 §3(c)]',
  [...client, 'SCOPE', 'RS_CLIENT_ID', 'RS_CLIENT_SECRET'],
  async (env, context) => {
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), {
      resource: env.AUDIENCE,
      scope: env.SCOPE,
    })
    expect(await audienceOf(env.ISSUER, context, accessToken, resourceServer(env))).toEqual([env.AUDIENCE])
  },
)

scenario(
  'makes a token for the second API that is not for the first [RFC 8707 §2.2, RFC 9068 §5]',
  [...two, 'RS2_ID', 'RS2_SECRET'],
  async (env, context) => {
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), {
      resource: env.AUDIENCE2,
      scope: env.SCOPE2,
    })
    const audience = await audienceOf(env.ISSUER, context, accessToken, resourceServer2(env))
    expect(audience).toContain(env.AUDIENCE2)
    expect(audience).not.toContain(env.AUDIENCE)
  },
)

scenario(
  'gives no scope that the API does not have [RFC 9068 §2.2.3(a), RFC 9068 §3(b)]',
  [...two, 'SCOPE'],
  async (env) => {
    const mixed = { ...forItself, resource: env.AUDIENCE, scope: `${env.SCOPE} ${env.SCOPE2}` }
    const answer = await requestToken(env.ISSUER, confidential(env), mixed)
    if (answer.status === 200) expect(String(tokensOf(answer).scope).split(' ')).not.toContain(env.SCOPE2)
    else expectError(answer, 'invalid_scope', 'invalid_target')
  },
)

const wrongResources: readonly (readonly [what: string, resource: (audience: string) => string])[] = [
  ['that nobody knows', () => 'https://unknown.example/api'],
  ['with a fragment', (audience) => `${audience}#part`],
  ['that is relative', () => '/notes'],
  ['that is no URI', () => 'not a uri'],
  ['of another path', (audience) => `${audience}/no-such-api`],
  ['that is a script', () => 'javascript:alert(1)'],
]
for (const [what, resource] of wrongResources) {
  scenario(`refuses a resource ${what} as invalid_target [RFC 8707 §2, RFC 8707 §2.2]`, client, async (env) => {
    const answer = await requestToken(env.ISSUER, confidential(env), { ...forItself, resource: resource(env.AUDIENCE) })
    expectError(answer, 'invalid_target')
  })

  scenario(
    `tells the client that it asked a user for a resource ${what} [RFC 8707 §2, RFC 8707 §2.1]`,
    web,
    async (env) => {
      const changes = { resource: resource(env.AUDIENCE) }
      const visit = await authorize(env, authorizationForm(env, env.CLIENT_ID, createProofKey(), changes))
      expect(callbackOf(visit, env.REDIRECT_URI).get('error')).toBe('invalid_target')
    },
  )
}

scenario(
  'takes the resource of the authorization along to the token [RFC 8707 §2.2]',
  [...web, 'RS_CLIENT_ID', 'RS_CLIENT_SECRET'],
  async (env, context) => {
    const code = await obtainCode(env, env.CLIENT_ID, { resource: env.AUDIENCE })
    const { accessToken } = tokensOf(await redeem(env.ISSUER, confidential(env), code))
    expect(await audienceOf(env.ISSUER, context, accessToken, resourceServer(env))).toEqual([env.AUDIENCE])
  },
)

scenario('lets the token request name what was authorized [RFC 8707 §2.2]', web, async (env) => {
  const code = await obtainCode(env, env.CLIENT_ID, { resource: env.AUDIENCE })
  tokensOf(await redeem(env.ISSUER, confidential(env), code, { resource: env.AUDIENCE }))
})

scenario(
  'refuses a resource at the token endpoint that was not authorized [RFC 8707 §2.2]',
  [...web, 'AUDIENCE2'],
  async (env) => {
    const code = await obtainCode(env, env.CLIENT_ID, { resource: env.AUDIENCE })
    expectError(await redeem(env.ISSUER, confidential(env), code, { resource: env.AUDIENCE2 }), 'invalid_target')
  },
)

scenario(
  'keeps the resource through refreshes [RFC 8707 §2.2]',
  [...web, 'RS_CLIENT_ID', 'RS_CLIENT_SECRET'],
  async (env, context) => {
    const { refreshToken } = await userTokensWithRefresh(env, confidential(env), { resource: env.AUDIENCE })
    const { accessToken } = tokensOf(await refresh(env.ISSUER, confidential(env), refreshToken))
    expect(await audienceOf(env.ISSUER, context, accessToken, resourceServer(env))).toEqual([env.AUDIENCE])
  },
)

scenario(
  'refuses a resource at a refresh that was not authorized [RFC 8707 §2.2]',
  [...web, 'AUDIENCE2'],
  async (env) => {
    const { refreshToken } = await userTokensWithRefresh(env, confidential(env), { resource: env.AUDIENCE })
    const answer = await refresh(env.ISSUER, confidential(env), refreshToken, { resource: env.AUDIENCE2 })
    expectError(answer, 'invalid_target')
  },
)
