// RFC 7662: OAuth 2.0 Token Introspection.
import { expect } from 'vitest'
import {
  clientToken,
  confidential,
  postAs,
  publicClient,
  resourceServer,
  resourceServer2,
  secretBasic,
} from './driver/client.ts'
import { expectError, expectNoToken } from './driver/expectations.ts'
import { altered, userTokens, userTokensWithRefresh, userVariables } from './driver/flow.ts'
import { jsonOf, send } from './driver/http.ts'
import {
  described,
  findInspectable,
  inspectionVariables,
  introspect,
  introspectionEndpoint,
  requireInspectableUsers,
} from './driver/introspection.ts'
import { findEndpoint } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const client = ['CLIENT_ID', 'CLIENT_SECRET'] as const
const api = ['RS_CLIENT_ID', 'RS_CLIENT_SECRET'] as const
const api2 = ['AUDIENCE2', 'SCOPE2', 'RS2_ID', 'RS2_SECRET'] as const

scenario(
  'describes a token of its API to the resource server [RFC 7662 §2.2(b)]',
  inspectionVariables,
  async (env, context) => {
    const { caller, form } = await findInspectable(env, context)
    const { accessToken, scope } = await clientToken(env.ISSUER, confidential(env), form)
    const facts = await described(env.ISSUER, context, caller, accessToken)
    expect(facts['active']).toBe(true)
    if (facts['scope'] !== undefined) expect(facts['scope']).toBe(scope)
    if (facts['client_id'] !== undefined) expect(facts['client_id']).toBe(env.CLIENT_ID)
    if (facts['iss'] !== undefined) expect(facts['iss']).toBe(env.ISSUER)
    if (facts['exp'] !== undefined) expect(facts['exp']).toBeGreaterThan(Date.now() / 1_000)
  },
)

scenario(
  'describes the token of a user, and its client [RFC 7662 §2.2(b)]',
  [...inspectionVariables, ...userVariables],
  async (env, context) => {
    const caller = await requireInspectableUsers(env, context)
    const { accessToken } = await userTokens(env, confidential(env))
    const facts = await described(env.ISSUER, context, caller, accessToken)
    expect(facts['active']).toBe(true)
    if (facts['sub'] !== undefined) expect(facts['sub']).not.toBe(env.CLIENT_ID)
    if (facts['client_id'] !== undefined) expect(facts['client_id']).toBe(env.CLIENT_ID)
  },
)

for (const hint of ['refresh_token', 'no_such_kind']) {
  scenario(
    `finds an access token under the hint ${hint} [RFC 7662 §2.1(c)]`,
    inspectionVariables,
    async (env, context) => {
      const { caller, form } = await findInspectable(env, context)
      const { accessToken } = await clientToken(env.ISSUER, confidential(env), form)
      const asked = { token: accessToken, token_type_hint: hint }
      expect(jsonOf(await introspect(env.ISSUER, context, caller, asked))['active']).toBe(true)
    },
  )
}

scenario(
  'says of a token that it does not know that it is inactive, and nothing more [RFC 7662 §2.2(a)(b)(d)]',
  api,
  async (env, context) => {
    for (const token of ['never-issued', 'a.b.c', 'x'.repeat(10_000)]) {
      expect(await described(env.ISSUER, context, resourceServer(env), token)).toEqual({ active: false })
    }
  },
)

scenario(
  'says of an altered token that it is inactive [RFC 7662 §4(d), RFC 6749 §10.3(c)]',
  inspectionVariables,
  async (env, context) => {
    const { caller, form } = await findInspectable(env, context)
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), form)
    const [header = '', payload = '', signature] = accessToken.split('.')
    const wrong = [
      altered(accessToken),
      ...(signature === undefined ? [] : [`${header}.${altered(payload)}.${signature}`]),
    ]
    for (const token of wrong) {
      expect(await described(env.ISSUER, context, caller, token)).toEqual({ active: false })
    }
  },
)

