// RFC 7009: OAuth 2.0 Token Revocation.
import { randomBytes } from 'node:crypto'
import { expect, type TestContext } from 'vitest'
import {
  type Client,
  clientToken,
  confidential,
  other,
  postAs,
  publicClient,
  secretBasic,
  tokensOf,
} from './driver/client.ts'
import { expectError, expectNoToken } from './driver/expectations.ts'
import { altered, refresh, userTokensWithRefresh, userVariables } from './driver/flow.ts'
import { type Answer, type Form, send } from './driver/http.ts'
import { described, findInspectable, inspectionVariables, requireInspectableUsers } from './driver/introspection.ts'
import { findEndpoint } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const client = ['CLIENT_ID', 'CLIENT_SECRET'] as const
const client2 = ['CLIENT2_ID', 'CLIENT2_SECRET'] as const
const web = [...client, ...userVariables] as const
const app = ['PUBLIC_CLIENT_ID', ...userVariables] as const

async function revocationEndpoint(issuer: string, context: TestContext): Promise<string> {
  return (await findEndpoint(issuer, 'revocation_endpoint')) ?? context.skip('the issuer has no revocation_endpoint')
}

async function revoke(issuer: string, context: TestContext, by: Client, form: Form): Promise<Answer> {
  return await postAs(by, await revocationEndpoint(issuer, context), form)
}

scenario('takes a refresh token back [RFC 7009 §2(a), RFC 7009 §2.2(a)]', web, async (env, context) => {
  const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
  const answer = await revoke(env.ISSUER, context, confidential(env), { token: refreshToken })
  expect(answer.status, answer.text).toBe(200)
  expectError(await refresh(env.ISSUER, confidential(env), refreshToken), 'invalid_grant')
})

scenario('takes a refresh token of a public client back [RFC 7009 §2(a)]', app, async (env, context) => {
  const app = publicClient(env.PUBLIC_CLIENT_ID)
  const { refreshToken } = await userTokensWithRefresh(env, app)
  const answer = await revoke(env.ISSUER, context, app, { token: refreshToken, token_type_hint: 'refresh_token' })
  expect(answer.status, answer.text).toBe(200)
  expectError(await refresh(env.ISSUER, app, refreshToken), 'invalid_grant')
})

for (const hint of ['access_token', 'no_such_kind']) {
  scenario(
    `finds a refresh token under the hint ${hint} [RFC 7009 §2.1(a), RFC 7009 §2.2(b)]`,
    web,
    async (env, context) => {
      const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
      const form = { token: refreshToken, token_type_hint: hint }
      const answer = await revoke(env.ISSUER, context, confidential(env), form)
      expect(answer.status, answer.text).toBe(200)
      expectError(await refresh(env.ISSUER, confidential(env), refreshToken), 'invalid_grant')
    },
  )
}

scenario(
  'takes an access token back, where it takes any [RFC 7009 §2(g)]',
  inspectionVariables,
  async (env, context) => {
    const { caller, form } = await findInspectable(env, context)
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), form)
    const asked = { token: accessToken, token_type_hint: 'access_token' }
    const answer = await revoke(env.ISSUER, context, confidential(env), asked)
    if (answer.status === 400) {
      expectError(answer, 'unsupported_token_type')
      context.skip('access tokens cannot be revoked')
    }
    expect(answer.status, answer.text).toBe(200)
    expect((await described(env.ISSUER, context, caller, accessToken))['active']).toBe(false)
  },
)

scenario(
  'takes the access tokens of a refresh token along [RFC 7009 §2.1(c)]',
  [...inspectionVariables, ...userVariables],
  async (env, context) => {
    const caller = await requireInspectableUsers(env, context)
    const { accessToken, refreshToken } = await userTokensWithRefresh(env, confidential(env))
    expect((await described(env.ISSUER, context, caller, accessToken))['active']).toBe(true)
    await revoke(env.ISSUER, context, confidential(env), { token: refreshToken })
    expect((await described(env.ISSUER, context, caller, accessToken))['active']).toBe(false)
  },
)

scenario('answers a token that it does not know with 200 [RFC 7009 §2.2(a)]', client, async (env, context) => {
  for (const token of ['never-issued', randomBytes(32).toString('base64url')]) {
    const answer = await revoke(env.ISSUER, context, confidential(env), { token })
    expect(answer.status, answer.text).toBe(200)
  }
})

scenario('answers a token that was taken back already with 200 [RFC 7009 §2.2(a)]', web, async (env, context) => {
  const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
  for (let time = 0; time < 2; time++) {
    const answer = await revoke(env.ISSUER, context, confidential(env), { token: refreshToken })
    expect(answer.status, answer.text).toBe(200)
  }
})

scenario('leaves the token of another client alone [RFC 7009 §2.1(d)]', [...web, ...client2], async (env, context) => {
  const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
  const answer = await revoke(env.ISSUER, context, other(env), { token: refreshToken })
  expect([200, 400]).toContain(answer.status)
  tokensOf(await refresh(env.ISSUER, confidential(env), refreshToken))
})

scenario(
  'leaves the access token of another client alone [RFC 7009 §2.1(d)]',
  [...inspectionVariables, ...client2],
  async (env, context) => {
    const { caller, form } = await findInspectable(env, context)
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), form)
    await revoke(env.ISSUER, context, other(env), { token: accessToken })
    expect((await described(env.ISSUER, context, caller, accessToken))['active']).toBe(true)
  },
)

scenario('checks who asks before anything else [RFC 7009 §2.1(e)]', web, async (env, context) => {
  const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
  const strangers = [
    secretBasic(env.CLIENT_ID, altered(env.CLIENT_SECRET)),
    publicClient(env.CLIENT_ID),
    { id: '', credentials: () => ({}) },
  ]
  for (const stranger of strangers) {
    const answer = await revoke(env.ISSUER, context, stranger, { token: refreshToken })
    expectError(answer, 'invalid_client', ...(stranger.id === '' ? ['invalid_request'] : []))
  }
  tokensOf(await refresh(env.ISSUER, confidential(env), refreshToken))
})

scenario('asks for the token [RFC 7009 §2.1(b)]', client, async (env, context) => {
  expectError(await revoke(env.ISSUER, context, confidential(env), {}), 'invalid_request')
})

scenario('refuses the token twice [RFC 6749 §3.2(g)]', client, async (env, context) => {
  const answer = await revoke(env.ISSUER, context, confidential(env), [
    ['token', 'a'],
    ['token', 'b'],
  ])
  expectError(answer, 'invalid_request')
})

scenario('takes nothing back by GET [RFC 9110 §15.5.6]', web, async (env, context) => {
  const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
  const url = await revocationEndpoint(env.ISSUER, context)
  const { headers = {} } = await confidential(env).credentials()
  expectNoToken(await send(`${url}?token=${encodeURIComponent(refreshToken)}`, { headers }))
  tokensOf(await refresh(env.ISSUER, confidential(env), refreshToken))
})
