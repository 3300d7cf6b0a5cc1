// RFC 8693: OAuth 2.0 Token Exchange, of a subject token that needs no client beside it, such as an API key.
import { expect, type TestContext } from 'vitest'
import { type Client, requestToken, resourceServer, tokensOf } from './driver/client.ts'
import { expectError, expectNoStore } from './driver/expectations.ts'
import { altered } from './driver/flow.ts'
import { type Answer, type Form, jsonOf } from './driver/http.ts'
import { described } from './driver/introspection.ts'
import { listOf } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const key = ['SUBJECT_TOKEN', 'SUBJECT_TOKEN_TYPE'] as const
const api = ['RS_CLIENT_ID', 'RS_CLIENT_SECRET', 'AUDIENCE'] as const

/** Whoever holds the subject token, and is no client besides. */
const holder: Client = { id: '', credentials: () => ({}) }

type Exchanged = Readonly<Record<'ISSUER' | 'SUBJECT_TOKEN' | 'SUBJECT_TOKEN_TYPE', string>>

async function exchange(env: Exchanged, context: TestContext, changes: Record<string, string> = {}): Promise<Answer> {
  const offered = await listOf(env.ISSUER, 'grant_types_supported')
  if (!offered?.includes(grantType)) context.skip('the issuer offers no token exchange')
  const form: Form = {
    grant_type: grantType,
    subject_token: env.SUBJECT_TOKEN,
    subject_token_type: env.SUBJECT_TOKEN_TYPE,
    ...changes,
  }
  return await requestToken(env.ISSUER, holder, form)
}

scenario('gives an access token, and says so [RFC 8693 §2.2.1(a)(b)]', key, async (env, context) => {
  const answer = await exchange(env, context)
  tokensOf(answer)
  expectNoStore(answer)
  const { issued_token_type: type, token_type: use, expires_in: seconds } = jsonOf(answer)
  expect([type, String(use).toLowerCase(), typeof seconds]).toEqual([accessTokenType, 'bearer', 'number'])
})

scenario('gives one that its API is told about [RFC 8693 §2.1.1]', [...key, ...api], async (env, context) => {
  const { accessToken } = tokensOf(await exchange(env, context, { resource: env.AUDIENCE }))
  const told = await described(env.ISSUER, context, resourceServer(env), accessToken)
  expect([told['active'], [told['aud']].flat()]).toEqual([true, [env.AUDIENCE]])
})

scenario(
  'gives the scope that was asked for, or says which [RFC 8693 §2.2.1(c)]',
  [...key, 'SCOPE'],
  async (env, context) => {
    const { scope } = tokensOf(await exchange(env, context, { scope: env.SCOPE }))
    expect(scope ?? env.SCOPE).toBe(env.SCOPE)
  },
)

scenario('gives nothing for another API [RFC 8693 §2.2.2(b)]', [...key, 'AUDIENCE2'], async (env, context) => {
  expectError(await exchange(env, context, { resource: env.AUDIENCE2 }), 'invalid_target')
})

scenario(
  'gives no scope that the subject token lacks [RFC 8693 §2.2.2(c)]',
  [...key, 'SCOPE_WRITE'],
  async (env, context) => {
    expectError(await exchange(env, context, { scope: env.SCOPE_WRITE }), 'invalid_scope')
  },
)

for (const [what, changes] of [
  ['no subject token', { subject_token: '' }],
  ['no kind of subject token', { subject_token_type: '' }],
  ['a kind of subject token that nobody knows', { subject_token_type: 'urn:example:unknown' }],
  ['a kind of token in return that nobody knows', { requested_token_type: 'urn:example:unknown' }],
  ['an actor without a token', { actor_token_type: accessTokenType }],
] as const) {
  scenario(`refuses ${what} as invalid_request [RFC 8693 §2.2.2(a)]`, key, async (env, context) => {
    expectError(await exchange(env, context, changes), 'invalid_request')
  })
}

scenario(
  'refuses a subject token that was altered as invalid_request [RFC 8693 §2.1(e), RFC 8693 §2.2.2(a)]',
  key,
  async (env, context) => {
    expectError(await exchange(env, context, { subject_token: altered(env.SUBJECT_TOKEN) }), 'invalid_request')
  },
)