scenario(
  'says nothing to the first API of tokens for the second [RFC 7662 §2.2(a)(d), RFC 7662 §4(e), RFC 7662 §5]',
  [...client, ...api, ...api2],
  async (env, context) => {
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), {
      resource: env.AUDIENCE2,
      scope: env.SCOPE2,
    })
    expect(await described(env.ISSUER, context, resourceServer(env), accessToken)).toEqual({ active: false })
    expect((await described(env.ISSUER, context, resourceServer2(env), accessToken))['active']).toBe(true)
  },
)

scenario(
  'says nothing to the second API of tokens for the first [RFC 7662 §2.2(a)(d), RFC 7662 §4(e), RFC 7662 §5]',
  [...inspectionVariables, 'RS2_ID', 'RS2_SECRET'],
  async (env, context) => {
    await requireInspectableUsers(env, context)
    const { accessToken } = await clientToken(env.ISSUER, confidential(env))
    expect(await described(env.ISSUER, context, resourceServer2(env), accessToken)).toEqual({ active: false })
  },
)

scenario(
  'says of a token whose grant was taken back that it is inactive [RFC 7662 §4(c)]',
  [...inspectionVariables, ...userVariables],
  async (env, context) => {
    const caller = await requireInspectableUsers(env, context)
    const { accessToken, refreshToken } = await userTokensWithRefresh(env, confidential(env))
    expect((await described(env.ISSUER, context, caller, accessToken))['active']).toBe(true)
    const url = await findEndpoint(env.ISSUER, 'revocation_endpoint')
    if (url === undefined) return context.skip('the issuer has no revocation_endpoint')
    await postAs(confidential(env), url, { token: refreshToken })
    expect(await described(env.ISSUER, context, caller, accessToken)).toEqual({ active: false })
  },
)

scenario(
  'answers only callers that prove who they are [RFC 7662 §2.1(a), RFC 7662 §2.3(b)]',
  inspectionVariables,
  async (env, context) => {
    const { caller, form } = await findInspectable(env, context)
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), form)
    const strangers = [
      secretBasic(caller.id, 'a wrong secret'),
      publicClient(caller.id),
      { id: '', credentials: () => ({}) },
    ]
    for (const stranger of strangers) {
      const answer = await introspect(env.ISSUER, context, stranger, { token: accessToken })
      expect([400, 401], answer.text).toContain(answer.status)
      expect(answer.text).not.toContain('"active"')
    }
  },
)

scenario(
  'tells a public client nothing [RFC 7662 §2.1(a)]',
  [...inspectionVariables, 'PUBLIC_CLIENT_ID'],
  async (env, context) => {
    const { form } = await findInspectable(env, context)
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), form)
    const stranger = publicClient(env.PUBLIC_CLIENT_ID)
    const answer = await introspect(env.ISSUER, context, stranger, { token: accessToken })
    if (answer.status === 200) expect(jsonOf(answer)).toEqual({ active: false })
    else expectError(answer)
  },
)

scenario('asks for the token [RFC 7662 §2.1(b)]', api, async (env, context) => {
  expectError(await introspect(env.ISSUER, context, resourceServer(env), {}), 'invalid_request')
})

scenario('refuses the token twice [RFC 6749 §3.2(g)]', [...client, ...api], async (env, context) => {
  const { accessToken } = await clientToken(env.ISSUER, confidential(env))
  const answer = await introspect(env.ISSUER, context, resourceServer(env), [
    ['token', accessToken],
    ['token', 'another'],
  ])
  expectError(answer, 'invalid_request')
})

scenario('tells nothing by GET [RFC 7662 §2.1(e)]', [...client, ...api], async (env, context) => {
  const { accessToken } = await clientToken(env.ISSUER, confidential(env))
  const url = await introspectionEndpoint(env.ISSUER, context)
  const { headers = {} } = await resourceServer(env).credentials()
  const answer = await send(`${url}?token=${accessToken}`, { headers })
  expectNoToken(answer)
  expect(answer.text).not.toContain('"active":true')
})
