// RFC 9700: Best Current Practice for OAuth 2.0 Security.
import { expect } from 'vitest'
import { createBrowser } from './driver/browser.ts'
import { confidential, publicClient, requestToken, tokensOf } from './driver/client.ts'
import { expectError, expectNoToken } from './driver/expectations.ts'
import {
  authorizationForm,
  authorizationUrl,
  authorize,
  createProofKey,
  credentialsOf,
  redeem,
  refresh,
  sharedBrowser,
  userTokensWithRefresh,
  userVariables,
} from './driver/flow.ts'
import { type Answer, send } from './driver/http.ts'
import { endpointOf, listOf } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const client = ['CLIENT_ID', 'CLIENT_SECRET'] as const
const app = ['PUBLIC_CLIENT_ID', ...userVariables] as const
const web = [...client, ...userVariables] as const

scenario(
  'takes no password of a user at the token endpoint [RFC 9700 §2.4]',
  [...client, 'USERNAME', 'PASSWORD'],
  async (env) => {
    const form = { grant_type: 'password', username: env.USERNAME, password: env.PASSWORD }
    const answer = await requestToken(env.ISSUER, confidential(env), form)
    expectNoToken(answer)
    expectError(answer, 'unsupported_grant_type', 'unauthorized_client')
    expect((await listOf(env.ISSUER, 'grant_types_supported')) ?? []).not.toContain('password')
  },
)

scenario('hands no access token to the browser [RFC 9700 §2.1.2]', app, async (env) => {
  for (const response_type of ['token', 'code token', 'id_token token']) {
    const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { response_type })
    expect((await authorize(env, form)).left?.href ?? '').not.toContain('access_token=')
  }
})

scenario(
  'redeems a code that began without challenge for no verifier [RFC 9700 §2.1.1, RFC 9700 §4.8.2]',
  web,
  async (env) => {
    const changes = { code_challenge: undefined, code_challenge_method: undefined }
    const { left } = await authorize(env, authorizationForm(env, env.CLIENT_ID, createProofKey(), changes))
    const code = left?.searchParams.get('code') ?? null
    // A server that gives no such code has nothing to downgrade.
    if (code === null) return
    const injected = { code, verifier: createProofKey().verifier, redirectUri: env.REDIRECT_URI }
    expectError(await redeem(env.ISSUER, confidential(env), injected))
  },
)

/** Every answer on the way from the sign-in form to the client, and the pages among them. */
async function wayThrough(
  env: Parameters<typeof credentialsOf>[0] & { readonly PUBLIC_CLIENT_ID: string },
): Promise<readonly Answer[]> {
  const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { prompt: 'consent' })
  const user = { signIn: credentialsOf(env), decision: 'approve' } as const
  const { answers, left } = await createBrowser(env.REDIRECT_URI).visit(await authorizationUrl(env.ISSUER, form), user)
  expect(left?.searchParams.has('code')).toBe(true)
  return answers
}

scenario('never has a browser repeat what it posted [RFC 9700 §4.12]', app, async (env) => {
  const statuses = (await wayThrough(env)).map(({ status }) => status)
  expect(statuses).not.toContain(307)
  expect(statuses).not.toContain(308)
})

scenario('lets no other site frame its pages [RFC 9700 §4.16]', app, async (env) => {
  const pages = (await wayThrough(env)).filter(({ status }) => status === 200)
  expect(pages.length).toBeGreaterThan(0)
  for (const { url, headers } of pages) {
    const policy = /frame-ancestors ([^;]*)/.exec(headers.get('content-security-policy') ?? '')?.[1]
    if (policy === undefined) expect(headers.get('x-frame-options'), url).toMatch(/^(deny|sameorigin)$/i)
    else expect(policy.trim()).toMatch(/^'(none|self)'$/)
  }
})

scenario('lets no script of another site read the authorization endpoint [RFC 9700 §2.6]', app, async (env) => {
  const url = await authorizationUrl(env.ISSUER, authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey()))
  for (const method of ['GET', 'OPTIONS']) {
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'GET' }
    const answer = await send(url, { method, headers })
    expect(answer.headers.get('access-control-allow-origin'), method).toBeNull()
  }
})

scenario('sends nobody to an address from elsewhere in the request [RFC 9700 §4.11.2]', app, async (env) => {
  const endpoint = await endpointOf(env.ISSUER, 'authorization_endpoint')
  for (const name of ['redirect_uri', 'return_to', 'next', 'url', 'continue', 'error_uri']) {
    const { left } = await sharedBrowser(env).visit(
      `${endpoint}?${name}=${encodeURIComponent('https://evil.example/')}`,
    )
    expect(left?.href, name).toBeUndefined()
  }
})

scenario('gives a public client a new refresh token each time [RFC 9700 §4.14.2]', app, async (env) => {
  const { refreshToken } = await userTokensWithRefresh(env, publicClient(env.PUBLIC_CLIENT_ID))
  const next = tokensOf(await refresh(env.ISSUER, publicClient(env.PUBLIC_CLIENT_ID), refreshToken))
  expect(next.refreshToken).toMatch(/\S/)
  expect(next.refreshToken).not.toBe(refreshToken)
})

scenario(
  'takes a refresh token that comes back late for stolen, and ends the grant [RFC 9700 §4.14.2]',
  app,
  async (env) => {
    const client = publicClient(env.PUBLIC_CLIENT_ID)
    const { refreshToken: stolen } = await userTokensWithRefresh(env, client)
    const second = tokensOf(await refresh(env.ISSUER, client, stolen)).refreshToken ?? ''
    const third = tokensOf(await refresh(env.ISSUER, client, second)).refreshToken ?? ''
    expectError(await refresh(env.ISSUER, client, stolen), 'invalid_grant')
    expectError(await refresh(env.ISSUER, client, third), 'invalid_grant')
  },
)

scenario('never lets two refresh tokens of one grant live, whoever races [RFC 9700 §4.14.2]', app, async (env) => {
  const client = publicClient(env.PUBLIC_CLIENT_ID)
  const { refreshToken } = await userTokensWithRefresh(env, client)
  const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(env.ISSUER, client, refreshToken)))
  const successors = answers
    .filter(({ status }) => status === 200)
    .map((answer) => tokensOf(answer).refreshToken ?? refreshToken)
  let alive = 0
  for (const successor of new Set(successors)) {
    if ((await refresh(env.ISSUER, client, successor)).status === 200) alive++
  }
  expect(alive).toBeLessThanOrEqual(1)
})
